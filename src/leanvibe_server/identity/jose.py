"""The parts of signed tokens, read so that no two parsers could read two things.

Source: RFC 8725, section 2.4; RFC 7515, section 2 (base64url); RFC 8259, section 4.
"""

import base64
import binascii
import json
import math
import re
from typing import Any, NoReturn

_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
# What a database and other languages hold, and no attack on those who calculate with it.
_MOST = 2**63


def decode_segment(segment: str) -> bytes:
    """Unpadded base64url in its one canonical spelling. Raises: ValueError."""
    if not _SEGMENT.fullmatch(segment):
        raise ValueError("not base64url")
    try:
        value = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error:
        raise ValueError("not base64url") from None
    if base64.urlsafe_b64encode(value).rstrip(b"=").decode() != segment:
        raise ValueError("not canonical base64url")
    return value


def read_object(text: bytes) -> dict[str, Any]:
    """A JSON object in UTF-8 that names nothing twice, with numbers that can be held and text
    that can be written down again.

    Raises: ValueError.
    """
    try:
        value = json.loads(
            text.decode(),
            object_pairs_hook=_unique,
            parse_constant=_refuse,
            parse_int=_whole,
            parse_float=_finite,
        )
        # Halves of characters can be escaped, but not encoded.
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("too many levels") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name appears twice")
    return found


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _whole(text: str) -> int:
    value = int(text)
    if not -_MOST <= value < _MOST:
        raise ValueError("a number is too large")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value
