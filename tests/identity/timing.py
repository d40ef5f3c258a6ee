"""Comparing how long two kinds of call take, on a machine that does other things too."""

import statistics
import time
from collections.abc import Awaitable, Callable

Call = Callable[[], Awaitable[object]]


async def difference(first: Call, second: Call, *, rounds: int = 4, calls: int = 15) -> float:
    """The smallest difference of the medians that any round measured, as a share of the slower.

    What differs by its nature differs in every round; noise does not.
    """
    found = []
    for _ in range(rounds):
        spent: tuple[list[float], list[float]] = ([], [])
        for _ in range(calls):
            for call, times in zip((first, second), spent, strict=True):
                began = time.perf_counter()
                await call()
                times.append(time.perf_counter() - began)
        one, other = (statistics.median(times) for times in spent)
        found.append(abs(one - other) / max(one, other))
    return min(found)
