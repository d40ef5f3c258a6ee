"""The end of a tenant: its files, its rows, what the directory knows, and last its own row.

Each step can be done again, so whoever is killed in between, or meets a region that does not
answer, is followed by the next sweep. What stays is that there was a tenant of that id, where,
and when it went: no word of it and nobody's name.
"""

import asyncio
import shutil
from pathlib import Path
from uuid import UUID

import asyncpg

from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.log import logger, speak_of_home
from leanvibe_server.kernel.owner import delete_as_owner
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants
from leanvibe_server.kernel.regions import TENANT_FOLDERS
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.tenancy import repository
from leanvibe_server.tenancy.events import TenantDeleted

AT_ONCE = 20


async def sweep(house: House) -> None:
    """Remove the tenants whose grace period is over, region by region."""
    for region in house.database.regions:
        try:
            async with across_tenants(house.database, Reason.WORKER, region=region) as conn:
                due = await repository.list_due(conn, before=house.clock.now(), limit=AT_ONCE)
            for tenant in due:
                await _purge(house, tenant.id, region)
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            logger("tenancy").warning("not swept", region=region, error_type=type(error).__name__)
        finally:
            speak_of_home()


async def _purge(house: House, tenant_id: UUID, region: str) -> None:
    home = house.settings.home_of(region)
    for folder in TENANT_FOLDERS:
        await asyncio.to_thread(_remove, home / folder / str(tenant_id))
    async with across_tenants(house.database, Reason.WORKER, tenant_id, region=region) as conn:
        if not await _is_due(house, conn, tenant_id):
            return
        # What backups still hold of its secrets opens no more.
        house.data_keys.destroy_share(home, tenant_id)
        kept_from_us = await repository.delete_rows(conn, tenant_id)
    # Nobody of the tenant is left who could add to its log.
    await delete_as_owner(house.settings, region, tenant_id, kept_from_us)
    async with across_tenants(house.database, Reason.WORKER) as conn:
        await repository.bury(conn, tenant_id, now=house.clock.now())
        scope = Scope(conn, PLATFORM_TENANT, SYSTEM, house.clock, house)
        await scope.emit(TenantDeleted(deleted_tenant_id=tenant_id, region=region))
    async with across_tenants(house.database, Reason.WORKER, tenant_id, region=region) as conn:
        await repository.delete(conn, tenant_id)


async def _is_due(house: House, conn: Connection, tenant_id: UUID) -> bool:
    """Whether it is still to go: it may have been restored in this moment."""
    tenant = await repository.lock(conn, tenant_id)
    deletes_at = None if tenant is None else tenant.deletes_at
    return deletes_at is not None and deletes_at <= house.clock.now()


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)
