"""Files at rest: encrypted in chunks, each in its place, under a key of the file alone."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from leanvibe_server.kernel.crypto import Undecipherable

CHUNK_BYTES = 1 << 16
_TAG_BYTES = 16
_LAST, _MORE = b"\x01", b"\x00"


@dataclass
class SealedWriter:
    """Writes to `file` encrypted what it is given. `name` says whose file it is, and is
    authenticated with each chunk, as are its position and whether it is the last: chunks that
    were changed, moved, left out, cut off or taken from another file do not open.

    A `key` is of 32 bytes, serves one file, and so makes the position a nonce. `size_bytes` and
    `sha256` are those of the plain text.

    Source: NIST SP 800-38D; Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption
    and its Nonce-Reuse Misuse-Resistance" (2015), the STREAM construction.
    """

    file: BinaryIO
    key: bytes
    name: bytes
    size_bytes: int = 0
    _held: bytearray = field(default_factory=bytearray)
    _position: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        self.size_bytes += len(data)
        self._held += data
        # One chunk is held back: the last is marked as such.
        while len(self._held) > CHUNK_BYTES:
            self._emit(bytes(self._held[:CHUNK_BYTES]), _MORE)
            del self._held[:CHUNK_BYTES]
        return len(data)

    def flush(self) -> None:
        """Nothing leaves before its chunk is full."""

    def finish(self) -> None:
        """Write the last chunk."""
        self._emit(bytes(self._held), _LAST)
        self._held.clear()

    @property
    def sha256(self) -> str:
        digest: str = self._digest.hexdigest()
        return digest

    def _emit(self, plain: bytes, end: bytes) -> None:
        nonce = _nonce(self._position, end)
        self.file.write(AESGCM(self.key).encrypt(nonce, plain, self.name))
        self._position += 1


def read_sealed(file: BinaryIO, key: bytes, name: bytes) -> Iterator[bytes]:
    """The plain text, chunk by chunk; closes `file` at the end.

    Raises: Undecipherable: the rest is not as it was written. What came before it is.
    """
    cipher, position = AESGCM(key), 0
    with file:
        chunk = file.read(CHUNK_BYTES + _TAG_BYTES)
        while True:
            following = file.read(CHUNK_BYTES + _TAG_BYTES)
            end = _MORE if following else _LAST
            try:
                yield cipher.decrypt(_nonce(position, end), chunk, name)
            except InvalidTag:
                raise Undecipherable("the file is not as it was written") from None
            if not following:
                return
            chunk, position = following, position + 1


def _nonce(position: int, end: bytes) -> bytes:
    return position.to_bytes(11) + end
