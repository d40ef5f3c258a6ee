"""The project's own tests, run in a copy of its tree: each test's outcome, and coverage where
asked for.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layout import import_roots, is_test_file
from processes import Ran, run_tool
from worktree import DEPENDENCY_PATH, Refused, list_python_files

MAX_COPY_BYTES = 120_000_000
LEFT_OUT = (".git", ".venv", "venv", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache",
            ".pytest_cache", ".tox", ".nox")  # fmt: skip
NO_TESTS, USAGE_ERROR = 5, 4
RECORDER = "leanvibe_outcome_recorder"


@dataclass(frozen=True)
class Suite:
    """One run of the suite. `outcomes` is None where it did not end; `reason` says why."""

    outcomes: dict[str, dict[str, str]] | None
    reason: str | None
    files: dict[str, dict[str, Any]]

    def named(self, outcome: str) -> set[str]:
        """The tests with this outcome."""
        return {k for k, one in (self.outcomes or {}).items() if one["outcome"] == outcome}


def run_suite(
    tree: Path,
    *,
    timeout_s: float,
    with_coverage: bool = False,
    only: Sequence[str] = (),
    extra_files: dict[str, str] | None = None,
    hash_seed: int = 0,
) -> Suite:
    """Run the tests of a tree. `extra_files` are laid into the copy first; `only` names test files.

    Raises: Refused: the tree is too large to copy.
    """
    with tempfile.TemporaryDirectory(prefix="suite-") as scratch:
        place = Path(scratch) / "tree"
        copy_tree(tree, place)
        for path, text in (extra_files or {}).items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(text, encoding="utf-8")
        return _run_in(place, Path(scratch), timeout_s, with_coverage, only, hash_seed)


def import_path(tree: Path) -> str:
    """The PYTHONPATH under which the tree's modules import."""
    paths, _ = list_python_files(tree)
    roots = import_roots(paths)
    places = [str(tree if root == "." else tree / root) for root in roots]
    return os.pathsep.join([*DEPENDENCY_PATH, *places])


def copy_tree(tree: Path, place: Path) -> None:
    """Copy a tree without what tools leave behind; links are copied as links.

    Raises: Refused: it is too large.
    """
    total = 0
    for directory, names, files in os.walk(tree):
        names[:] = [name for name in names if name not in LEFT_OUT]
        for name in files:
            total += os.lstat(os.path.join(directory, name)).st_size
            if total > MAX_COPY_BYTES:
                raise Refused(
                    "too_large", "The repository is too large to run its tests in a copy."
                )
    try:
        shutil.copytree(tree, place, symlinks=True, ignore=_left_out)
    except (OSError, shutil.Error) as error:
        raise Refused(
            "too_large", f"The repository could not be copied: {str(error)[:200]}"
        ) from error


def _left_out(directory: str, names: list[str]) -> set[str]:
    """What a copy leaves out: tool directories, and pipes and sockets, which would block it."""
    special = {name for name in names if not _is_plain_entry(os.path.join(directory, name))}
    return special | (set(names) & set(LEFT_OUT))


def _is_plain_entry(path: str) -> bool:
    mode = os.lstat(path).st_mode
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)


def _run_in(
    place: Path,
    scratch: Path,
    timeout_s: float,
    with_coverage: bool,
    only: Sequence[str],
    hash_seed: int,
) -> Suite:
    plugins = scratch / "plugins"
    plugins.mkdir()
    recorder = Path(__file__).with_name("outcome_recorder.py")
    shutil.copyfile(recorder, plugins / f"{RECORDER}.py")
    outcomes, data = scratch / "outcomes.json", scratch / "coverage.data"
    environment = {
        "PYTHONPATH": os.pathsep.join([import_path(place), str(plugins)]),
        "LEANVIBE_OUTCOMES": str(outcomes),
        "HOME": str(scratch),
        "PYTHONHASHSEED": str(hash_seed),
    }
    settings = scratch / "coveragerc"
    settings.write_text(_coverage_settings(place), encoding="utf-8")
    base = [
        "-p",
        RECORDER,
        "-p",
        "no:cacheprovider",
        "-q",
        "--tb=short",
        "--continue-on-collection-errors",
    ]
    ran = Ran(None, "", "")
    for options in ([], ["-o", "addopts="]):
        command = [*base, *options, *only]
        if with_coverage:
            arguments = ["run", f"--rcfile={settings}", f"--data-file={data}", "-m", "pytest"]
            ran = run_tool("coverage", [*arguments, *command], cwd=place, timeout_s=timeout_s,
                           environment=environment)  # fmt: skip
        else:
            ran = run_tool("pytest", command, cwd=place, timeout_s=timeout_s,
                           environment=environment)  # fmt: skip
        if ran.exit_code != USAGE_ERROR or (outcomes.exists() and outcomes.read_text() != "{}"):
            break
    files = _read_coverage(place, settings, data, scratch) if with_coverage else {}
    return _read_suite(ran, place, outcomes, files, timeout_s)


def _coverage_settings(place: Path) -> str:
    has_greenlet = importlib.util.find_spec("greenlet") is not None
    concurrency = "thread, greenlet" if has_greenlet else "thread"
    return (
        "[run]\nbranch = True\nrelative_files = True\n"
        f"concurrency = {concurrency}\nsource = {place}\n"
        "[report]\ninclude_namespace_packages = True\nignore_errors = True\n"
    )


def _read_coverage(
    place: Path, settings: Path, data: Path, scratch: Path
) -> dict[str, dict[str, Any]]:
    report = scratch / "coverage.json"
    run_tool(
        "coverage",
        ["json", f"--rcfile={settings}", f"--data-file={data}", "-q", "-o", str(report)],
        cwd=place,
        timeout_s=120,
    )
    if not report.exists():
        return {}
    files: dict[str, dict[str, Any]] = {}
    for path, one in sorted(json.loads(report.read_text(encoding="utf-8"))["files"].items()):
        if is_test_file(path):
            continue
        summary = one["summary"]
        files[path] = {
            "executed": one["executed_lines"],
            "missing": one["missing_lines"],
            "missing_arcs": one.get("missing_branches", []),
            "branches": summary.get("num_branches", 0),
            "covered_branches": summary.get("covered_branches", 0),
        }
    return files


def _read_suite(
    ran: Ran, place: Path, outcomes: Path, files: dict[str, dict[str, Any]], timeout_s: float
) -> Suite:
    if ran.timed_out:
        return Suite(None, f"The tests did not end within {timeout_s:.0f} s.", files)
    if not outcomes.exists():
        said = f"{ran.stdout} {ran.stderr}".replace(f"{place}/", "")
        tail = " ".join(said.split())[-300:]
        return Suite(None, f"pytest could not run: {tail}", files)
    # The copy's own place changes with every run.
    found = json.loads(outcomes.read_text(encoding="utf-8").replace(f"{place}/", ""))
    if not found:
        return Suite({}, "The repository has no tests.", files)
    return Suite(found, None, files)
