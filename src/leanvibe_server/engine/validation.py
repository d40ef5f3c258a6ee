"""Validation: the gates, run on the tree before and after the change, and the score they give.

A required gate that fails ends the task: nothing is delivered, and the findings say why. A gate
that could not run counts as neither passed nor failed; where it was required, the score is null.
Required tests that are there but did not run to their end stop the delivery too.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from leanvibe_server.engine.bench import Bench, StepResult
from leanvibe_server.engine.diffs import parse_diff
from leanvibe_server.engine.errors import TaskFailure
from leanvibe_server.engine.exhaustion import advise, is_excused, read_breakdown
from leanvibe_server.engine.gates import (
    GATE_NAMES,
    PROGRAM,
    Gate,
    GateSettings,
    build_request,
    list_blocking,
    mark_not_run,
    read_answer,
)
from leanvibe_server.engine.recipes import RECIPES, list_required_gates
from leanvibe_server.engine.sandbox import ToolFailed
from leanvibe_server.engine.score import calculate_score
from leanvibe_server.engine.workspace import Workspace

BASE = "/base"
_TEST_GATES = ("tests", "coverage")
MAX_SHOWN = 20


async def validate(bench: Bench) -> StepResult:
    """Run every gate, and score the change."""
    recipe = RECIPES[bench.task.recipe or ""]
    _check_paths(bench, recipe.protected_paths)
    quality_gates = bench.project.configuration.get("quality_gates", {})
    required = list_required_gates(recipe, quality_gates)
    async with bench.workspace("base", patch=b"") as base, bench.workspace("head") as head:
        dependencies, problem = await bench.provide_dependencies(base)
        gates = await _run_gates(_Gating(bench, base, head, required, dependencies))
    score = msgspec.to_builtins(calculate_score(gates))
    shown = [msgspec.to_builtins(gate) for gate in gates]
    brief = [{**gate, "findings": gate["findings"][:MAX_SHOWN]} for gate in shown]
    quality = {**score, "gates": brief, "dependencies": problem}
    columns = {"quality_score": _decimal(score["score"]), "quality": quality}
    blocking = list_blocking(gates)
    if blocking:
        raise _blocked(bench, blocking, quality, columns)
    for gate in gates:
        stopped = gate.required and gate.status == "not_run"
        if stopped and not is_excused(gate, packages_missing=problem is not None):
            raise _unproven(bench, gate, quality, columns)
    passed = sum(gate.status == "passed" for gate in gates)
    return StepResult(
        message=f"{passed} of {len(gates)} gates passed; quality score {score['score']}.",
        output={"gates": shown, "score": score, "dependencies": problem},
        columns=columns,
    )


def _check_paths(bench: Bench, protected: Sequence[str]) -> None:
    """Raises: TaskFailure: the change touches files that decide what runs where."""
    paths = [
        path for file in parse_diff(bench.patch) for path in (file.path, file.old_path) if path
    ]
    touched = sorted({path for path in paths if is_protected(path, protected)})
    if touched:
        raise TaskFailure(
            "protected_paths",
            f"Nothing was delivered, since the change touches {', '.join(touched[:5])}, which "
            "only people change. Name the paths to work on, or make this change yourself.",
            {"paths": touched[:MAX_SHOWN]},
            patch=bench.patch,
        )


def is_protected(path: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns covers the path: `*` within a name, `**` across directories."""
    return any(re.fullmatch(_as_expression(pattern), path) for pattern in patterns)


def _as_expression(pattern: str) -> str:
    parts = re.split(r"(\*\*/|\*\*|\*)", pattern)
    meant = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    return "".join(meant.get(part, re.escape(part)) for part in parts)


async def _run_gates(gating: "_Gating") -> list[Gate]:
    """Every gate, in two lanes: the tests take as long as all the others."""
    lanes = [
        asyncio.create_task(gating.run([name for name in GATE_NAMES if name not in _TEST_GATES])),
        asyncio.create_task(gating.run(_TEST_GATES)),
    ]
    try:
        found = {gate.name: gate for gates in await asyncio.gather(*lanes) for gate in gates}
    finally:
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)
    return [found[name] for name in GATE_NAMES]


@dataclass(frozen=True)
class _Gating:
    """The two trees, and what is asked of the one after the change."""

    bench: Bench
    base: Workspace
    head: Workspace
    required: frozenset[str]
    dependencies: Path | None

    async def run(self, names: Sequence[str]) -> list[Gate]:
        """The named gates one after the other; each knows what those before it found."""
        answers: dict[str, dict[str, Any]] = {}
        gates = []
        for name in names:
            gate = await self._ask(name, answers)
            self.bench.log.say(_describe(gate))
            gates.append(gate)
        return gates

    async def _ask(self, name: str, answers: dict[str, dict[str, Any]]) -> Gate:
        request = build_request(
            name,
            diff=self.bench.patch,
            base_directory=BASE,
            settings=self._settings(),
            earlier=answers,
        )
        try:
            answers[name] = await self.bench.ask(
                self.head,
                PROGRAM.removesuffix(".py"),
                request,
                dependencies=self.dependencies,
                read_only=[(self.base.tree, BASE)],
            )
        except ToolFailed as refusal:
            if name == "tests":
                limits = self.bench.limits()
                return read_breakdown(refusal, limits, required=name in self.required)
            return mark_not_run(name, refusal.message, required=name in self.required)
        return read_answer(name, answers[name], required=name in self.required)

    def _settings(self) -> GateSettings:
        asked = self.bench.project.configuration.get("quality_gates", {})
        timeout_s = self.bench.settings.task_timeout_s / 3
        if not asked.get("min_test_coverage"):
            return GateSettings(timeout_s=timeout_s)
        return GateSettings(timeout_s=timeout_s, coverage_target=asked["min_test_coverage"] / 100)


def _describe(gate: Gate) -> str:
    """The gate's outcome in one line, with the numbers people ask for."""
    line = f"Gate {gate.name}: {gate.status.replace('_', ' ')}."
    if gate.reason:
        line += f" {gate.reason}"
    for side in ("base", "head"):
        totals = gate.numbers.get(side)
        if gate.name == "tests" and isinstance(totals, dict):
            counts = ", ".join(f"{count} {outcome}" for outcome, count in totals.items() if count)
            line += f" {side.capitalize()}: {counts or 'no tests'}."
    share = gate.numbers.get("diff_coverage")
    if gate.name == "coverage" and isinstance(share, int | float):
        line += f" {share:.0%} of the changed lines are covered."
    return line


def _blocked(
    bench: Bench, blocking: list[Gate], quality: dict[str, Any], columns: dict[str, Any]
) -> TaskFailure:
    names = ", ".join(gate.name for gate in blocking)
    return TaskFailure(
        "gates_failed",
        f"Nothing was delivered, since the change does not pass: {names}. The findings say why; "
        "mend what they name in the repository, or change what the task asks for, then retry.",
        {"gates": [_shown(gate) for gate in blocking]},
        output=quality,
        patch=bench.patch,
        columns=columns,
    )


def _unproven(
    bench: Bench, gate: Gate, quality: dict[str, Any], columns: dict[str, Any]
) -> TaskFailure:
    """The refusal where the tests are there, but came to no end that proves anything."""
    return TaskFailure(
        "gates_failed",
        f"Nothing was delivered, since the repository's tests did not run to their end. "
        f"{gate.reason} {advise(gate)} Then retry the task. Nothing is billed.",
        {"gates": [_shown(gate)]},
        output=quality,
        patch=bench.patch,
        columns=columns,
    )


def _shown(gate: Gate) -> dict[str, Any]:
    return {
        "name": gate.name,
        "reason": gate.reason,
        "cause": gate.cause,
        "findings": gate.findings[:MAX_SHOWN],
    }


def _decimal(score: float | None) -> Decimal | None:
    return None if score is None else Decimal(str(score))
