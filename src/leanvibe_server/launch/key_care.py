"""What an operator does to the data keys of tenants."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg

from leanvibe_server import wiring
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.kernel.errors import AppError
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.launch.errors import LaunchError
from leanvibe_server.tenancy.keys import service


def rotate_data(settings: Settings, tenant_id: UUID | None) -> int:
    """Give the tenant, or each that has secrets, a new data key. Returns how many got one."""

    async def rotate(house: House, one: UUID) -> int:
        async with house.database.tenant(one) as conn:
            caller = Scope(conn, one, SYSTEM, house.clock, house)
        await service.rotate_of(house, caller)
        return 1

    return asyncio.run(_for_each(settings, tenant_id, rotate))


def rewrap(settings: Settings, tenant_id: UUID | None) -> int:
    """Wrap every data key by the master key of today. Returns how many were wrapped anew.

    Raises: LaunchError: a process that runs now could not unwrap them.
    """
    return asyncio.run(
        _for_each(settings, tenant_id, service.rewrap_of, first=service.require_known_everywhere)
    )


def destroy(settings: Settings, tenant_id: UUID) -> int:
    """Destroy the keys of one tenant. Returns how many there were."""

    async def shred(house: House, one: UUID) -> int:
        async with house.database.tenant(one) as conn:
            return await service.destroy_all(Scope(conn, one, SYSTEM, house.clock, house))

    return asyncio.run(_for_each(settings, tenant_id, shred))


async def _for_each(
    settings: Settings,
    tenant_id: UUID | None,
    do: Callable[[House, UUID], Awaitable[int]],
    *,
    first: Callable[[House], Awaitable[None]] | None = None,
) -> int:
    house = await wiring.open_house(settings)
    try:
        if first is not None:
            await _check(house, first)
        tenants = await service.list_tenants_with_keys(house, tenant_id)
        if tenant_id is not None and not tenants:
            raise LaunchError(f"The tenant {tenant_id} has no data keys.")
        return await _do_all(house, tenants, do)
    finally:
        await house.database.close()


async def _check(house: House, check: Callable[[House], Awaitable[None]]) -> None:
    try:
        await check(house)
    except AppError as refusal:
        raise LaunchError(refusal.message) from None


async def _do_all(
    house: House, tenants: list[UUID], do: Callable[[House, UUID], Awaitable[int]]
) -> int:
    """One tenant's trouble holds up no other. Raises: LaunchError: with whose it was."""
    done, failed = 0, []
    for one in tenants:
        try:
            done += await do(house, one)
        except (AppError, Undecipherable, OSError, asyncpg.PostgresError) as error:
            failed.append(f"{one}: {error}")
    if failed:
        raise LaunchError(f"{done} done, and not: {'; '.join(failed)}")
    return done
