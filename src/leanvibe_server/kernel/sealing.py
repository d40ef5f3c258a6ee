"""Fields at rest: sealed for the tenant whose row they live in, under its own data key."""

import os
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar
from uuid import UUID

from cryptography.exceptions import InvalidTag

from leanvibe_server.kernel import data_keys
from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.kernel.data_keys import KeyNotAtHand, WrappedKey
from leanvibe_server.kernel.events import Event
from leanvibe_server.kernel.master_keys import MasterKeyUnavailable
from leanvibe_server.kernel.scope import SYSTEM, Scope

if TYPE_CHECKING:
    from leanvibe_server.kernel.house import House

Place = tuple[str, str, UUID]
_BEFORE = b"\x01"
_FORMAT = b"\x02"
_VERSION = struct.Struct(">I")
_NONCE_BYTES = 12
_HEAD = len(_FORMAT) + _VERSION.size
_TRIES = 3


@dataclass(frozen=True)
class SealedColumn:
    """A column of sealed values, named so that a rotation finds them. `place` is what `seal`
    is told as the column, where that is not its name."""

    table: str
    column: str
    place: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return (self.table, self.place or self.column)


class DataKeyCreated(Event, frozen=True, kw_only=True):
    """A tenant got its first data key, with the first secret it keeps."""

    name: ClassVar[str] = "data_key.created"
    area: ClassVar[str] = "security"
    version_made: int
    wrapped_by: str


def prefix_of(version: int) -> bytes:
    """How every value begins that was sealed with a version of the key."""
    return _FORMAT + _VERSION.pack(version)


async def seal(scope: Scope, plaintext: bytes, *, place: Place) -> bytes:
    """Encrypt one field of the scope's tenant. `place` is (table, column, row id).

    AES-256-GCM with a random nonce; tenant, table, column, row and key version are authenticated,
    so that a value copied elsewhere does not open.

    Raises: KeyNotAtHand: the key service must be asked, and this is no time to. Undecipherable:
        the tenant's keys were destroyed.
    Source: NIST SP 800-38D.
    """
    if (place[0], place[1]) not in scope.house.sealed_columns:
        raise LookupError(f"{place[0]}.{place[1]} is not among wiring.SEALED_COLUMNS")
    key = await data_keys.hold_current(scope.conn, scope.tenant_id)
    if key is None:
        if scope.house.data_keys.master.current.remote:
            raise KeyNotAtHand(scope.tenant_id)
        key = await _make_key(scope)
    home = await home_of(scope.house, scope.tenant_id)
    cipher = await scope.house.data_keys.open(home, key, scope.now, in_transaction=True)
    nonce = os.urandom(_NONCE_BYTES)
    head = prefix_of(key.version)
    return head + nonce + cipher.encrypt(nonce, plaintext, _bound(scope.tenant_id, place, head))


async def unseal(scope: Scope, sealed: bytes, *, place: Place) -> bytes:
    """Decrypt one field of the scope's tenant.

    Raises: Undecipherable: wrong key, wrong place, a damaged value, or a key that was destroyed.
        KeyNotAtHand: as `seal`.
    """
    if sealed[:1] == _BEFORE:
        return scope.house.vault.open(sealed, tenant_id=scope.tenant_id, place=place)
    key = await data_keys.find(scope.conn, scope.tenant_id, version_of(sealed))
    return await _open(scope.house, key, scope.tenant_id, sealed, place, in_transaction=True)


async def unseal_for(house: "House", tenant_id: UUID, sealed: bytes, *, place: Place) -> bytes:
    """Decrypt one field where no transaction is open, and open none while the key is unwrapped.

    Raises: Undecipherable: as `unseal`. MasterKeyUnavailable.
    """
    if sealed[:1] == _BEFORE:
        return house.vault.open(sealed, tenant_id=tenant_id, place=place)
    async with house.database.tenant(tenant_id) as conn:
        key = await data_keys.find(conn, tenant_id, version_of(sealed))
    return await _open(house, key, tenant_id, sealed, place)


async def fetch_keys(house: "House", tenant_id: UUID, *, to_seal: bool = False) -> None:
    """Have the tenant's keys at hand before a transaction begins that opens or seals values.
    `to_seal` makes the first one. With a master key of this process there is nothing to fetch.

    Raises: MasterKeyUnavailable. Undecipherable: the tenant's keys were destroyed.
    """
    if not house.data_keys.master.any_remote:
        return
    home = await home_of(house, tenant_id)
    for _ in range(_TRIES):
        async with house.database.tenant(tenant_id) as conn:
            keys = await data_keys.list_live(conn, tenant_id)
            version = await data_keys.latest_version(conn, tenant_id) + 1
        for key in keys:
            # What does not open is for whoever needs it to say.
            with suppress(Undecipherable):
                await house.data_keys.open(home, key, house.clock.now())
        if not to_seal or any(key.retired_at is None for key in keys):
            return
        made = await house.data_keys.make(home, tenant_id, version, house.clock.now())
        async with house.database.tenant(tenant_id) as conn:
            await _keep(Scope(conn, tenant_id, SYSTEM, house.clock, house), made)


Done = TypeVar("Done")


async def with_keys(
    house: "House", work: Callable[[], Awaitable[Done]], undo: Callable[[], Awaitable[bool]]
) -> Done:
    """Do `work`, anew with the keys it turned out to need. `undo` ends what it began, and says
    whether all of it was undone; if not, the caller must come again.

    Raises: MasterKeyUnavailable.
    """
    for _ in range(_TRIES):
        try:
            return await work()
        except KeyNotAtHand as missing:
            undone = await undo()
            await fetch_keys(house, missing.tenant_id, to_seal=True)
            if not undone:
                break
    raise MasterKeyUnavailable(
        "The key of this organisation was fetched just now. Try again.",
        headers={"Retry-After": "1"},
    )


async def home_of(house: "House", tenant_id: UUID) -> Path:
    """Where the files of a tenant's region are."""
    return house.settings.home_of(await house.database.region_of(tenant_id))


def version_of(sealed: bytes) -> int:
    """Which version of the key a value was sealed with.

    Raises: Undecipherable: it is no sealed value.
    """
    if sealed[:1] != _FORMAT or len(sealed) < _HEAD + _NONCE_BYTES:
        raise Undecipherable("unknown format")
    version: int = _VERSION.unpack(sealed[1:_HEAD])[0]
    return min(version, 2**31 - 1)


async def _open(
    house: "House",
    key: WrappedKey | None,
    tenant_id: UUID,
    sealed: bytes,
    place: Place,
    *,
    in_transaction: bool = False,
) -> bytes:
    if key is None:
        raise Undecipherable("no key of this tenant")
    home, now = await home_of(house, tenant_id), house.clock.now()
    cipher = await house.data_keys.open(home, key, now, in_transaction=in_transaction)
    nonce, body = sealed[_HEAD : _HEAD + _NONCE_BYTES], sealed[_HEAD + _NONCE_BYTES :]
    try:
        return cipher.decrypt(nonce, body, _bound(tenant_id, place, sealed[:_HEAD]))
    except InvalidTag:
        raise Undecipherable("the value does not belong here") from None


async def _make_key(scope: Scope) -> WrappedKey:
    """The tenant's first key, or that of whoever made it at the same time."""
    for _ in range(_TRIES):
        version = await data_keys.latest_version(scope.conn, scope.tenant_id) + 1
        home = await home_of(scope.house, scope.tenant_id)
        made = await scope.house.data_keys.make(home, scope.tenant_id, version, scope.now)
        if await _keep(scope, made):
            return made
        found = await data_keys.hold_current(scope.conn, scope.tenant_id)
        if found is not None:
            return found
    raise RuntimeError("no current data key, and none could be made")


async def _keep(scope: Scope, made: WrappedKey) -> bool:
    if not await data_keys.insert(scope.conn, made):
        return False
    await scope.emit(DataKeyCreated(version_made=made.version, wrapped_by=made.wrapped_by))
    return True


def _bound(tenant_id: UUID, place: Place, head: bytes) -> bytes:
    table, column, row_id = place
    return head + f"{tenant_id}/{table}/{column}/{row_id}".encode()
