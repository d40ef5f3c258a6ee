"""The master key that wraps the tenants' data keys: the port, and the keys this process holds.

`key_providers` says which it is: these, or one that Vault or AWS KMS keeps.
"""

import hashlib
import os
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.kernel.errors import ServiceUnavailable

_NONCE_BYTES = 12
LOCAL = "local"


# Between what a connection is for and the marks; PostgreSQL keeps 63 bytes of its name.
MARKED = " keys "
MOST_MARKS = 4


def mark_of(name: str) -> str:
    """A short mark of a master key's name."""
    return hashlib.sha256(name.encode()).hexdigest()[:8]


class MasterKeyUnavailable(ServiceUnavailable):
    """The service that holds the master key does not answer, or refuses us. Try again later."""


class Binding:
    """What a wrapped key belongs to; wrapped for one, it does not open for another."""

    def __init__(self, tenant_id: UUID, version: int) -> None:
        self.context = {"tenant_id": str(tenant_id), "version": str(version)}

    def as_bytes(self) -> bytes:
        return f"{self.context['tenant_id']}/{self.context['version']}".encode()


class MasterKey(Protocol):
    """A key that never leaves its keeper and wraps other keys. `name` is kept beside each."""

    @property
    def name(self) -> str: ...

    @property
    def remote(self) -> bool:
        """Whether it is asked over the network, and so never while a transaction is open."""
        ...

    async def wrap(self, key: bytes, binding: Binding) -> bytes:
        """Raises: MasterKeyUnavailable."""
        ...

    async def unwrap(self, wrapped: bytes, binding: Binding) -> bytes:
        """Raises: MasterKeyUnavailable. Undecipherable: not wrapped by this key for this."""
        ...

    def knows(self, name: str) -> bool:
        """Whether what was wrapped under `name` is for this key to unwrap."""
        ...


class LocalMasterKey:
    """Keys held by this process. The first wraps; the others only unwrap, until all is wrapped
    anew."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = {hashlib.sha256(b"name of key" + key).hexdigest()[:16]: key for key in keys}
        self._first = next(iter(self._keys))

    remote = False

    @property
    def name(self) -> str:
        return f"{LOCAL}:{self._first}"

    @property
    def names(self) -> tuple[str, ...]:
        """Of every key held here, the first in use."""
        return tuple(f"{LOCAL}:{one}" for one in self._keys)

    def knows(self, name: str) -> bool:
        return name.startswith(f"{LOCAL}:")

    async def wrap(self, key: bytes, binding: Binding) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(self._keys[self._first]).encrypt(nonce, key, binding.as_bytes())
        return self._first.encode() + nonce + sealed

    async def unwrap(self, wrapped: bytes, binding: Binding) -> bytes:
        master = self._keys.get(wrapped[:16].decode(errors="replace"))
        if master is None:
            raise Undecipherable("wrapped by a key that is not configured any more")
        nonce, sealed = wrapped[16 : 16 + _NONCE_BYTES], wrapped[16 + _NONCE_BYTES :]
        try:
            return AESGCM(master).decrypt(nonce, sealed, binding.as_bytes())
        except InvalidTag:
            raise Undecipherable("the wrapped key does not belong here") from None


class MasterKeys:
    """The master key of today, and those that were used before it and can still unwrap."""

    def __init__(self, current: MasterKey, *earlier: MasterKey) -> None:
        self.current = current
        self._all = (current, *earlier)

    @property
    def marks(self) -> tuple[str, ...]:
        """A short mark of each key this process can unwrap with, that of today first."""
        held = (one.names if isinstance(one, LocalMasterKey) else (one.name,) for one in self._all)
        return tuple(mark_of(name) for names in held for name in names)

    def session_name(self, part: str) -> str:
        """What a lasting connection of a process is called in the database, so that an operator
        who wraps keys anew sees whether every process could unwrap them."""
        return f"leanvibe {part}{MARKED}{','.join(self.marks[:MOST_MARKS])}"

    @property
    def any_remote(self) -> bool:
        return any(one.remote for one in self._all)

    def is_remote(self, wrapped_by: str) -> bool:
        """Whether a key wrapped under that name is unwrapped over the network."""
        return any(one.remote for one in self._all if one.knows(wrapped_by))

    async def unwrap(self, wrapped: bytes, wrapped_by: str, binding: Binding) -> bytes:
        """Raises: MasterKeyUnavailable. Undecipherable: nobody here can open it."""
        for one in self._all:
            if one.knows(wrapped_by):
                return await one.unwrap(wrapped, binding)
        raise Undecipherable(f"wrapped by {wrapped_by}, which is not configured")
