"""How a repository is laid out: import roots, module names, dependencies, tool settings."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from worktree import read_text

REQUIREMENT_FILES = (
    "requirements.txt",
    "requirements/base.txt",
    "requirements/dev.txt",
    "requirements-dev.txt",
    "dev-requirements.txt",
    "requirements_dev.txt",
    "test-requirements.txt",
)
TEST_DIRECTORIES = frozenset({"test", "tests", "testing"})


def import_roots(paths: list[str]) -> list[str]:
    """The directories modules are imported from: `src` where it is a source root, always the tree
    itself.
    """
    has_source_root = any(path.startswith("src/") for path in paths)
    return ["src", "."] if has_source_root and "src/__init__.py" not in paths else ["."]


def module_name(path: str, roots: list[str]) -> str | None:
    """The dotted name a file is imported by; None where a part of the path is no identifier."""
    inner = path.removeprefix("src/") if "src" in roots else path
    parts = inner.removesuffix(".py").split("/")
    if parts[-1] == "__init__":
        parts.pop()
    if not parts or not all(part.isidentifier() for part in parts):
        return None
    return ".".join(parts)


def is_test_file(path: str) -> bool:
    """Whether the file holds tests or serves them."""
    *directories, name = path.split("/")
    if name.startswith("test_") or name.endswith("_test.py") or name in {"conftest.py", "tests.py"}:
        return True
    return any(part in TEST_DIRECTORIES for part in directories)


def read_project(root: Path) -> dict[str, Any]:
    """The repository's `pyproject.toml`; empty where it is missing or broken."""
    text = read_text(root, "pyproject.toml")
    if text is None:
        return {}
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def read_dependencies(root: Path, project: dict[str, Any]) -> dict[str, list[str]]:
    """Declared package names by the file that declares them, normalised, sorted."""
    declared: dict[str, list[str]] = {}
    for path in REQUIREMENT_FILES:
        text = read_text(root, path)
        if text is not None:
            lines = [line.split("#")[0].strip() for line in text.splitlines()]
            declared[path] = _names([line for line in lines if line and not line.startswith("-")])
    table = _table(project, "project")
    lines = _strings(table.get("dependencies"))
    for group in _table(table, "optional-dependencies").values():
        lines += _strings(group)
    for group in _table(project, "dependency-groups").values():
        lines += _strings(group)
    poetry = _table(_table(project, "tool"), "poetry")
    lines += [name for name in _table(poetry, "dependencies") if name != "python"]
    for group in _table(poetry, "group").values():
        lines += list(_table(group, "dependencies"))
    if project:
        declared["pyproject.toml"] = _names(lines)
    setup = read_text(root, "setup.cfg") or ""
    block = re.search(r"^install_requires\s*=\s*\n((?:[ \t]+.*\n?)+)", setup, re.MULTILINE)
    if block:
        declared["setup.cfg"] = _names([line.strip() for line in block[1].splitlines()])
    return declared


def read_minimum_python(project: dict[str, Any]) -> tuple[int, int] | None:
    """The lowest Python the project promises to run on, as it declares it."""
    wanted = _table(project, "project").get("requires-python", "")
    found = re.search(r">=\s*(\d+)\.(\d+)", str(wanted))
    return (int(found[1]), int(found[2])) if found else None


def read_ruff_settings(root: Path, project: dict[str, Any]) -> dict[str, Any]:
    """Where ruff is configured, if anywhere."""
    for path in (".ruff.toml", "ruff.toml"):
        if read_text(root, path) is not None:
            return {"configured": True, "path": path}
    if "ruff" in _table(project, "tool"):
        return {"configured": True, "path": "pyproject.toml"}
    return {"configured": False, "path": None}


def _names(lines: list[str]) -> list[str]:
    found = (re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line) for line in lines)
    return sorted({re.sub(r"[-_.]+", "-", match[0]).lower() for match in found if match})


def _table(owner: Any, key: str) -> dict[str, Any]:
    value = owner.get(key) if isinstance(owner, dict) else None
    return value if isinstance(value, dict) else {}


def _strings(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
