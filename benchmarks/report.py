"""What a benchmark found, on paper: one JSON file each, and one line for people."""

import json
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
    """One result. `goal` is the most it should be; None where nothing was promised."""

    what: str
    value: Spread
    unit: str = "×"
    goal: float | None = None

    @property
    def met(self) -> bool | None:
        return None if self.goal is None else self.value.median <= self.goal

    def __str__(self) -> str:
        goal = "" if self.goal is None else f", goal ≤ {self.goal:g} {self.unit}"
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
    """Keep the results as JSON that a diff can show."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(body, indent=2, ensure_ascii=False, default=str) + "\n")
    return path


def as_json(figure: Figure) -> dict[str, Any]:
    """A figure as it is kept."""
    return {
        "what": figure.what,
        "unit": figure.unit,
        "median": figure.value.median,
        "lowest": figure.value.lowest,
        "highest": figure.value.highest,
        "goal": figure.goal,
        "met": figure.met,
    }
