"""What is written to the log bears no secret, wherever in a line it stands."""

from uuid import uuid4

import pytest

from leanvibe_server.identity import opaque
from leanvibe_server.kernel.log import redact


@pytest.mark.parametrize(
    "secret",
    [
        opaque.new_token(uuid4()),
        f"lr_{opaque.new_token(uuid4())}",
        opaque.new_api_key(uuid4(), "live"),
        opaque.new_scim_token(uuid4()),
    ],
    ids=["link", "refresh token", "key", "scim token"],
)
def test_a_secret_is_left_out_of_a_line(secret: str) -> None:
    assert redact(f"crash at /reset/{secret}?x=1") == "crash at /reset/[redacted]?x=1"


def test_a_hash_and_an_id_stay() -> None:
    line = f"{'ab12' * 16} {uuid4()}"
    assert redact(line) == line
