"""Identifiers: UUID version 7, so that they sort by the time they were made."""

import os
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from leanvibe_server.kernel.errors import NotFound

RandomBytes = Callable[[int], bytes]

_TAIL_BITS = 74


class _Sequence:
    """The tail of the last id: ids of one millisecond follow each other in the order they were
    made. One for each process; between processes the millisecond orders.

    Source: RFC 9562, section 6.2, method 2.
    """

    def __init__(self) -> None:
        self._milliseconds = -1
        self._tail = 0

    def next_tail(self, milliseconds: int, noise: int) -> int:
        if milliseconds == self._milliseconds:
            self._tail += 1 + (noise & 0xFFFFFFFF)
        else:
            self._milliseconds = milliseconds
            # The highest bit stays free, so that the steps above never run over.
            self._tail = noise & (2 ** (_TAIL_BITS - 1) - 1)
        return self._tail


_sequence = _Sequence()


def new_id(now: datetime, random_bytes: RandomBytes = os.urandom) -> UUID:
    """A fresh identifier for a thing that comes to be at `now`.

    Source: RFC 9562, section 5.7.
    """
    milliseconds = int(now.timestamp() * 1000)
    tail = _sequence.next_tail(milliseconds, int.from_bytes(random_bytes(10)))
    value = (milliseconds & (2**48 - 1)) << 80
    value |= 0x7 << 76 | (tail >> 62) << 64 | 0b10 << 62 | tail & (2**62 - 1)
    return UUID(int=value)


def parse_id(text: str, what: str = "resource") -> UUID:
    """The identifier a caller named.

    Raises: NotFound: the text is no UUID, so nothing can bear it.
    """
    try:
        return UUID(text)
    except (ValueError, AttributeError):
        raise NotFound(f"No such {what}.") from None
