"""Rounds of several sides, taken in turn, so that what the machine does besides hits them all."""

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import psutil


@dataclass(frozen=True)
class Sample:
    """One round of one side: `count` operations, the wall time, and the CPU time (user and
    system) of the process under test."""

    count: int
    wall_s: float
    cpu_s: float
    p50_ms: float | None = None
    p99_ms: float | None = None

    @property
    def cpu_us_each(self) -> float:
        return self.cpu_s / self.count * 1e6

    @property
    def wall_us_each(self) -> float:
        return self.wall_s / self.count * 1e6


@dataclass(frozen=True)
class Spread:
    """The median of some rounds, with the lowest and the highest."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: list[float], digits: int = 3) -> "Spread":
        return cls(
            round(statistics.median(values), digits),
            round(min(values), digits),
            round(max(values), digits),
        )

    def __str__(self) -> str:
        return f"{self.median:g} ({self.lowest:g}–{self.highest:g})"


Side = Callable[[], Sample]
Rounds = dict[str, list[Sample]]


def interleave(sides: Mapping[str, Side], *, rounds: int) -> Rounds:
    """Let the sides take turns: A B C, C B A, A B C, …, so that a drift favours none."""
    taken: Rounds = {name: [] for name in sides}
    order = list(sides)
    for _ in range(rounds):
        for name in order:
            taken[name].append(sides[name]())
        order.reverse()
    return taken


def ratio(rounds: Rounds, side: str, *, to: str, of: str = "cpu_us_each") -> Spread:
    """One side over another, round by round."""
    pairs = zip(rounds[side], rounds[to], strict=True)
    return Spread.of([getattr(one, of) / getattr(other, of) for one, other in pairs])


def cost(rounds: Rounds, side: str, *, of: str = "cpu_us_each") -> Spread:
    """What one operation of a side costs, in microseconds."""
    return Spread.of([getattr(sample, of) for sample in rounds[side]], 1)


def raw(rounds: Rounds) -> dict[str, Any]:
    """Every round as it was measured, under the names of its columns."""
    columns = [column.name for column in fields(Sample)]
    table = {
        name: [[_short(getattr(sample, column)) for column in columns] for sample in samples]
        for name, samples in rounds.items()
    }
    return {"columns": columns, **table}


def _short(number: float | None) -> float | None:
    return None if number is None else round(number, 6)


def cpu_s(pid: int) -> float:
    """The CPU time, user and system, that a process has used so far.

    Linux has a clock of nanoseconds for each process; the common way is good to 10 ms only.
    """
    if sys.platform == "linux":
        return time.clock_gettime(_cpu_clock(pid))
    times = psutil.Process(pid).cpu_times()  # type: ignore[unreachable]  # mypy reads for one system
    return float(times.user + times.system)


def _cpu_clock(pid: int) -> int:
    """The clock that runs while any thread of a process does.

    Source: clock_getcpuclockid(3); the number is built as the C library builds it.
    """
    return (~pid << 3) | 2
