"""A sealed file opens as it was written and in no other way."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.kernel.sealed_files import CHUNK_BYTES, SealedWriter, read_sealed

KEY, NAME = b"k" * 32, b"tenant/export"
STORED = CHUNK_BYTES + 16


def _written(*parts: bytes, name: bytes = NAME) -> bytes:
    file = io.BytesIO()
    writer = SealedWriter(file, KEY, name)
    for part in parts:
        writer.write(part)
    writer.finish()
    return file.getvalue()


def _read(stored: bytes, *, key: bytes = KEY, name: bytes = NAME) -> bytes:
    return b"".join(read_sealed(io.BytesIO(stored), key, name))


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES]
)
def test_a_file_of_any_length_opens_again(size: int) -> None:
    plain = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    stored = _written(plain[: size // 3], plain[size // 3 :])
    assert _read(stored) == plain
    assert len(stored) == size + 16 * max(1, -(-size // CHUNK_BYTES))


THREE = _written(b"a" * CHUNK_BYTES, b"b" * CHUNK_BYTES, b"c" * 100)


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        THREE[:-1],
        THREE[:STORED],
        THREE[: 2 * STORED],
        THREE[STORED:],
        THREE[STORED : 2 * STORED] + THREE[:STORED] + THREE[2 * STORED :],
        THREE[:STORED] + THREE[:STORED] + THREE[2 * STORED :],
        THREE + b"x",
        THREE + THREE,
        _written(b"a" * CHUNK_BYTES, b"b" * CHUNK_BYTES, b"c" * 100, name=b"other/export"),
    ],
)
def test_sec_crypto_residency_gdpr_06_a_file_that_was_cut_moved_or_swapped_does_not_open(
    stored: bytes,
) -> None:
    with pytest.raises(Undecipherable):
        _read(stored)


@given(st.integers(0, len(THREE) - 1), st.integers(0, 7))
def test_no_bit_can_be_turned(at: int, bit: int) -> None:
    stored = bytearray(THREE)
    stored[at] ^= 1 << bit
    with pytest.raises(Undecipherable):
        _read(bytes(stored))


def test_another_key_opens_nothing() -> None:
    with pytest.raises(Undecipherable):
        _read(THREE, key=b"K" * 32)
