"""A tenant's own keys as a service provider: made at the first need, sealed, changed with overlap.

A change takes two steps, because identity providers learn a new certificate from our metadata at
their own pace: prepare the next key, let the providers read it, then put it to use. What was
encrypted for the key before can be opened for a while.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from leanvibe_server.entitlements.service import require_feature
from leanvibe_server.identity.key_pairs import KeyPair, der_of, new_pair, pair_of
from leanvibe_server.identity.saml import repository as rows
from leanvibe_server.identity.saml.events import (
    SamlKeyActivated,
    SamlKeyPrepared,
    SamlKeyWithdrawn,
)
from leanvibe_server.identity.saml.models import SpKey
from leanvibe_server.kernel.errors import Conflict, NotFound
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.kernel.sealing import fetch_keys, seal, unseal

NAME = "LeanVibe service provider"
OVERLAP = timedelta(days=7)


@dataclass(frozen=True)
class SpKeys:
    """The tenant's keys, opened: the first signs, each of them opens messages."""

    current: KeyPair
    others: tuple[KeyPair, ...]

    @property
    def private(self) -> tuple[rsa.RSAPrivateKey, ...]:
        return (self.current.private, *(pair.private for pair in self.others))


def certificate_of(key: SpKey) -> x509.Certificate:
    """The certificate of a key."""
    return x509.load_der_x509_certificate(key.certificate)


async def ensure_keys(house: House, tenant_id: UUID) -> list[SpKey]:
    """The tenant's keys, with one in use. The first is made here, outside of a transaction,
    because that takes a while; and what opens them is fetched."""
    now = house.clock.now()
    await fetch_keys(house, tenant_id, to_seal=True)
    async with house.database.tenant(tenant_id) as conn:
        found = await rows.list_keys(conn, tenant_id, now=now)
    if any(key.status == "current" for key in found):
        return found
    made = await new_pair(now, name=NAME)
    async with house.database.tenant(tenant_id) as conn:
        await rows.lock_keys(conn, tenant_id)
        found = await rows.list_keys(conn, tenant_id, now=now)
        if any(key.status == "current" for key in found):
            return found
        scope = Scope(conn, tenant_id, SYSTEM, house.clock, house)
        key = await _insert(scope, made, activated_at=now)
        await scope.emit(SamlKeyActivated(key_id=key.id))
    return [key, *found]


async def open_keys(scope: Scope) -> SpKeys:
    """The tenant's keys with their private halves. Raises: NotFound: there are none yet."""
    found = await rows.list_keys(scope.conn, scope.tenant_id, now=scope.now)
    pairs = {key.id: await _open(scope, key) for key in found}
    for key in found:
        if key.status == "current":
            current = pairs.pop(key.id)
            return SpKeys(current, tuple(pairs.values()))
    raise NotFound("This organisation has no SAML keys yet. Add a SAML provider first.")


async def list_keys(scope: Scope) -> list[SpKey]:
    """The tenant's keys that are of use, newest first."""
    return await rows.list_keys(scope.conn, scope.tenant_id, now=scope.now)


async def prepare_next(scope: Scope) -> SpKey:
    """Make the next key and show its certificate in the metadata. It signs nothing yet.

    Raises: Forbidden: not in the plan. Conflict: there is a next one already.
    """
    require_feature(scope.plan, "saml")
    made = await new_pair(scope.now, name=NAME)
    await rows.lock_keys(scope.conn, scope.tenant_id)
    if any(key.status == "next" for key in await list_keys(scope)):
        raise Conflict("The next certificate is prepared already. Activate it or withdraw it.")
    key = await _insert(scope, made, activated_at=None)
    await scope.emit(SamlKeyPrepared(key_id=key.id))
    return key


async def activate(scope: Scope, key_id: UUID) -> SpKey:
    """Sign with the next key from now on; the one before opens messages for OVERLAP.

    Raises: NotFound. Conflict: it is not the next one.
    """
    require_feature(scope.plan, "saml")
    await rows.lock_keys(scope.conn, scope.tenant_id)
    await _require_next(scope, key_id)
    await rows.replace_current_key(
        scope.conn, scope.tenant_id, key_id, now=scope.now, retires_at=scope.now + OVERLAP
    )
    await scope.emit(SamlKeyActivated(key_id=key_id))
    return await _require(scope, key_id)


async def withdraw(scope: Scope, key_id: UUID) -> None:
    """Take the next key back. Raises: NotFound. Conflict: it is in use, or was."""
    await rows.lock_keys(scope.conn, scope.tenant_id)
    await _require_next(scope, key_id)
    await rows.delete_key(scope.conn, scope.tenant_id, key_id)
    await scope.emit(SamlKeyWithdrawn(key_id=key_id))


async def _require(scope: Scope, key_id: UUID) -> SpKey:
    for key in await list_keys(scope):
        if key.id == key_id:
            return key
    raise NotFound("No such certificate.")


async def _require_next(scope: Scope, key_id: UUID) -> SpKey:
    key = await _require(scope, key_id)
    if key.status != "next":
        raise Conflict("Only the next certificate can be activated or withdrawn.")
    return key


async def _insert(scope: Scope, pair: KeyPair, *, activated_at: datetime | None) -> SpKey:
    key_id = scope.new_id()
    key = SpKey(
        tenant_id=scope.tenant_id,
        id=key_id,
        private_key_sealed=await seal(scope, der_of(pair.private), place=_place(key_id)),
        certificate=pair.certificate.public_bytes(Encoding.DER),
        created_at=scope.now,
        activated_at=activated_at,
        retires_at=None,
    )
    await rows.insert_key(scope.conn, key)
    return key


async def _open(scope: Scope, key: SpKey) -> KeyPair:
    plain = await unseal(scope, key.private_key_sealed, place=_place(key.id))
    return pair_of(plain, key.certificate)


def _place(key_id: UUID) -> tuple[str, str, UUID]:
    return ("saml_keys", "private_key_sealed", key_id)
