"""The quality score, version qs-1: one number from the gates that ran, and every number it came
from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import msgspec

from leanvibe_server.engine.gates import Gate

VERSION = "qs-1"
WEIGHTS = {
    "tests": Decimal("0.35"),
    "security": Decimal("0.25"),
    "maintainability": Decimal("0.20"),
    "documentation": Decimal("0.10"),
    "hygiene": Decimal("0.10"),
}
FAILED_CAP = Decimal("0.49")
SEVERITY_SCORES = {
    "none": Decimal(1),
    "low": Decimal("0.8"),
    "medium": Decimal("0.5"),
    "high": Decimal("0.2"),
    "critical": Decimal(0),
}
DEBT_FREE_PERCENT = Decimal(5)
DEBT_FULL_PERCENT = Decimal(50)
MAX_DUPLICATION_PERCENT = Decimal(3)
COMPLEX_FUNCTION_PENALTY = Decimal("0.1")
DEFAULT_COVERAGE_TARGET = Decimal("0.8")

_ZERO, _ONE = Decimal(0), Decimal(1)
_STEP = Decimal("0.0001")


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """The score of a diff, null where a required gate did not run, with its inputs."""

    version: str
    score: float | None
    components: dict[str, float]
    weights: dict[str, float]
    capped_by: list[str]
    null_because: list[str]
    inputs: dict[str, dict[str, Any]]


def calculate_score(gates: Sequence[Gate]) -> Score:
    """Work the score out from the gates' numbers.

    A failed required gate caps it at 0.49; a required gate that did not run makes it null. What
    another gate did not measure counts as zero: it can't count as passed.
    """
    by_name = {gate.name: gate for gate in gates}
    numbers = {gate.name: gate.numbers for gate in gates if gate.status != "not_run"}
    components = {
        "tests": _tests(numbers),
        "security": _security(numbers),
        "maintainability": _maintainability(numbers),
        "documentation": _documentation(numbers),
        "hygiene": _hygiene(numbers),
    }
    total = sum((WEIGHTS[name] * share for name, share in components.items()), _ZERO)
    failed = sorted(g.name for g in gates if g.required and g.status == "failed")
    missing = sorted(g.name for g in gates if g.required and g.status == "not_run")
    if failed:
        total = min(total, FAILED_CAP)
    return Score(
        version=VERSION,
        score=None if missing or not by_name else _rounded(total),
        components={name: _rounded(share) for name, share in components.items()},
        weights={name: float(weight) for name, weight in WEIGHTS.items()},
        capped_by=failed,
        null_because=missing,
        inputs={name: dict(numbers[name]) for name in sorted(numbers)},
    )


def _tests(numbers: Mapping[str, Mapping[str, Any]]) -> Decimal:
    """Share of base-passing and new tests that pass, times the diff's share of its target."""
    tests = numbers.get("tests")
    if tests is None:
        return _ZERO
    counted = _number(tests, "base_passing") + _number(tests, "new_tests")
    if counted <= 0:
        return _ZERO
    passing = _number(tests, "held") + _number(tests, "new_passing")
    return _share(passing / counted) * _coverage(numbers.get("coverage"))


def _coverage(coverage: Mapping[str, Any] | None) -> Decimal:
    """How far the changed lines are covered. A diff without executable lines is covered."""
    if coverage is None:
        return _ZERO
    if coverage.get("diff_coverage") is None:
        return _ONE if coverage.get("executable_lines") == 0 else _ZERO
    target = _number(coverage, "target", DEFAULT_COVERAGE_TARGET)
    if target <= 0:
        return _ONE
    return _share(_number(coverage, "diff_coverage") / target)


def _security(numbers: Mapping[str, Mapping[str, Any]]) -> Decimal:
    worst = numbers.get("security", {}).get("worst")
    return SEVERITY_SCORES.get(str(worst), _ZERO)


def _maintainability(numbers: Mapping[str, Mapping[str, Any]]) -> Decimal:
    """One at a debt of 5 % or less, falling evenly to zero at 50 %, less 0.1 per new complex
    function.
    """
    complexity = numbers.get("complexity")
    if complexity is None:
        return _ZERO
    debt = _number(complexity, "debt_percent")
    share = _share((DEBT_FULL_PERCENT - debt) / (DEBT_FULL_PERCENT - DEBT_FREE_PERCENT))
    penalty = COMPLEX_FUNCTION_PENALTY * _number(complexity, "new_complex_functions")
    return max(_ZERO, share - penalty)


def _documentation(numbers: Mapping[str, Mapping[str, Any]]) -> Decimal:
    documentation = numbers.get("documentation")
    if documentation is None:
        return _ZERO
    public = _number(documentation, "new_public")
    return _ONE if public <= 0 else _share(_number(documentation, "documented") / public)


def _hygiene(numbers: Mapping[str, Mapping[str, Any]]) -> Decimal:
    """A third each for duplication of 3 % at most, no dead code, no new suppression."""
    kept = 0
    if "duplication" in numbers:
        duplicated = _number(numbers["duplication"], "duplication_percent")
        kept += duplicated <= MAX_DUPLICATION_PERCENT
    if "dead_code" in numbers:
        kept += _number(numbers["dead_code"], "new_findings") == 0
    if "suppressions" in numbers:
        kept += _number(numbers["suppressions"], "new_suppressions") == 0
    return Decimal(kept) / 3


def _number(numbers: Mapping[str, Any], key: str, default: Decimal = _ZERO) -> Decimal:
    value = numbers.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return default
    number = Decimal(str(value))
    return number if number.is_finite() else default


def _share(value: Decimal) -> Decimal:
    return min(_ONE, max(_ZERO, value))


def _rounded(value: Decimal) -> float:
    return float(value.quantize(_STEP, rounding=ROUND_HALF_EVEN))
