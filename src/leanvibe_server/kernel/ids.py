"""Identifiers: UUID version 7, so that they sort by the time they were made."""

import secrets
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from leanvibe_server.kernel.errors import NotFound

RandomBytes = Callable[[int], bytes]


def new_id(now: datetime, random_bytes: RandomBytes = secrets.token_bytes) -> UUID:
    """A fresh identifier for a thing that comes to be at `now`.

    Source: RFC 9562, section 5.7.
    """
    milliseconds = int(now.timestamp() * 1000)
    noise = int.from_bytes(random_bytes(10))
    value = (milliseconds & (2**48 - 1)) << 80
    value |= 0x7 << 76 | (noise >> 68) << 64 | 0b10 << 62 | noise & (2**62 - 1)
    return UUID(int=value)


def parse_id(text: str, what: str = "resource") -> UUID:
    """The identifier a caller named.

    Raises: NotFound: the text is no UUID, so nothing can bear it.
    """
    try:
        return UUID(text)
    except (ValueError, AttributeError):
        raise NotFound(f"No such {what}.") from None
