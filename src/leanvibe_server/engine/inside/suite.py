"""The project's own tests, run in a copy of its tree: each test's outcome, and coverage where
asked for.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layout import import_roots, is_test_file
from processes import Ran, run_tool
from suite_limits import describe, find_cause, find_cause_of, measure_room_mb
from worktree import DEPENDENCY_PATH, Refused, list_python_files

MAX_COPY_BYTES = 120_000_000
LEFT_OUT = (".git", ".venv", "venv", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache",
            ".pytest_cache", ".tox", ".nox")  # fmt: skip
NO_TESTS, USAGE_ERROR = 5, 4
RECORDER = "leanvibe_outcome_recorder"
MISSING_MODULE = re.compile(r"No module named '([\w.]+)'")
MISSING_PLUGINS = re.compile(r"Missing required plugins: ([\w.-]+)")


@dataclass(frozen=True)
class Suite:
    """One run of the suite. `outcomes` is None where it did not end; `reason` says why, and `cause`
    in one word: a limit, `unrunnable`, or `dependencies` with the `missing` module.
    """

    outcomes: dict[str, dict[str, str]] | None
    reason: str | None
    files: dict[str, dict[str, Any]]
    cause: str | None = None
    missing: str | None = None

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
    room_mb = measure_room_mb()
    # What tests leave behind may not let itself be deleted.
    with tempfile.TemporaryDirectory(prefix="suite-", ignore_cleanup_errors=True) as scratch:
        place = Path(scratch) / "tree"
        copy_tree(tree, place)
        for path, text in (extra_files or {}).items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(text, encoding="utf-8")
        try:
            ran, outcomes, files = _run_in(
                place, Path(scratch), timeout_s, with_coverage, only, hash_seed
            )
        except (OSError, RuntimeError, MemoryError) as error:
            cause = find_cause_of(error)
            if cause is None:
                raise
            reason = describe(cause, timeout_s=timeout_s, room_mb=room_mb)
            return Suite(None, reason, {}, cause)
        return _read_suite(ran, place, outcomes, files, timeout_s, room_mb)


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
    check_size(tree)
    try:
        shutil.copytree(tree, place, symlinks=True, ignore=_left_out)
    except (OSError, shutil.Error) as error:
        raise Refused(
            "too_large", f"The repository could not be copied: {str(error)[:200]}"
        ) from error


def check_size(tree: Path) -> None:
    """Raises: Refused: the tree is too large to copy."""
    total = 0
    for directory, names, files in os.walk(tree):
        names[:] = [name for name in names if name not in LEFT_OUT]
        for name in files:
            total += os.lstat(os.path.join(directory, name)).st_size
            if total > MAX_COPY_BYTES:
                raise Refused(
                    "too_large",
                    f"The repository is larger than {MAX_COPY_BYTES // 1_000_000} MB: too large "
                    "to run its tests in a copy.",
                )


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
) -> tuple[Ran, Path, dict[str, dict[str, Any]]]:
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
        "--show-capture=no",
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
    return ran, outcomes, files


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
    ran: Ran,
    place: Path,
    outcomes: Path,
    files: dict[str, dict[str, Any]],
    timeout_s: float,
    room_mb: int,
) -> Suite:
    said = f"{ran.stdout} {ran.stderr}".replace(f"{place}/", "")
    found = None if ran.timed_out else _read_outcomes(outcomes, place)
    if found is None:
        cause = "output" if ran.flooded else "time" if ran.timed_out else None
        cause = cause or find_cause(said, ran.exit_code)
        if cause:
            reason = describe(cause, timeout_s=timeout_s, room_mb=room_mb)
            return Suite(None, reason, files, cause)
        missing = MISSING_MODULE.search(said) or MISSING_PLUGINS.search(said)
        reason = f"pytest could not run: {' '.join(said.split())[-300:]}"
        if missing:
            return Suite(None, reason, files, "dependencies", missing[1].partition(".")[0])
        return Suite(None, reason, files, "unrunnable")
    if not found:
        return Suite({}, "The repository has no tests.", files, "no_tests")
    return Suite(found, None, files)


def _read_outcomes(outcomes: Path, place: Path) -> dict[str, dict[str, str]] | None:
    """What the recorder wrote; None where it wrote nothing, or not to its end."""
    try:
        # The copy's own place changes with every run.
        text = outcomes.read_text(encoding="utf-8").replace(f"{place}/", "")
        found: dict[str, dict[str, str]] = json.loads(text)
    except (OSError, ValueError):
        return None
    return found
