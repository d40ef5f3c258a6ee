"""Whether the database of another region answers, as whoever asked it last found out."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

# How long another region may take to take a connection, and to begin a transaction on it.
ANSWERS_WITHIN_S: Final = 3.0
# How long nobody waits for a region that did not answer. Then one asks again.
SILENT_FOR_S: Final = 3.0


# What comes of asking a database that is down, starting, or cut off.
UNREACHABLE: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


class RegionUnreachable(ConnectionRefusedError):
    """The database of another region does not answer. Callers see 503."""


class Pulse:
    """A region that is silent costs one caller the wait, every few seconds, and the others none."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._silent_until: float | None = None

    @contextmanager
    def felt(self, is_busy: Callable[[], bool]) -> Iterator[None]:
        """Ask inside the block. `is_busy` says whether all connections are out: who waited for
        one in vain has learned nothing of the region.

        Raises: RegionUnreachable: it does not answer, or did not a moment ago.
        """
        if self._silent_until is not None:
            now = self._clock()
            if now < self._silent_until:
                raise RegionUnreachable("it did not answer a moment ago")
            self._silent_until = now + SILENT_FOR_S
        try:
            yield
        except UNREACHABLE as error:
            if isinstance(error, TimeoutError) and is_busy():
                raise
            self._silent_until = self._clock() + SILENT_FOR_S
            raise RegionUnreachable("it does not answer") from error
        self._silent_until = None
