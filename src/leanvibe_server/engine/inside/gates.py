"""Run one quality gate on the work tree, against the tree before the change.

Request: `{"gate", "base": directory | null, "changed": [{"path", "old_path", "status", "binary",
"lines": [[first, last]]}], "settings": {"coverage_target", "timeout_s"}, "earlier": {gate:
answer}}`. Answer: `{"name", "status": "passed"|"failed"|"not_run", "reason", "findings",
"numbers", "cause"?}`. `cause` says in one word why a gate did not run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gate_change import Change, not_run, read_change
from gate_code import check_complexity, check_documentation, check_duplication, check_suppressions
from gate_findings import check_dead_code, check_lint, check_security
from gate_tampering import check_tampering
from gate_tests import check_coverage, check_tests
from worktree import Refused, print_answer, read_request

GATES: dict[str, Callable[[Change], dict[str, Any]]] = {
    "lint": check_lint,
    "security": check_security,
    "complexity": check_complexity,
    "documentation": check_documentation,
    "duplication": check_duplication,
    "dead_code": check_dead_code,
    "suppressions": check_suppressions,
    "tampering": check_tampering,
    "tests": check_tests,
    "coverage": check_coverage,
}


def run_gate(root: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Run the gate that the request names."""
    name = str(request.get("gate"))
    check = GATES.get(name)
    if check is None:
        return {"name": name, **not_run(f"There is no gate {name}.")}
    try:
        answer = check(read_change(root, request))
    except Refused as refused:
        answer = not_run(str(refused), refused.code)
    return {"name": name, **answer}


def main() -> None:
    try:
        print_answer(run_gate(Path.cwd(), read_request()))
    except Refused as refused:
        print_answer({"name": "", **not_run(str(refused))})


if __name__ == "__main__":
    main()
