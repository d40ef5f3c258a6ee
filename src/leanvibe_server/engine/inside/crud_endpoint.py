"""Add a CRUD endpoint to a FastAPI application: routes, shapes, storage, tests, documentation.

Request: `{"step": "check"|"code"|"tests"|"docs", "parameters": {"endpoint", "methods",
"authentication", "database", "fields", "unique"?}, "previous": {"code": <answer of the code
step>}}`. Answer: `{"ok", "changed", "files": [{"path", "action"}], "notes", "assumptions",
"numbers", "summary", "carry"}`; `carry` of the code step goes back in as it came.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from app_wiring import declare_in_project, register_router
from crud_code import files_of
from crud_docs import page, readme_with_link
from crud_target import Spec, Target, choose_target, read_spec
from crud_tests import test_text
from formatting import format_files
from layout import read_dependencies, read_project
from worktree import Refused, print_answer, read_request, read_text, refusal, write_text

IMPORT_NAMES = {"sqlalchemy": "sqlalchemy>=2.0", "fastapi": "fastapi>=0.115"}


def write_code(root: Path, spec: Spec) -> dict[str, Any]:
    """Write the endpoint's modules and register its router.

    Raises: Refused: the endpoint is there already, or the repository has no place for it.
    """
    target = choose_target(root, spec)
    files = files_of(spec, target)
    changed: dict[str, str] = {}
    if not target.new_app:
        changed[target.app_path] = _registered(root, spec, target)
    notes, declared = _declare_dependencies(root, spec, target)
    changed.update(declared)
    for path, text in files.items():
        write_text(root, path, text)
    format_files(root, sorted(files))
    new = [path for path in changed if not (root / path).exists()]
    for path, text in changed.items():
        write_text(root, path, text)
    return {
        **_answer(sorted([*files, *new]), sorted(set(changed) - set(new)), notes),
        "assumptions": target.assumptions,
        "numbers": {"routes": _count_routes(spec)},
        "summary": f"Added {_count_routes(spec)} routes under {spec.endpoint}.",
        "carry": {"target": target.view()},
    }


def write_tests(root: Path, spec: Spec, target: Target) -> dict[str, Any]:
    """Write the tests of every route."""
    files = {target.test_path: test_text(spec, target)}
    directory = target.test_path.rpartition("/")[0]
    if target.new_test_directory and not target.directory.startswith("src"):
        files[f"{directory}/__init__.py"] = ""
    for path, text in files.items():
        write_text(root, path, text)
    format_files(root, sorted(files))
    written = len(re.findall(r"^\s*def test_", files[target.test_path], re.MULTILINE))
    return {
        **_answer(sorted(files), [], _test_notes(root)),
        "numbers": {"tests": written},
        "summary": f"Wrote {written} tests in {target.test_path}.",
    }


def _test_notes(root: Path) -> list[str]:
    declared = read_dependencies(root, read_project(root))
    if any("httpx" in names or "httpx2" in names for names in declared.values()):
        return []
    return ["The tests call the service through httpx: declare it for development."]


def write_docs(root: Path, spec: Spec, target: Target) -> dict[str, Any]:
    """Write the page of the resource and link it from the README's API section."""
    page_path = f"docs/api/{spec.plural.replace('_', '-')}.md"
    created = [] if (root / page_path).exists() else [page_path]
    changed = [] if created else [page_path]
    write_text(root, page_path, page(spec, target))
    readme = read_text(root, "README.md")
    linked = readme_with_link(readme, spec, page_path) if readme is not None else None
    if linked is not None:
        write_text(root, "README.md", linked)
        changed.append("README.md")
    return {
        **_answer(created, sorted(changed), []),
        "numbers": {"pages": 1},
        "summary": f"Documented {spec.endpoint} in {page_path}.",
    }


def _answer(created: list[str], changed: list[str], notes: list[str]) -> dict[str, Any]:
    files = [{"path": path, "action": "created"} for path in created]
    files += [{"path": path, "action": "changed"} for path in changed]
    return {
        "ok": True,
        "changed": True,
        "code": None,
        "files": sorted(files, key=lambda one: one["path"]),
        "notes": notes,
    }


def _registered(root: Path, spec: Spec, target: Target) -> str:
    text = read_text(root, target.app_path)
    if text is None:
        raise Refused("failed", f"{target.app_path} can't be read.")
    package = (
        f".{spec.plural}" if target.relative else f"{target.package}.{spec.plural}".lstrip(".")
    )
    name = f"{spec.plural}_router"
    if re.search(rf"\b{name}\b", text):
        name = f"{spec.plural}_crud_router"
    return register_router(
        text,
        import_line=f"from {package}.router import router as {name}",
        router=name,
        app=target.app_variable,
        factory=target.app_factory,
    )


def _declare_dependencies(
    root: Path, spec: Spec, target: Target
) -> tuple[list[str], dict[str, str]]:
    """Notes and edited files for the packages that the new code needs and nobody declares."""
    needed = ["sqlalchemy"] if spec.database == "sqlalchemy" and target.session is None else []
    needed += ["fastapi"] if target.new_app else []
    project = read_text(root, "pyproject.toml")
    requirements = read_text(root, "requirements.txt")
    notes, changed = [], dict[str, str]()
    for name in needed:
        requirement = IMPORT_NAMES[name]
        pattern = rf"(?im)(^|[\"'\s]){name}\b"
        if any(text and re.search(pattern, text) for text in (project, requirements)):
            continue
        edited = declare_in_project(project, requirement) if project is not None else None
        if edited is not None:
            project = changed["pyproject.toml"] = edited
            notes.append(f"Declared {requirement} in pyproject.toml; a lock file was not updated.")
        elif requirements is not None:
            joint = "" if not requirements or requirements.endswith("\n") else "\n"
            requirements = changed["requirements.txt"] = f"{requirements}{joint}{requirement}\n"
            notes.append(f"Declared {requirement} in requirements.txt.")
        elif project is None and not (root / "setup.py").exists():
            requirements = changed["requirements.txt"] = f"{requirement}\n"
            notes.append(f"Declared {requirement} in a new requirements.txt.")
        else:
            notes.append(f"Declare {requirement} where the project lists its dependencies.")
    return notes, changed


def _count_routes(spec: Spec) -> int:
    return len(spec.methods) + spec.has("GET")


def perform(root: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Do one step of the recipe."""
    spec = read_spec(request.get("parameters") or {})
    if spec.database == "memory" and not spec.has("POST"):
        raise Refused(
            "unmet", "Memory that nothing is ever added to stays empty: ask for POST too."
        )
    step = request.get("step", "code")
    if step == "check":
        target = choose_target(root, spec)
        return {
            **_answer([], [], []),
            "changed": False,
            "assumptions": target.assumptions,
            "numbers": {"routes": _count_routes(spec)},
            "summary": f"{spec.endpoint} can be added to {target.app_path}.",
        }
    if step == "code":
        return write_code(root, spec)
    carried = ((request.get("previous") or {}).get("code") or {}).get("carry") or {}
    if "target" not in carried:
        raise Refused("bad_request", "The answer of the code step is missing.")
    target = Target(**carried["target"])
    return write_tests(root, spec, target) if step == "tests" else write_docs(root, spec, target)


def main() -> None:
    try:
        answer = perform(Path.cwd(), read_request())
    except Refused as refused:
        answer = refusal(refused)
    print_answer(answer)


if __name__ == "__main__":
    main()
