"""What a benchmark found, on paper: one JSON file each, and one line for people."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.rounds import Spread

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Effort:
    """How much to measure: `quick` shows that a benchmark runs, its figures mean nothing."""

    quick: bool

    def of(self, full: int, quick: int) -> int:
        return quick if self.quick else full


@dataclass(frozen=True)
class Figure:
    """One result. `goal` is the most it should be, or with `at_least` the least; None where
    nothing was promised."""

    what: str
    value: Spread
    unit: str = "×"
    goal: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        found = self.value.median
        return found >= self.goal if self.at_least else found <= self.goal

    @property
    def sign(self) -> str:
        return "≥" if self.at_least else "≤"

    def __str__(self) -> str:
        goal = "" if self.goal is None else f", goal {self.sign} {self.goal:g} {self.unit}"
        return (
            f"{self.what}: {self.value.median:g} {self.unit} "
            f"({self.value.lowest:g}–{self.value.highest:g}){goal}"
        )


@dataclass(frozen=True)
class Findings:
    """The figures of one benchmark with every round behind them."""

    question: str
    figures: list[Figure]
    control: Figure
    rounds: dict[str, Any]
    postgres_version: str | None
    notes: dict[str, Any] = field(default_factory=dict)


def write(folder: Path, name: str, body: dict[str, Any]) -> Path:
    """Keep the results as JSON: what people read line by line, the rounds on one line."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    head = json.dumps({**body, "rounds": None}, indent=2, ensure_ascii=False)
    rounds = json.dumps(body["rounds"], separators=(",", ":"))
    path.write_text(head.removesuffix("null\n}") + f"{rounds}\n}}\n")
    return path


def table(folder: Path, names: Iterable[str]) -> str:
    """The kept figures as one Markdown table, with the machine they were measured on."""
    lines = ["| benchmark | figure | median (lowest–highest) | goal |", "| --- | --- | --- | --- |"]
    machines = []
    for name in names:
        kept = json.loads((folder / f"{name}.json").read_text())
        for figure in kept["figures"]:
            lines.append(f"| `{name}` | {figure['what']} | {_result(figure)} | {_goal(figure)} |")
        control = kept["control"]
        lines.append(f"| `{name}` | *control: {control['what']}* | {_result(control)} | |")
        machines.append(f"- `{name}`: {_machine(kept['machine'])}; {_probe(kept['probe'])}")
    return "\n".join([*lines, "", *machines])


def _result(figure: dict[str, Any]) -> str:
    return f"{figure['median']:g} {figure['unit']} ({figure['lowest']:g}–{figure['highest']:g})"


def _goal(figure: dict[str, Any]) -> str:
    if figure["goal"] is None:
        return ""
    sign = figure.get("sign", "≤")
    return f"{sign} {figure['goal']:g} {figure['unit']}: {'met' if figure['met'] else 'not met'}"


def _machine(machine: dict[str, Any]) -> str:
    return (
        f"{machine['date']}, {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['system']}, {machine['python']}, "
        f"PostgreSQL {machine['postgres']}, load {machine['load_average'][0]}"
    )


def _probe(probe: dict[str, dict[str, float]]) -> str:
    return f"probe {probe['before']['cpu_ms']} ms before, {probe['after']['cpu_ms']} ms after"


def as_json(figure: Figure) -> dict[str, Any]:
    """A figure as it is kept."""
    return {
        "what": figure.what,
        "unit": figure.unit,
        "median": figure.value.median,
        "lowest": figure.value.lowest,
        "highest": figure.value.highest,
        "goal": figure.goal,
        "sign": figure.sign,
        "met": figure.met,
    }
