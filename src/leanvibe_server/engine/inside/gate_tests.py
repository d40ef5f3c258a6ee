"""The gates that run the project's own tests: before and after the change, and what they cover."""

from __future__ import annotations

from typing import Any

from gate_change import Change, not_run, verdict
from layout import module_name, read_dependencies, read_project
from suite import MISSING_MODULE, Suite, check_size, run_suite
from suite_limits import describe, find_cause, measure_room_mb
from wording import count_of
from worktree import Refused, list_python_files

# Packages that install a module of another name.
PACKAGES = {"jwt": "pyjwt", "yaml": "pyyaml", "jose": "python-jose", "dateutil": "python-dateutil"}


def check_tests(change: Change) -> dict[str, Any]:
    """Only regressions and failing new tests fail the gate; what was broken before stays known."""
    room_mb = measure_room_mb()
    # Before any test runs: from here on, what is too large was made so by the tests.
    check_size(change.root)
    before = Suite({}, "There was no tree before.", {})
    if change.base is not None:
        before = run_suite(change.base, timeout_s=change.timeout_s)
        if before.outcomes is None:
            return _broke_off(change, before, "Before the change")
    try:
        after = run_suite(change.root, timeout_s=change.timeout_s, with_coverage=True)
    except Refused:
        if change.base is None:
            raise
        reason = describe("disk", timeout_s=change.timeout_s, room_mb=room_mb)
        return not_run(f"Before the change: {reason}", "disk")
    if after.outcomes is None:
        if before.named("passed"):
            return verdict(True, f"After the change: {after.reason}")
        return _broke_off(change, after, "After the change")
    return _compare(change, before, after, room_mb)


def _broke_off(change: Change, suite: Suite, when: str) -> dict[str, Any]:
    """A suite that came to no end. A module of the repository itself is no missing dependency."""
    own = suite.missing in _own_modules(change)
    cause = "unrunnable" if suite.cause == "dependencies" and own else suite.cause
    return not_run(f"{when}: {suite.reason}", cause)


def _compare(change: Change, before: Suite, after: Suite, room_mb: int) -> dict[str, Any]:
    standing = before.named("passed")
    passing = after.named("passed")
    new = set(after.outcomes or {}) - set(before.outcomes or {}) - after.named("skipped")
    held, new_passing = standing & passing, new & passing
    broken = (before.named("failed") | before.named("error")) - passing
    if not standing and not new_passing:
        return _nothing_ran(change, after, room_mb)
    lost = sorted(standing - passing)
    failing = sorted(new - passing)
    findings = [_finding(name, "regression", after) for name in lost]
    findings += [_finding(name, "new_test_fails", after) for name in failing]
    missing = _missing_module(change, before, after, lost)
    numbers = {
        "base_passing": len(standing),
        "held": len(held),
        "new_tests": len(new),
        "new_passing": len(new_passing),
        "known_broken": len(broken),
        "base": _totals(before),
        "head": _totals(after),
    }
    if missing:
        answer = not_run(f"The tests need {missing}, which is not installed.", "dependencies")
        return {**answer, "findings": findings, "numbers": numbers}
    lost_count = count_of(
        len(lost), "test that passed no longer does", "tests that passed no longer do"
    )
    answer = verdict(
        bool(lost or failing),
        f"{lost_count}; {count_of(len(failing), 'new test fails', 'new tests fail')}.",
        findings=findings,
        numbers=numbers,
    )
    changed = {one.path for one in change.files}
    return {**answer, "coverage": {k: one for k, one in after.files.items() if k in changed}}


def _nothing_ran(change: Change, after: Suite, room_mb: int) -> dict[str, Any]:
    if not after.outcomes:
        return not_run("The repository has no tests.", "no_tests")
    missing = _missing_module(change, Suite({}, None, {}), after, [])
    if missing:
        return not_run(f"No test could run: {missing} is not installed.", "dependencies")
    limit = find_cause(" ".join(one["message"] for one in after.outcomes.values()))
    if limit:
        return not_run(describe(limit, timeout_s=change.timeout_s, room_mb=room_mb), limit)
    return not_run(
        "No test passed before the change, and the change adds none that does.", "none_passed"
    )


def _own_modules(change: Change) -> set[str]:
    """The top-level names that the repository's own code has."""
    paths, _ = list_python_files(change.root)
    return {(module_name(path, ["src", "."]) or "").partition(".")[0] for path in paths}


def _missing_module(change: Change, before: Suite, after: Suite, lost: list[str]) -> str | None:
    """The package whose absence explains what fails now and did not fail before.

    It is no module of the repository. Where it also stops tests that stood, the project must
    declare it: else the change itself is at fault.
    """
    own = _own_modules(change)
    broken = (after.named("error") | after.named("failed")) - before.named("error")
    absent: dict[str, str] = {}
    for name in sorted(broken - before.named("failed")):
        found = MISSING_MODULE.search((after.outcomes or {})[name]["message"])
        if found is None or found[1].partition(".")[0] in own:
            return None
        absent[name.partition("::")[0]] = found[1].partition(".")[0]
    if not absent or any(name.partition("::")[0] not in absent for name in lost):
        return None
    first = absent[min(absent)]
    return first if not lost or _is_declared(change, set(absent.values())) else None


def _is_declared(change: Change, modules: set[str]) -> bool:
    declared = read_dependencies(change.root, read_project(change.root))
    names = {name for group in declared.values() for name in group}
    return all(PACKAGES.get(one, one.replace("_", "-").lower()) in names for one in modules)


def _finding(name: str, rule: str, after: Suite) -> dict[str, Any]:
    outcome = (after.outcomes or {}).get(name)
    message = "The test is gone." if outcome is None else outcome["message"] or outcome["outcome"]
    return {"path": name.partition("::")[0], "line": 0, "rule": rule, "test": name,
            "message": message}  # fmt: skip


def _totals(suite: Suite) -> dict[str, int]:
    return {name: len(suite.named(name)) for name in ("passed", "failed", "error", "skipped")}


def check_coverage(change: Change) -> dict[str, Any]:
    """Too few of the changed executable lines run by the tests fails the gate."""
    earlier = change.earlier.get("tests") or {}
    files = earlier.get("coverage")
    if files is None and earlier.get("status") == "not_run":
        return not_run(f"The tests did not run: {earlier.get('reason')}", earlier.get("cause"))
    if files is None:
        suite = run_suite(change.root, timeout_s=change.timeout_s, with_coverage=True)
        if not suite.outcomes:
            return not_run(suite.reason or "The repository has no tests.", suite.cause)
        files = suite.files
    executable = covered = 0
    findings = []
    for one in change.python:
        if one.is_test or not one.lines:
            continue
        measured = files.get(one.path)
        if measured is None:
            continue
        run = [number for number in measured["executed"] if one.touches(number)]
        missed = [number for number in measured["missing"] if one.touches(number)]
        covered += len(run)
        executable += len(run) + len(missed)
        if missed:
            message = f"Not covered: lines {', '.join(map(str, missed[:20]))}."
            findings.append(
                {"path": one.path, "line": missed[0], "rule": "uncovered", "message": message}
            )
    share = round(covered / executable, 4) if executable else None
    return verdict(
        share is not None and share < change.coverage_target,
        f"{share} of the changed lines are covered, {change.coverage_target} are asked for.",
        findings=findings,
        numbers={
            "executable_lines": executable,
            "covered_lines": covered,
            "diff_coverage": share,
            "target": change.coverage_target,
        },
    )
