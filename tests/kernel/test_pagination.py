"""Cursors: those we gave lead on, anything else is refused in words."""

from base64 import urlsafe_b64encode
from uuid import uuid4

import pytest

from leanvibe_server.kernel.errors import InvalidRequest
from leanvibe_server.kernel.pagination import decode_cursor, encode_cursor


def test_a_cursor_leads_back_to_its_id() -> None:
    last = uuid4()
    assert decode_cursor(encode_cursor(last)) == last


@pytest.mark.parametrize(
    "told", [b"", b"[]", b"null", b'{"id": 7}', b"\xff", b"[" * 50_000], ids=lambda told: told[:9]
)
def test_what_is_no_cursor_is_refused(told: bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode_cursor(urlsafe_b64encode(told).decode())
