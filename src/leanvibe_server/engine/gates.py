"""The quality gates as the engine sees them: what to ask the sandboxed program, how to read its
answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from leanvibe_server.engine.diffs import parse_diff

GateStatus = Literal["passed", "failed", "not_run"]

PROGRAM = "gates.py"
GATE_NAMES = (
    "lint",
    "security",
    "complexity",
    "documentation",
    "duplication",
    "dead_code",
    "suppressions",
    "tampering",
    "tests",
    "coverage",
)
MAX_FINDINGS = 200


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """What one gate found. `reason` says why it failed or did not run; `cause` says in one word why
    it did not run, where that is known.
    """

    name: str
    status: GateStatus
    required: bool
    reason: str | None
    findings: list[dict[str, Any]]
    numbers: dict[str, Any]
    cause: str | None = None


class GateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a project asks of its gates."""

    coverage_target: float = 0.8
    timeout_s: float = 300.0


def build_request(
    gate: str,
    *,
    diff: bytes,
    base_directory: str | None,
    settings: GateSettings,
    earlier: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """The request for one gate.

    `base_directory` is where the program finds the tree before the change; `earlier` holds raw
    answers of gates that ran before (the coverage gate reads the measurement of the tests gate).
    """
    return {
        "gate": gate,
        "base": base_directory,
        "changed": [
            {
                "path": one.path,
                "old_path": one.old_path,
                "status": one.status,
                "binary": one.binary,
                "lines": one.added_ranges,
            }
            for one in parse_diff(diff)
        ],
        "settings": msgspec.to_builtins(settings),
        "earlier": {name: dict(answer) for name, answer in (earlier or {}).items()},
    }


def read_answer(gate: str, answer: Any, *, required: bool) -> Gate:
    """The gate in the program's answer. An answer that can't be read is a gate that did not run."""
    if not isinstance(answer, dict) or answer.get("status") not in {"passed", "failed", "not_run"}:
        return mark_not_run(gate, "The gate gave no readable answer.", required=required)
    findings, numbers, reason = (answer.get(key) for key in ("findings", "numbers", "reason"))
    cause = answer.get("cause") if answer["status"] == "not_run" else None
    return Gate(
        name=gate,
        status=answer["status"],
        required=required,
        reason=str(reason) if reason else None,
        findings=_records(findings)[:MAX_FINDINGS],
        numbers=numbers if isinstance(numbers, dict) else {},
        cause=str(cause) if cause else None,
    )


def mark_not_run(gate: str, reason: str, *, required: bool, cause: str | None = None) -> Gate:
    """A gate that could not run. It never counts as passed."""
    return Gate(
        name=gate,
        status="not_run",
        required=required,
        reason=reason,
        findings=[],
        numbers={},
        cause=cause,
    )


def list_blocking(gates: Sequence[Gate]) -> list[Gate]:
    """The required gates that failed. One that did not run makes the score null."""
    return [gate for gate in gates if gate.required and gate.status == "failed"]


def _records(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
