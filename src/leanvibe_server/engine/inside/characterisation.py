"""Write characterisation tests for a module: what its functions do today, observed by running them.

Request: `{"step": "check"|"code"|"tests"|"docs", "parameters": {"module": name or path,
optional}}`. The work is the `tests` step. Answer: `{"ok", "changed", "files", "notes", "skipped":
[{"function", "reason"}], "numbers": {"tests", "cases", "branch_coverage_before",
"branch_coverage_after", …}, "module", "summary"}`.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from characterisation_render import render_tests, test_name
from formatting import format_files
from processes import run
from suite import Suite, copy_tree, import_path, run_suite
from survey import survey_repository
from worktree import Refused, print_answer, read_request, read_text, refusal, write_text

PROBE_TIMEOUT_S = 60.0
SUITE_TIMEOUT_S = 240.0
MAX_RESTARTS = 4
MAX_TRIED_MODULES = 5
FRESH_PROCESSES = 3


def write_tests(root: Path, parameters: dict[str, Any]) -> dict[str, Any]:
    """Write tests that raise the coverage of one module.

    Raises: Refused: the module is unknown, can't be imported, or nothing can be raised.
    """
    facts = survey_repository(root)
    if not facts["modules"]:
        raise Refused("unmet", "There is no Python module in the repository.")
    before = run_suite(root, timeout_s=SUITE_TIMEOUT_S, with_coverage=True)
    wanted = parameters.get("module")
    if wanted:
        return _cover(root, facts, _require_module(facts, str(wanted)), before)
    reasons = []
    for module in _least_covered(facts, before)[:MAX_TRIED_MODULES]:
        try:
            return _cover(root, facts, module, before)
        except Refused as refused:
            reasons.append(f"{module['name']}: {refused}")
    raise Refused(
        "nothing_to_raise", " ".join(["No module's coverage can be raised.", *reasons])[:1500]
    )


def _require_module(facts: dict[str, Any], wanted: str) -> dict[str, Any]:
    name = wanted.strip().strip("/").removesuffix(".py").replace("/", ".")
    exact = [one for one in facts["modules"] if name in {one["name"], f"src.{one['name']}"}]
    found = exact or [one for one in facts["modules"] if one["name"].endswith(f".{name}")]
    if len(found) == 1:
        module: dict[str, Any] = found[0]
        return module
    if found:
        names = ", ".join(one["name"] for one in found)
        raise Refused("unmet", f"{wanted} may be any of {names}.")
    for error in facts["syntax_errors"]:
        if error["path"].endswith(wanted):
            raise Refused(
                "unmet", f"{wanted} does not parse: line {error['line']}, {error['message']}."
            )
    raise Refused("unmet", f"There is no module {wanted} in the repository.")


def _least_covered(facts: dict[str, Any], before: Suite) -> list[dict[str, Any]]:
    """Modules with public code, the least covered first, the larger of equals first."""

    def rank(module: dict[str, Any]) -> tuple[float, int, str]:
        measured = before.files.get(module["path"])
        missing = len(measured["missing"]) if measured else module["loc"]
        share = _coverage(measured) if measured else float(module["tested"])
        return (share, -missing, module["name"])

    holding = [one for one in facts["modules"] if one["holds_code"] and _is_importable(one)]
    return sorted(holding, key=rank)


def _is_importable(module: dict[str, Any]) -> bool:
    last = module["name"].rpartition(".")[2]
    return last not in {"__main__", "setup", "conftest"} and not module["name"].endswith(".py")


def _coverage(measured: dict[str, Any]) -> float:
    """Lines and branches together, as the share that runs."""
    lines = len(measured["executed"]) + len(measured["missing"])
    total = lines + measured["branches"]
    return (len(measured["executed"]) + measured["covered_branches"]) / total if total else 1.0


def _branch_share(measured: dict[str, Any]) -> float | None:
    branches = measured["branches"]
    return round(measured["covered_branches"] / branches, 4) if branches else None


def _cover(
    root: Path, facts: dict[str, Any], module: dict[str, Any], before: Suite
) -> dict[str, Any]:
    measured = before.files.get(module["path"])
    if measured is None:
        raise Refused("failed", f"The coverage of {module['name']} could not be measured.")
    if not measured["missing"] and not measured["missing_arcs"]:
        raise Refused("nothing_to_raise", f"{module['name']} is fully covered already.")
    cases, skipped = _probe(root, module, measured)
    if not cases:
        raise Refused("nothing_to_raise", _no_cases(module, skipped))
    path = _test_path(root, facts, module)
    cases = _keep_stable(root, module, path, cases)
    if not cases:
        raise Refused("nothing_to_raise", "No test passed in three fresh processes.")
    text = _formatted(root, facts, path, render_tests(module["name"], cases))
    after = run_suite(root, timeout_s=SUITE_TIMEOUT_S, with_coverage=True, extra_files={path: text})
    raised = after.files.get(module["path"])
    if raised is None or not _is_raised(measured, raised):
        raise Refused(
            "nothing_to_raise", f"The tests would not raise the coverage of {module['name']}."
        )
    if before.named("passed") - after.named("passed"):
        raise Refused("failed", "The new tests disturb tests that passed before.")
    created = [path]
    directory = path.rpartition("/")[0]
    if directory and not (root / directory).exists() and not module["path"].startswith("src/"):
        # With a package of tests plain pytest finds the modules beside it.
        write_text(root, f"{directory}/__init__.py", "")
        created.append(f"{directory}/__init__.py")
    write_text(root, path, text)
    return _answer(module, created, text, cases, skipped, measured, raised)


def _is_raised(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether branch coverage rose; of a module without branches, whether line coverage did."""
    if before["branches"]:
        return bool(after["covered_branches"] > before["covered_branches"])
    return _coverage(after) > _coverage(before)


def _no_cases(module: dict[str, Any], skipped: list[dict[str, str]]) -> str:
    reasons = "; ".join(f"{one['function']}: {one['reason']}" for one in skipped[:8])
    return f"No function of {module['name']} can be characterised. {reasons}".strip()[:900]


def _answer(
    module: dict[str, Any],
    created: list[str],
    text: str,
    cases: list[dict[str, Any]],
    skipped: list[dict[str, str]],
    before: dict[str, Any],
    after: dict[str, Any],
) -> dict[str, Any]:
    tests = len(re.findall(r"^def test_", text, re.MULTILINE))
    branches = (_branch_share(before), _branch_share(after))
    shown = " to ".join("none" if one is None else f"{one:.0%}" for one in branches)
    summary = f"Wrote {tests} tests for {module['name']}; branch coverage went from {shown}."
    return {
        "ok": True,
        "changed": True,
        "code": None,
        "module": module["name"],
        "files": [{"path": path, "action": "created"} for path in sorted(created)],
        "notes": [f"Left out {one['function']}: {one['reason']}." for one in skipped],
        "skipped": skipped,
        "numbers": {
            "tests": tests,
            "cases": len(cases),
            "branch_coverage_before": branches[0],
            "branch_coverage_after": branches[1],
            "coverage_before": round(_coverage(before), 4),
            "coverage_after": round(_coverage(after), 4),
        },
        "summary": summary,
    }


def _probe(
    root: Path, module: dict[str, Any], measured: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """The cases a fresh process observes; a function that hangs it is left out and the rest goes
    on.
    """
    cases: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory(prefix="probe-") as scratch:
        place = Path(scratch) / "tree"
        copy_tree(root, place)
        results = Path(scratch) / "results"
        done: list[str] = []
        for _ in range(MAX_RESTARTS):
            results.write_text("", encoding="utf-8")
            request = {
                "module": module["name"],
                "path": str(place / module["path"]),
                "missing_lines": measured["missing"],
                "missing_arcs": measured["missing_arcs"],
                "skip": done,
                "results": str(results),
            }
            ran = run(
                [sys.executable, str(Path(__file__).with_name("characterisation_probe.py"))],
                cwd=place,
                timeout_s=PROBE_TIMEOUT_S,
                environment={"PYTHONPATH": import_path(place)},
                stdin=json.dumps(request),
            )
            records = [json.loads(line) for line in results.read_text("utf-8").splitlines()]
            ended = _take(records, cases, skipped, done)
            if ended:
                return cases, skipped
            if not records:
                reason = " ".join(ran.stderr.strip().splitlines()[-1:])[:300] or "time was up"
                raise Refused("failed", f"{module['name']} can't be imported: {reason}")
            skipped.append({"function": done[-1], "reason": "running it ended the process"})
    return cases, skipped


def _take(
    records: list[dict[str, Any]],
    cases: list[dict[str, Any]],
    skipped: list[dict[str, str]],
    done: list[str],
) -> bool:
    """Take the records of one process; whether it came to its end."""
    for record in records:
        if "start" in record:
            done.append(record["start"])
        elif "skipped" in record:
            skipped.append({"function": record["skipped"], "reason": record["reason"]})
        elif "cases" in record:
            cases.extend(record["cases"])
    return any("end" in record for record in records)


def _keep_stable(
    root: Path, module: dict[str, Any], path: str, cases: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The cases whose tests pass in three fresh processes, each with another hash seed."""
    for _ in range(FRESH_PROCESSES):
        if not cases:
            break
        text = render_tests(module["name"], cases)
        failing: set[str] = set()
        for seed in range(FRESH_PROCESSES):
            suite = run_suite(
                root,
                timeout_s=SUITE_TIMEOUT_S,
                only=[path],
                extra_files={path: text},
                hash_seed=seed,
            )
            if suite.outcomes is None:
                raise Refused("failed", f"The new tests could not run: {suite.reason}")
            failing |= set(suite.outcomes) - suite.named("passed")
        if not failing:
            return cases
        names = {re.sub(r"\[.*", "", one.rpartition("::")[2], flags=re.DOTALL) for one in failing}
        kept = [one for one in cases if test_name(one["name"], one["outcome"]["kind"]) not in names]
        cases = kept if len(kept) < len(cases) else []
    return cases


def _test_path(root: Path, facts: dict[str, Any], module: dict[str, Any]) -> str:
    tests = facts["tests"]
    directory = tests["directory"] or "tests"
    parts = module["name"].split(".")
    for count in range(1, len(parts) + 1):
        stem = "_".join(parts[-count:]) + "_characterisation"
        name = f"{stem}_test.py" if tests["suffix_style"] else f"test_{stem}.py"
        path = name if directory == "." else f"{directory}/{name}"
        if not (root / path).exists():
            return path
    raise Refused("nothing_to_raise", f"{path} exists already.")


def _formatted(root: Path, facts: dict[str, Any], path: str, text: str) -> str:
    """The text as the repository's formatter lays it out; the work tree itself stays untouched."""
    with tempfile.TemporaryDirectory(prefix="format-") as scratch:
        place = Path(scratch)
        for name in ("pyproject.toml", "ruff.toml", ".ruff.toml"):
            settings = read_text(root, name)
            if settings is not None:
                write_text(place, name, settings)
        # Import sorting asks which packages are the repository's own.
        for module in facts["modules"]:
            write_text(place, module["path"], "")
        write_text(place, path, text)
        format_files(place, [path])
        return read_text(place, path) or text


def perform(root: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Do one step of the recipe."""
    step = request.get("step", "tests")
    parameters = request.get("parameters") or {}
    if step == "tests":
        return write_tests(root, parameters)
    if step == "check":
        facts = survey_repository(root)
        if not facts["modules"]:
            raise Refused("unmet", "There is no Python module in the repository.")
        if parameters.get("module"):
            _require_module(facts, str(parameters["module"]))
    return {
        "ok": True,
        "changed": False,
        "code": None,
        "files": [],
        "numbers": {},
        "notes": ["This recipe only writes tests."],
        "summary": "A module can be tried." if step == "check" else "Nothing to write.",
    }


def main() -> None:
    try:
        answer = perform(Path.cwd(), read_request())
    except Refused as refused:
        answer = refusal(refused)
    print_answer(answer)


if __name__ == "__main__":
    main()
