"""Survey a repository: what it is made of, as facts that a plan can rest on.

Request: `{}`. Answer: `{"ok": true, "survey": {…}}`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from layout import (
    import_roots,
    is_test_file,
    module_name,
    read_dependencies,
    read_minimum_python,
    read_project,
    read_ruff_settings,
)
from syntax import FileFacts, read_facts
from worktree import (
    Refused,
    list_python_files,
    print_answer,
    read_request,
    read_text,
    refusal,
    walk_files,
)

MAX_MODULES = 3_000
MAX_SYMBOLS = 6_000
MAX_PUBLIC_PER_MODULE = 60
MAX_ROUTES = 2_000
MAX_TOTAL_BYTES = 60_000_000
FRAMEWORKS = (
    "fastapi", "flask", "django", "starlette", "pydantic", "sqlalchemy", "sqlmodel", "pytest",
    "unittest", "jwt", "httpx", "alembic",
)  # fmt: skip


def survey_repository(root: Path) -> dict[str, Any]:
    """Every fact of the repository, bounded in files and bytes."""
    paths, truncated = list_python_files(root)
    roots = import_roots(paths)
    project = read_project(root)
    facts, truncated = _read_all(root, paths, roots, truncated)
    modules = {name: one for name, one in facts.items() if not is_test_file(one.path)}
    tests = [one for one in facts.values() if is_test_file(one.path)]
    tested = _tested_modules(tests, set(modules))
    dependencies = read_dependencies(root, project)
    return {
        "python": bool(paths),
        "python_files": len(paths),
        "truncated": truncated,
        "roots": roots,
        "modules": _module_views(modules, tested),
        "untested_modules": sorted(
            name for name, one in modules.items() if name not in tested and _holds_code(one)
        ),
        "apps": _apps(modules),
        "routes": _routes(facts)[:MAX_ROUTES],
        "tests": _test_layout(tests),
        "uses": _used_frameworks(facts, dependencies),
        "dependencies": dependencies,
        "minimum_python": read_minimum_python(project),
        "ruff": read_ruff_settings(root, project),
        "sqlalchemy": _database_facts(modules),
        "auth": [
            {"module": name, "path": one.path, **found}
            for name, one in sorted(modules.items())
            for found in one.auth_dependencies
        ],
        "syntax_errors": [
            {"path": one.path, **one.error}
            for one in sorted(facts.values(), key=lambda one: one.path)
            if one.error
        ],
        "documents": _documents(root),
    }


def _read_all(
    root: Path, paths: list[str], roots: list[str], truncated: bool
) -> tuple[dict[str, FileFacts], bool]:
    facts: dict[str, FileFacts] = {}
    total = 0
    for path in paths:
        text = read_text(root, path)
        total += len(text or "")
        if total > MAX_TOTAL_BYTES:
            return facts, True
        if text is None:
            continue
        name = module_name(path, roots) or path
        facts[name] = read_facts(path, name if name != path else "", text)
    return facts, truncated


def _module_views(modules: dict[str, FileFacts], tested: set[str]) -> list[dict[str, Any]]:
    """The modules with their public symbols, as many of these as fit a bounded answer."""
    views = []
    left = MAX_SYMBOLS
    for name in sorted(modules)[:MAX_MODULES]:
        one = modules[name]
        public = one.public[: min(left, MAX_PUBLIC_PER_MODULE)]
        left -= len(public)
        views.append(
            {
                "name": name,
                "path": one.path,
                "loc": one.loc,
                "public": public,
                "holds_code": _holds_code(one),
                "tested": name in tested,
            }
        )
    return views


def _holds_code(facts: FileFacts) -> bool:
    return any(one["kind"] in {"function", "class"} for one in facts.public)


def _tested_modules(tests: list[FileFacts], modules: set[str]) -> set[str]:
    """The modules a test imports by name. What those import in turn doesn't count."""
    return {name for one in tests for name in one.imports if name in modules}


def _apps(modules: dict[str, FileFacts]) -> list[dict[str, Any]]:
    return [
        {"module": name, "path": one.path, **app}
        for name, one in sorted(modules.items())
        for app in one.apps
    ]


def _routes(facts: dict[str, FileFacts]) -> list[dict[str, Any]]:
    """Every route with its full path, as far as prefixes are literals."""
    mounted = _mount_prefixes(facts)
    found = []
    for name, one in sorted(facts.items()):
        if is_test_file(one.path):
            continue
        own = {app["variable"]: app for app in one.apps}
        for route in one.routes:
            app = own.get(route["on"])
            if app is None:
                continue
            outer = mounted.get(f"{name}.{app['variable']}", "")
            found.append(
                {
                    "method": route["method"],
                    "path": f"{outer}{app['prefix']}{route['path']}" or "/",
                    "file": one.path,
                    "function": route["function"],
                    "line": route["line"],
                }
            )
    return found


def _mount_prefixes(facts: dict[str, FileFacts]) -> dict[str, str]:
    prefixes: dict[str, str] = {}
    for name, one in sorted(facts.items()):
        for include in one.includes:
            head, _, rest = include["router"].partition(".")
            source = one.bound.get(head, f"{name}.{head}")
            prefixes[f"{source}.{rest}" if rest else source] = include["prefix"]
    return prefixes


def _test_layout(tests: list[FileFacts]) -> dict[str, Any]:
    holding = sorted((one for one in tests if one.tests), key=lambda one: one.path)
    directories: dict[str, int] = {}
    for one in holding:
        parent = one.path.rpartition("/")[0] or "."
        directories[parent] = directories.get(parent, 0) + 1
    best = max(sorted(directories), key=lambda parent: directories[parent]) if directories else None
    uses_pytest = any("pytest" in one.imports for one in tests)
    only_unittest = bool(holding) and all(one.unittest_classes for one in holding)
    runner = "unittest" if only_unittest and not uses_pytest else "pytest" if holding else None
    return {
        "runner": runner,
        "directory": best,
        "files": [one.path for one in holding][:500],
        "functions": sum(one.tests for one in holding),
        "conftest": sorted(one.path for one in tests if one.path.endswith("conftest.py")),
        "suffix_style": bool(holding) and all(one.path.endswith("_test.py") for one in holding),
    }


def _used_frameworks(
    facts: dict[str, FileFacts], dependencies: dict[str, list[str]]
) -> dict[str, bool]:
    imported = {name.partition(".")[0] for one in facts.values() for name in one.imports}
    declared = {name for names in dependencies.values() for name in names}
    aliases = {"jwt": "pyjwt"}
    return {
        name: name in imported or aliases.get(name, name) in declared for name in sorted(FRAMEWORKS)
    }


def _database_facts(modules: dict[str, FileFacts]) -> dict[str, Any]:
    facts: dict[str, Any] = {"base": None, "session": None, "tables": {}}
    for name, one in sorted(modules.items()):
        uses = any(source.startswith("sqlalchemy") for source in one.imports)
        if uses and one.declarative_base and facts["base"] is None:
            facts["base"] = {"module": name, "name": one.declarative_base, "path": one.path}
        if uses and one.session_source and facts["session"] is None:
            facts["session"] = {"module": name, "path": one.path, **one.session_source}
        for table in one.tables:
            facts["tables"].setdefault(table, one.path)
    return facts


def _documents(root: Path) -> list[str]:
    kept = [path for path in walk_files(root) if path.endswith((".md", ".rst"))]
    return kept[:200]


def main() -> None:
    try:
        read_request()
        print_answer({"ok": True, "survey": survey_repository(Path.cwd())})
    except Refused as refused:
        print_answer(refusal(refused))


if __name__ == "__main__":
    main()
