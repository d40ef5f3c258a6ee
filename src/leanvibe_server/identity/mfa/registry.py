"""Which keys are registered on the platform: each with one person only.

Source: WebAuthn Level 3, section 7.1, step 26.
"""

from collections.abc import Sequence
from uuid import UUID

from leanvibe_server.identity.mfa import repository as rows
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import Reason, across_tenants
from leanvibe_server.kernel.scope import Scope


async def forget_keys(house: House, credential_ids: Sequence[bytes]) -> None:
    """Keys that are no longer registered anywhere may be again."""
    if credential_ids:
        async with across_tenants(house.database, Reason.SIGN_IN) as conn:
            await rows.forget_credentials(conn, [_mark(house, one) for one in credential_ids])


async def forget_keys_of(scope: Scope, user_id: UUID) -> int:
    """The keys of somebody who is about to be removed may be registered again; how many."""
    every = await rows.list_verified(scope.conn, scope.tenant_id, user_id)
    keys = [one.credential_id for one in every if one.credential_id is not None]
    await forget_keys(scope.house, keys)
    return len(keys)


async def claim(house: House, credential_id: bytes) -> bool:
    """Note the key for the whole platform; False when somebody has it registered.

    Source: WebAuthn Level 3, section 7.1, step 26.
    """
    async with across_tenants(house.database, Reason.SIGN_IN) as conn:
        return await rows.register_credential(
            conn, _mark(house, credential_id), now=house.clock.now()
        )


def _mark(house: House, credential_id: bytes) -> bytes:
    return house.vault.keyed_hash("webauthn credential", credential_id.hex())
