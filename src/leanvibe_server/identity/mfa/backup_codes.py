"""Backup codes: eight of eight digits, each good once, for who has lost their other factors.

They are kept as Argon2id hashes under one salt for each set, over a keyed hash: one computation
tells whether a code is among them, and a stolen table tells nothing without the master key.
Source: OWASP ASVS 5.0, 6.5.1 and 6.5.2.
"""

import secrets
from dataclasses import dataclass
from uuid import UUID

from leanvibe_server.identity.mfa import guesses
from leanvibe_server.identity.mfa import repository as rows
from leanvibe_server.identity.mfa.models import Factor
from leanvibe_server.identity.models import User
from leanvibe_server.identity.passwords import desk_of
from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.scope import Scope

COUNT = 8
DIGITS = 8
SALT_BYTES = 16


@dataclass(frozen=True)
class NewCodes:
    """A fresh set: the codes to show once, and what is kept of them."""

    codes: list[str]
    hashes: list[bytes]
    salt: bytes


async def make(house: House, user: User) -> NewCodes:
    """A fresh set of codes. No transaction should be open meanwhile.

    Raises: RateLimited: so many were made that something is wrong.
    """
    await guesses.spend_on_hashes(house, user, "backup codes", most=guesses.SET_UPS_PER_HOUR)
    codes: list[str] = []
    while len(codes) < COUNT:
        code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
        if code not in codes:
            codes.append(code)
    salt = secrets.token_bytes(SALT_BYTES)
    hashes = [await _hash(house, user, code, salt) for code in codes]
    return NewCodes(codes, hashes, salt)


async def keep(scope: Scope, user: User, new: NewCodes, *, pending: Factor | None = None) -> None:
    """Keep a set: at once, or with a factor that is to be confirmed first."""
    await rows.insert_codes(
        scope.conn,
        scope.tenant_id,
        user.id,
        [(scope.new_id(), code_hash) for code_hash in new.hashes],
        salt=new.salt,
        pending_factor_id=None if pending is None else pending.id,
        now=scope.now,
    )


async def redeem(errand: Errand, user: User, code: str) -> bool:
    """Use a code up; False when it is none of the user's, or was used."""
    async with errand.scope() as scope:
        salt = await rows.find_salt(scope.conn, scope.tenant_id, user.id)
    # Somebody without codes waits as long.
    code_hash = await _hash(errand.house, user, code, salt or bytes(SALT_BYTES))
    async with errand.scope() as scope:
        return await rows.use_code(scope.conn, scope.tenant_id, user.id, code_hash, now=scope.now)


async def _hash(house: House, user: User, code: str, salt: bytes) -> bytes:
    text = _keyed(house, user.tenant_id, user.id, code)
    return await desk_of(house).derive(text, salt)


def _keyed(house: House, tenant_id: UUID, user_id: UUID, code: str) -> str:
    return house.vault.keyed_hash("backup code", f"{tenant_id} {user_id} {code}").hex()
