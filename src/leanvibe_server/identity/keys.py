"""The keys that sign access tokens: made once, shared by all processes, rotated with overlap."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from joserfc.jwk import ECKey, OctKey

from leanvibe_server.identity.events import SigningKeyRotated
from leanvibe_server.identity.models import SigningKey
from leanvibe_server.identity.repository import sign_in as rows
from leanvibe_server.kernel.crypto import Vault
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import Conflict
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.ids import new_id
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants
from leanvibe_server.kernel.scope import SYSTEM, Scope

ALGORITHM = "ES256"
SHARED_ALGORITHM = "HS256"
# A rotated key verifies for two hours more: twice the life of a token.
OVERLAP = timedelta(hours=2)
# A token of a key we do not know has us look: at once for the first that another process signs
# after a rotation, then no sooner than this, whoever makes keys up.
REFETCH_INTERVAL = timedelta(seconds=10)
# Each process looks so often, so that none signs for long with a key that was rotated out.
RELOAD_EVERY_S = 30.0


@dataclass(frozen=True)
class BoundKey:
    """A key and the one algorithm it may be used with.

    Source: RFC 8725, section 3.1.
    """

    kid: str
    algorithm: str
    key: ECKey | OctKey


@dataclass
class KeyRing:
    """The keys of this process: one signs, all verify."""

    signer: BoundKey
    by_kid: dict[str, BoundKey]
    public_keys: list[dict[str, Any]]
    looked_at: datetime | None = None

    def find(self, kid: str) -> BoundKey | None:
        return self.by_kid.get(kid)

    def jwks(self) -> dict[str, Any]:
        """The public halves, for those who verify our tokens. Source: RFC 7517."""
        return {"keys": self.public_keys}

    async def refetch(self, house: House) -> bool:
        """Look for keys another process made. False: it is too early to look again."""
        now = house.clock.now()
        early = self.looked_at is not None and now - self.looked_at < REFETCH_INTERVAL
        if early or self.signer.algorithm == SHARED_ALGORITHM:
            return False
        # Set before the look, so that those who come meanwhile do not look too.
        self.looked_at = now
        self._take(await _fetch(house))
        return True

    async def reload(self, house: House) -> None:
        """Read the keys anew."""
        self._take(await _fetch(house))

    def _take(self, fresh: "KeyRing") -> None:
        self.signer, self.by_kid, self.public_keys = fresh.signer, fresh.by_kid, fresh.public_keys


async def load(house: House) -> KeyRing:
    """Read the signing keys, making the first one where there is none, and place the ring."""
    if house.settings.jwt_secret:
        ring = _shared_ring(house)
    else:
        ring = await _fetch(house)
    house.place(ring)
    return ring


async def rotate(house: House, *, at_once: bool = False) -> str:
    """Sign with a new key from now on; tokens of the old ones hold until they expire.

    `at_once` is for a key that leaked: the old ones are gone, and every program renews its
    tokens. Running processes take the new key within half a minute.
    Raises: Conflict: the installation signs with its JWT_SECRET.

    Returns the new key's id.
    """
    if house.settings.jwt_secret:
        raise Conflict(
            "This installation signs with JWT_SECRET: change that setting and restart, or take "
            "it out to use keys that rotate."
        )
    now = house.clock.now()
    async with across_tenants(house.database, Reason.SIGNING_KEYS) as conn:
        await rows.lock_signing_keys(conn)
        key = await _make_key(conn, house.vault, now)
        retires_at = now if at_once else now + OVERLAP
        await rows.retire_other_keys(conn, key.kid, retires_at=retires_at)
        scope = Scope(conn, PLATFORM_TENANT, SYSTEM, house.clock, house)
        await scope.emit(SigningKeyRotated(kid=key.kid))
    if KeyRing in house.parts:
        await house.part(KeyRing).reload(house)
    return key.kid


async def list_keys(house: House) -> list[SigningKey]:
    """The keys that sign or verify now, oldest first."""
    async with across_tenants(house.database, Reason.SIGNING_KEYS) as conn:
        return await rows.list_signing_keys(conn, now=house.clock.now())


@asynccontextmanager
async def keeping_current(house: House) -> AsyncIterator[None]:
    """Take keys over that other processes made, and drop retired ones, while the block lasts."""

    async def keep_looking() -> None:
        while True:
            await asyncio.sleep(RELOAD_EVERY_S)
            try:
                await house.part(KeyRing).reload(house)
            except Exception as error:  # the next look may find the database again
                logger("identity").warning("signing keys not read", error=repr(error))

    if house.settings.jwt_secret:
        yield
        return
    task = asyncio.create_task(keep_looking())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _fetch(house: House) -> KeyRing:
    now = house.clock.now()
    async with across_tenants(house.database, Reason.SIGNING_KEYS) as conn:
        stored = await rows.list_signing_keys(conn, now=now)
        if not any(key.retires_at is None for key in stored):
            await rows.lock_signing_keys(conn)
            stored = await rows.list_signing_keys(conn, now=now)
            if not any(key.retires_at is None for key in stored):
                stored.append(await _make_key(conn, house.vault, now))
    bound = {key.kid: _open(house.vault, key) for key in stored}
    signer = next(bound[key.kid] for key in reversed(stored) if key.retires_at is None)
    return KeyRing(signer, bound, [key.public_jwk for key in stored])


async def _make_key(conn: Connection, vault: Vault, now: datetime) -> SigningKey:
    key_id = new_id(now)
    pair = ECKey.generate_key(
        "P-256", parameters={"kid": str(key_id), "alg": ALGORITHM, "use": "sig"}
    )
    key = SigningKey(
        kid=str(key_id),
        algorithm=ALGORITHM,
        private_key_sealed=vault.seal(
            pair.as_pem(private=True), tenant_id=PLATFORM_TENANT, place=_place(key_id)
        ),
        public_jwk={name: str(value) for name, value in pair.as_dict(private=False).items()},
        created_at=now,
        retires_at=None,
    )
    await rows.insert_signing_key(conn, key)
    return key


def _open(vault: Vault, key: SigningKey) -> BoundKey:
    pem = vault.open(key.private_key_sealed, tenant_id=PLATFORM_TENANT, place=_place(UUID(key.kid)))
    return BoundKey(key.kid, key.algorithm, ECKey.import_key(pem))


def _place(key_id: UUID) -> tuple[str, str, UUID]:
    return ("signing_keys", "private_key_sealed", key_id)


def _shared_ring(house: House) -> KeyRing:
    secret = house.settings.jwt_secret
    kid = hashlib.sha256(b"kid:" + secret.encode()).hexdigest()[:16]
    key = BoundKey(kid, SHARED_ALGORITHM, OctKey.import_key(secret))
    return KeyRing(key, {kid: key}, [])
