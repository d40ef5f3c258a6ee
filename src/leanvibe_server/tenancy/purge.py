"""The end of a tenant: its rows, its files, what the directory knows, and last its own row.

Each step can be done again, so whoever is killed in between, or meets a region that does not
answer, is followed by the next sweep. What stays is that there was a tenant of that id, where,
and when it went: no word of it and nobody's name.
"""

import asyncio
import json
import shutil
from pathlib import Path
from uuid import UUID

from leanvibe_server.kernel.certificates import sign
from leanvibe_server.kernel.clock import rfc3339
from leanvibe_server.kernel.crypto import write_private
from leanvibe_server.kernel.errors import Conflict
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.log import logger, speak_of_home
from leanvibe_server.kernel.owner import delete_as_owner
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants
from leanvibe_server.kernel.pulse import UNREACHABLE
from leanvibe_server.kernel.regions import TENANT_FOLDERS
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.tenancy import repository
from leanvibe_server.tenancy.events import TenantDeleted

AT_ONCE = 20
# In the files of a region, a certificate for each tenant that is gone: a database restored from a
# backup knows nothing of it.
NOTES = Path("erasures") / "organisations"
FORMAT = "leanvibe-deletion/1"


async def sweep(house: House) -> None:
    """Remove the tenants whose grace period is over, region by region."""
    for region in house.database.regions:
        try:
            async with across_tenants(house.database, Reason.WORKER, region=region) as conn:
                due = await repository.list_due(conn, before=house.clock.now(), limit=AT_ONCE)
            for tenant in due:
                await _purge(house, tenant.id, region)
        except UNREACHABLE as error:
            logger("tenancy").warning("not swept", region=region, error_type=type(error).__name__)
        finally:
            speak_of_home()


async def _purge(house: House, tenant_id: UUID, region: str) -> None:
    home = house.settings.home_of(region)
    async with across_tenants(house.database, Reason.WORKER, tenant_id, region=region) as conn:
        if not await repository.lock_due(conn, tenant_id, before=house.clock.now()):
            return
        await asyncio.to_thread(_note, house, home, tenant_id, region)
        # What backups still hold of its secrets opens no more.
        house.data_keys.destroy_share(home, tenant_id)
        kept_from_us = await repository.delete_rows(conn, tenant_id)
    for folder in TENANT_FOLDERS:
        await asyncio.to_thread(_remove, home / folder / str(tenant_id))
    # Nobody of the tenant is left who could add to its log.
    await delete_as_owner(house.settings, region, tenant_id, kept_from_us)
    async with across_tenants(house.database, Reason.WORKER) as conn:
        await repository.bury(conn, tenant_id, now=house.clock.now())
        scope = Scope(conn, PLATFORM_TENANT, SYSTEM, house.clock, house)
        await scope.emit(TenantDeleted(deleted_tenant_id=tenant_id, region=region))
    async with across_tenants(house.database, Reason.WORKER, tenant_id, region=region) as conn:
        await repository.delete(conn, tenant_id)


async def delete_again(house: House, tenant_id: UUID, region: str) -> bool:
    """Remove a tenant that came back with a restored backup; False when it did not.

    Raises: Conflict: others are below it, which were not deleted; or it is on hold.
    """
    now = house.clock.now()
    async with across_tenants(house.database, Reason.WORKER, tenant_id, region=region) as conn:
        tenant = await repository.lock(conn, tenant_id)
        if tenant is not None:
            if await repository.has_children(conn, tenant_id):
                raise Conflict("There are organisations below it: put them elsewhere first.")
            if await repository.find_hold(conn, tenant_id, None) is not None:
                raise Conflict("It is on legal hold: lift that first.")
            await repository.update_status(
                conn, tenant_id, status="deleting", reason=None, now=now, deletes_at=now
            )
    if tenant is None:
        # The backup may have been one of the home region, which has the directory only.
        async with across_tenants(house.database, Reason.WORKER) as conn:
            await repository.bury(conn, tenant_id, now=now)
        return False
    await _purge(house, tenant_id, region)
    return True


def _note(house: House, home: Path, tenant_id: UUID, region: str) -> None:
    certificate = {
        "format": FORMAT,
        "tenant_id": str(tenant_id),
        "region": region,
        "deleted_at": rfc3339(house.clock.now()),
    }
    note = {"certificate": certificate, "signature": sign(house, certificate)}
    write_private(home / NOTES / f"{tenant_id}.json", json.dumps(note).encode())


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)
