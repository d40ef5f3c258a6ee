"""Data keys: one for each tenant and version, random, wrapped by the master key."""

import hashlib
import os
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from leanvibe_server.kernel.crypto import KEY_BYTES, Undecipherable
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.key_shares import KeyShares
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.master_keys import Binding, MasterKeys
from leanvibe_server.kernel.rows import find_row, list_rows

_NONCE_BYTES = 12
CACHE_SIZE = 1000

COLUMNS = "tenant_id, version, wrapped, wrapped_by, created_at, retired_at, destroyed_at"
# FOR SHARE: a rotation waits for those who are sealing, so that no value comes after the count
# by which an old version is found to be out of use.
HOLD_CURRENT = f"""
SELECT {COLUMNS} FROM data_keys
WHERE tenant_id = $1 AND retired_at IS NULL AND destroyed_at IS NULL FOR SHARE
"""
LIST_LIVE = f"SELECT {COLUMNS} FROM data_keys WHERE tenant_id = $1 AND destroyed_at IS NULL"
FIND = f"SELECT {COLUMNS} FROM data_keys WHERE tenant_id = $1 AND version = $2"
LATEST = "SELECT coalesce(max(version), 0) FROM data_keys WHERE tenant_id = $1"
# Of several who make a tenant's key at once, one does; the others wait for it and take that.
INSERT = f"""
INSERT INTO data_keys ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, NULL, NULL)
ON CONFLICT DO NOTHING RETURNING version
"""


@dataclass(frozen=True)
class WrappedKey:
    """One data key as it is kept; `wrapped` is None once it was destroyed."""

    tenant_id: UUID
    version: int
    wrapped: bytes | None
    wrapped_by: str
    created_at: datetime
    retired_at: datetime | None
    destroyed_at: datetime | None


class KeyNotAtHand(Exception):
    """A transaction needs a data key that only the key service can give, and no transaction waits
    for that: it is undone, the key fetched with none open, and the work done again."""

    def __init__(self, tenant_id: UUID) -> None:
        super().__init__(f"a data key of {tenant_id} must be fetched first")
        self.tenant_id = tenant_id


class DataKeys:
    """Opens wrapped keys, and remembers the last thousand for some minutes.

    What is remembered is found by the wrapped key itself, which each use reads from the database:
    a key that was rotated, destroyed or rolled back is out of use in every process at once. How
    long an entry lives says only how soon a withdrawn master key is noticed.
    """

    def __init__(self, master: MasterKeys, *, cache_s: int) -> None:
        self.master = master
        self._life = timedelta(seconds=cache_s)
        self._opened: OrderedDict[bytes, tuple[datetime, bytes]] = OrderedDict()

    async def make(self, home: Path, tenant_id: UUID, version: int, now: datetime) -> WrappedKey:
        """A new random key, wrapped and not yet kept.

        Raises: MasterKeyUnavailable. Undecipherable: the tenant's keys were destroyed.
        """
        binding = Binding(tenant_id, version)
        share = _shares(home).obtain(tenant_id)
        wrapped = await self._wrap(os.urandom(KEY_BYTES), share, binding)
        return WrappedKey(tenant_id, version, wrapped, self.master.current.name, now, None, None)

    async def open(
        self, home: Path, key: WrappedKey, now: datetime, *, in_transaction: bool = False
    ) -> AESGCM:
        """The cipher of a data key.

        Raises: MasterKeyUnavailable. Undecipherable: it was destroyed, or does not belong here.
            KeyNotAtHand: it would have to be fetched, and a transaction is open.
        """
        if key.wrapped is None:
            raise Undecipherable("this version of the key was destroyed")
        share = _shares(home).require(key.tenant_id)
        told = share + key.wrapped + str((key.tenant_id, key.version)).encode()
        place = hashlib.sha256(told).digest()
        found = self._opened.get(place)
        if found is not None and now < found[0]:
            self._opened.move_to_end(place)
            return AESGCM(found[1])
        if in_transaction and self.master.is_remote(key.wrapped_by):
            raise KeyNotAtHand(key.tenant_id)
        plain = await self._unwrap(key, share)
        logger("keys").debug("unwrapped", tenant_id=str(key.tenant_id), version=key.version)
        self._opened[place] = (now + self._life, plain)
        while len(self._opened) > CACHE_SIZE:
            self._opened.popitem(last=False)
        return AESGCM(plain)

    async def rewrap(self, home: Path, key: WrappedKey) -> tuple[bytes, str]:
        """The same key under the master key of today, and that one's name."""
        if key.wrapped is None:
            raise Undecipherable("this version of the key was destroyed")
        share = _shares(home).require(key.tenant_id)
        plain = await self._unwrap(key, share)
        wrapped = await self._wrap(plain, share, Binding(key.tenant_id, key.version))
        return wrapped, self.master.current.name

    def destroy_share(self, home: Path, tenant_id: UUID) -> None:
        """Make every key of a tenant useless, here and in every backup of the database."""
        _shares(home).destroy(tenant_id)

    async def _wrap(self, plain: bytes, share: bytes, binding: Binding) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        inner = nonce + _of_share(share).encrypt(nonce, plain, binding.as_bytes())
        return await self.master.current.wrap(inner, binding)

    async def _unwrap(self, key: WrappedKey, share: bytes) -> bytes:
        binding = Binding(key.tenant_id, key.version)
        inner = await self.master.unwrap(key.wrapped or b"", key.wrapped_by, binding)
        try:
            return _of_share(share).decrypt(
                inner[:_NONCE_BYTES], inner[_NONCE_BYTES:], binding.as_bytes()
            )
        except InvalidTag:
            raise Undecipherable("the share does not belong to this key") from None


def _shares(home: Path) -> KeyShares:
    return KeyShares(home / "keys")


def _of_share(share: bytes) -> AESGCM:
    """Source: RFC 5869 for the derivation."""
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt=None, info=b"share of data keys").derive(share))


async def hold_current(conn: Connection, tenant_id: UUID) -> WrappedKey | None:
    """The key new values are sealed with, which stays the current one until the caller is done."""
    return await find_row(conn, WrappedKey, HOLD_CURRENT, tenant_id)


async def find(conn: Connection, tenant_id: UUID, version: int) -> WrappedKey | None:
    return await find_row(conn, WrappedKey, FIND, tenant_id, version)


async def list_live(conn: Connection, tenant_id: UUID) -> list[WrappedKey]:
    """Every version that still opens something."""
    return await list_rows(conn, WrappedKey, LIST_LIVE, tenant_id)


async def latest_version(conn: Connection, tenant_id: UUID) -> int:
    """The newest version there ever was; 0 before the first."""
    found: int = await conn.fetchval(LATEST, tenant_id)
    return found


async def insert(conn: Connection, key: WrappedKey) -> bool:
    """Keep a new key; False when another was faster."""
    made = await conn.fetchval(
        INSERT, key.tenant_id, key.version, key.wrapped, key.wrapped_by, key.created_at
    )
    return made is not None
