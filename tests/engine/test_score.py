"""The quality score qs-1: the weights, the caps, and what makes it null."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanvibe_server.engine.gates import Gate, GateStatus, mark_not_run
from leanvibe_server.engine.score import calculate_score

PERFECT: dict[str, dict[str, Any]] = {
    "lint": {"new_findings": 0},
    "tests": {"base_passing": 6, "held": 6, "new_tests": 4, "new_passing": 4},
    "coverage": {"executable_lines": 20, "covered_lines": 20, "diff_coverage": 1.0, "target": 0.8},
    "security": {"worst": "none"},
    "complexity": {"debt_percent": 0.0, "new_complex_functions": 0},
    "documentation": {"new_public": 5, "documented": 5},
    "duplication": {"duplication_percent": 0.0},
    "dead_code": {"new_findings": 0},
    "suppressions": {"new_suppressions": 0},
    "tampering": {"weakened": 0},
}
REQUIRED = {"lint", "tests", "security", "tampering"}


def gates(changes: dict[str, dict[str, Any]] | None = None, **statuses: GateStatus) -> list[Gate]:
    made = []
    for name, numbers in PERFECT.items():
        status = statuses.get(name, "passed")
        changed = {**numbers, **(changes or {}).get(name, {})}
        made.append(
            Gate(
                name=name,
                status=status,
                required=name in REQUIRED,
                reason=None,
                findings=[],
                numbers=changed,
            )
        )
    return made


def test_a_flawless_change_scores_one() -> None:
    found = calculate_score(gates())
    assert (found.version, found.score) == ("qs-1", 1.0)
    assert found.inputs["tests"] == PERFECT["tests"]


@pytest.mark.parametrize(
    ("gate", "numbers", "score"),
    [
        ("tests", {"held": 5, "new_passing": 4}, 0.965),  # 0.35 × 0.9
        ("coverage", {"diff_coverage": 0.4}, 0.825),  # half of the target
        ("coverage", {"diff_coverage": 0.9}, 1.0),
        ("coverage", {"diff_coverage": None, "executable_lines": 0}, 1.0),
        ("security", {"worst": "low"}, 0.95),
        ("security", {"worst": "medium"}, 0.875),
        ("security", {"worst": "high"}, 0.8),
        ("security", {"worst": "critical"}, 0.75),
        ("complexity", {"debt_percent": 5.0}, 1.0),
        ("complexity", {"debt_percent": 27.5}, 0.9),
        ("complexity", {"debt_percent": 50.0}, 0.8),
        ("complexity", {"debt_percent": 400.0}, 0.8),
        ("complexity", {"new_complex_functions": 3}, 0.94),
        ("complexity", {"new_complex_functions": 30}, 0.8),
        ("documentation", {"documented": 2}, 0.94),
        ("documentation", {"new_public": 0, "documented": 0}, 1.0),
        ("duplication", {"duplication_percent": 3.0}, 1.0),
        ("duplication", {"duplication_percent": 3.01}, 0.9667),
        ("dead_code", {"new_findings": 1}, 0.9667),
        ("suppressions", {"new_suppressions": 2}, 0.9667),
    ],
)
def test_each_part_weighs_what_it_should(gate: str, numbers: dict[str, Any], score: float) -> None:
    assert calculate_score(gates({gate: numbers})).score == score


def test_a_failed_required_gate_caps_the_score() -> None:
    found = calculate_score(gates(lint="failed"))
    assert (found.score, found.capped_by) == (0.49, ["lint"])


def test_a_failed_gate_that_is_not_required_does_not_cap() -> None:
    assert calculate_score(gates(duplication="failed")).score == 1.0


def test_a_required_gate_that_did_not_run_makes_it_null() -> None:
    made = [one for one in gates() if one.name != "tests"]
    found = calculate_score([*made, mark_not_run("tests", "No tests.", required=True)])
    assert (found.score, found.null_because) == (None, ["tests"])


def test_what_was_not_measured_counts_as_nothing() -> None:
    made = [one for one in gates() if one.name != "documentation"]
    found = calculate_score([*made, mark_not_run("documentation", "?", required=False)])
    assert (found.score, found.components["documentation"]) == (0.9, 0.0)
    assert "documentation" not in found.inputs


def test_no_gates_give_no_score() -> None:
    assert calculate_score([]).score is None


def test_halves_round_to_the_even_digit() -> None:
    # 1 of 8 public symbols undocumented: 0.9875; 1 of 16: 0.99375 rounds to the even 0.9938.
    changed = {"documentation": {"new_public": 16, "documented": 15}}
    assert calculate_score(gates(changed)).score == 0.9938
    changed = {"documentation": {"new_public": 80, "documented": 79}}
    assert calculate_score(gates(changed)).score == 0.9988  # 0.99875
    changed = {"documentation": {"new_public": 160, "documented": 157}}
    assert calculate_score(gates(changed)).score == 0.9981  # 0.998125


counts = st.integers(0, 50)
numbers = st.fixed_dictionaries(
    {
        "tests": st.fixed_dictionaries(
            {"base_passing": counts, "held": counts, "new_tests": counts, "new_passing": counts}
        ),
        "coverage": st.fixed_dictionaries(
            {"diff_coverage": st.floats(0, 1), "target": st.floats(0, 1)}
        ),
        "security": st.fixed_dictionaries(
            {"worst": st.sampled_from(["none", "low", "medium", "high", "critical", "?"])}
        ),
        "complexity": st.fixed_dictionaries(
            {"debt_percent": st.floats(0, 500), "new_complex_functions": counts}
        ),
        "documentation": st.fixed_dictionaries({"new_public": counts, "documented": counts}),
        "duplication": st.fixed_dictionaries({"duplication_percent": st.floats(0, 100)}),
    }
)
statuses = st.dictionaries(
    st.sampled_from(sorted(PERFECT)), st.sampled_from(["passed", "failed", "not_run"])
)


@given(numbers, statuses)
def test_the_score_stays_in_its_bounds(
    changed: dict[str, dict[str, Any]], outcome: dict[str, GateStatus]
) -> None:
    found = calculate_score(gates(changed, **outcome))
    assert all(0 <= share <= 1 for share in found.components.values())
    missing = {name for name in REQUIRED if outcome.get(name) == "not_run"}
    failed = {name for name in REQUIRED if outcome.get(name) == "failed"}
    assert (found.score is None) == bool(missing)
    if found.score is not None:
        assert 0 <= found.score <= (0.49 if failed else 1)


@given(numbers)
def test_less_secure_never_scores_higher(changed: dict[str, dict[str, Any]]) -> None:
    scores = [
        calculate_score(gates({**changed, "security": {"worst": worst}})).score or 0
        for worst in ("none", "low", "medium", "high", "critical")
    ]
    assert scores == sorted(scores, reverse=True)
