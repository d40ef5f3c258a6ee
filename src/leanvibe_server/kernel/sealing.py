"""Fields at rest: sealed for the tenant whose row they live in."""

from uuid import UUID

from leanvibe_server.kernel.scope import Scope

Place = tuple[str, str, UUID]


async def seal(scope: Scope, plaintext: bytes, *, place: Place) -> bytes:
    """Encrypt one field of the scope's tenant. `place` is (table, column, row id)."""
    return scope.house.vault.seal(plaintext, tenant_id=scope.tenant_id, place=place)


async def unseal(scope: Scope, sealed: bytes, *, place: Place) -> bytes:
    """Decrypt one field of the scope's tenant.

    Raises: Undecipherable: wrong key, wrong place, or a damaged value.
    """
    return scope.house.vault.open(sealed, tenant_id=scope.tenant_id, place=place)
