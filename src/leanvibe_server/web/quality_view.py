"""The quality score and the gates behind it, as the page of a task shows them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leanvibe_server.engine.schemas import TaskView
from leanvibe_server.web.formats import percent, words

Numbers = Mapping[str, Any]


@dataclass(frozen=True)
class ScorePart:
    """One part of the quality score, its value and weight between 0 and 1."""

    label: str
    value: float
    weight: float


@dataclass(frozen=True)
class GateLine:
    """One gate, with what it measured in a sentence."""

    name: str
    status: str
    required: bool
    note: str


def score_parts(quality: Mapping[str, Any] | None) -> list[ScorePart]:
    """The parts of the score, heaviest first."""
    if not quality:
        return []
    weights = quality.get("weights", {})
    return [
        ScorePart(words(name), float(value), float(weights.get(name, 0)))
        for name, value in sorted(
            quality.get("components", {}).items(),
            key=lambda part: (-weights.get(part[0], 0), part[0]),
        )
    ]


def score_note(task: TaskView) -> str:
    """What to make of the score."""
    quality = task.quality or {}
    missing, failed = quality.get("null_because") or [], quality.get("capped_by") or []
    if task.quality_score is None and missing:
        return f"No score: {_listed(missing)} did not run."
    if failed:
        return f"Capped: {_listed(failed)} failed."
    return "Of 1, from the gates that ran on this change."


def gate_lines(quality: Mapping[str, Any] | None) -> list[GateLine]:
    """Every gate, how it ended and what it measured."""
    return [
        GateLine(
            str(gate["name"]), str(gate["status"]), bool(gate.get("required")), _gate_note(gate)
        )
        for gate in (quality or {}).get("gates", [])
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(words(name).lower() for name in names)


def _gate_note(gate: Mapping[str, Any]) -> str:
    if gate.get("reason"):
        return str(gate["reason"])
    say = _NOTES.get(str(gate["name"]))
    numbers = gate.get("numbers") or {}
    try:
        return say(numbers) if say and numbers else ""
    except (KeyError, TypeError):
        # Results of an older engine may lack a number; they stay readable.
        return ""


def _count(number: int, thing: str) -> str:
    return f"{number or 'no'} {thing}{'' if number == 1 else 's'}"


_NOTES: dict[str, Callable[[Numbers], str]] = {
    "lint": lambda n: f"{_count(n['new_findings'], 'new finding')} in {_count(n['files'], 'file')}",
    "security": lambda n: f"worst new finding: {n['worst']}",
    "complexity": lambda n: (
        f"{n['debt_percent']:g} % debt, {_count(n['new_complex_functions'], 'complex function')}"
    ),
    "documentation": lambda n: f"{n['documented']} of {n['new_public']} new public names",
    "duplication": lambda n: f"{n['duplication_percent']:g} % of the added lines",
    "dead_code": lambda n: _count(n["new_findings"], "new finding"),
    "suppressions": lambda n: _count(n["new_suppressions"], "new suppression"),
    "tampering": lambda n: f"{_count(n['weakened'], 'test')} weakened",
    "tests": lambda n: (
        f"{n['head']['passed']} pass, {n['base']['passed']} did before, {n['new_tests']} are new"
    ),
    "coverage": lambda n: (
        f"{percent(n['diff_coverage'])} of {_count(n['executable_lines'], 'changed line')}"
    ),
}
