"""Rotating, rewrapping and destroying the data keys of a tenant."""

from datetime import timedelta
from uuid import UUID

from leanvibe_server.kernel import data_keys
from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.kernel.data_keys import WrappedKey
from leanvibe_server.kernel.errors import Conflict
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import Jobs, Work
from leanvibe_server.kernel.master_keys import MARKED, mark_of
from leanvibe_server.kernel.platform import Reason, across_tenants
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.kernel.sealing import (
    SealedColumn,
    fetch_keys,
    home_of,
    prefix_of,
    seal,
    unseal,
)
from leanvibe_server.tenancy.keys import repository
from leanvibe_server.tenancy.keys.events import (
    DataKeyDestroyed,
    DataKeyRotated,
    DataKeysRewrapped,
    FieldsResealed,
    TenantKeysDestroyed,
)

RESEAL = "keys.reseal"
DESTROY_UNUSED = "keys.destroy_unused"
BATCH = 100
# A value read before the rotation may be opened after it, by a task that runs for hours.
UNUSED_FOR = timedelta(hours=24)
_FIRST = UUID(int=0)


async def list_keys(scope: Scope) -> list[WrappedKey]:
    """Every version of the tenant's data key, newest first."""
    return await repository.list_keys(scope.conn, scope.tenant_id)


async def rotate(errand: Errand) -> list[WrappedKey]:
    """Seal with a new data key from now on; a job seals anew what there is.

    Raises: MasterKeyUnavailable. Conflict: another rotation was faster.
    """
    return await rotate_of(errand.house, errand.caller)


async def rotate_of(house: House, caller: Scope) -> list[WrappedKey]:
    """As `rotate`, for the command line. `caller` says whose keys, and who asks."""
    tenant_id = caller.tenant_id
    async with house.database.tenant(tenant_id) as conn:
        before = await data_keys.latest_version(conn, tenant_id)
    # Wrapped while no transaction is open.
    home = await home_of(house, tenant_id)
    try:
        made = await house.data_keys.make(home, tenant_id, before + 1, house.clock.now())
    except Undecipherable:
        raise Conflict("The keys of this organisation were destroyed.") from None
    async with house.database.tenant(tenant_id) as conn:
        scope = Scope(
            conn, tenant_id, caller.actor, house.clock, house, request_id=caller.request_id
        )
        if before and not await repository.retire(conn, tenant_id, before, now=scope.now):
            raise Conflict("Another rotation is under way. Look at it, then try again.")
        if not await data_keys.insert(conn, made):
            raise Conflict("Another rotation is under way. Look at it, then try again.")
        await scope.emit(DataKeyRotated(version_made=made.version, wrapped_by=made.wrapped_by))
        await scope.enqueue(RESEAL)
        return await repository.list_keys(conn, tenant_id)


async def reseal(work: Work) -> None:
    """Seal every value of the tenant with its current key, a batch in each transaction."""
    resealed = unreadable = 0
    # Fetched here, so that no rows are locked meanwhile.
    await fetch_keys(work.house, work.tenant_id)
    version = await _current_version(work)
    for column in work.house.sealed_columns.values():
        done, failed = await _reseal_column(work, column, version)
        resealed, unreadable = resealed + done, unreadable + failed
    async with work.scope() as scope:
        await scope.emit(
            FieldsResealed(version_used=version, resealed=resealed, unreadable=unreadable)
        )
        await scope.enqueue(DESTROY_UNUSED, run_at=scope.now + UNUSED_FOR)


async def _current_version(work: Work) -> int:
    async with work.scope() as scope:
        current = await data_keys.hold_current(scope.conn, scope.tenant_id)
    return 0 if current is None else current.version


async def _reseal_column(work: Work, column: SealedColumn, version: int) -> tuple[int, int]:
    after, resealed, unreadable = _FIRST, 0, 0
    while True:
        async with work.scope() as scope:
            batch = await repository.list_sealed_otherwise(
                scope.conn, column, scope.tenant_id,
                after=after, prefix=prefix_of(version), limit=BATCH,
            )  # fmt: skip
            for row_id, sealed in batch:
                place = (*column.key, row_id)
                try:
                    plain = await unseal(scope, sealed, place=place)
                except Undecipherable:
                    unreadable += 1
                    continue
                fresh = await seal(scope, plain, place=place)
                await repository.replace_sealed(scope.conn, column, scope.tenant_id, row_id, fresh)
                resealed += 1
        if len(batch) < BATCH:
            return resealed, unreadable
        after = batch[-1][0]


async def destroy_unused(work: Work) -> None:
    """Destroy each retired version that seals nothing any more; if one does, seal that anew."""
    async with work.scope() as scope:
        keys = await repository.list_keys(scope.conn, scope.tenant_id)
        for key in keys:
            if key.retired_at is None or key.destroyed_at is not None:
                continue
            if scope.now - key.retired_at < UNUSED_FOR:
                continue
            if await _count_uses(scope, prefix_of(key.version)):
                await scope.enqueue(RESEAL, run_at=scope.now + UNUSED_FOR)
                return
            await repository.destroy(scope.conn, scope.tenant_id, key.version, now=scope.now)
            await scope.emit(DataKeyDestroyed(version_gone=key.version))


async def _count_uses(scope: Scope, prefix: bytes) -> int:
    return sum(
        [
            await repository.count_sealed_with(scope.conn, column, scope.tenant_id, prefix)
            for column in scope.house.sealed_columns.values()
        ]
    )


async def rewrap_of(house: House, tenant_id: UUID) -> int:
    """Wrap a tenant's keys by the master key of today. No sealed value changes.

    Returns how many versions were wrapped anew.
    """
    home, done = await home_of(house, tenant_id), 0
    async with house.database.tenant(tenant_id) as conn:
        keys = await repository.list_keys(conn, tenant_id)
    for key in keys:
        if key.wrapped is None or key.wrapped_by == house.data_keys.master.current.name:
            continue
        wrapped, by = await house.data_keys.rewrap(home, key)
        async with house.database.tenant(tenant_id) as conn:
            done += await repository.rewrap(conn, key, wrapped, by)
    if done:
        async with house.database.tenant(tenant_id) as conn:
            scope = Scope(conn, tenant_id, SYSTEM, house.clock, house)
            name = house.data_keys.master.current.name
            await scope.emit(DataKeysRewrapped(versions=done, wrapped_by=name))
    return done


async def require_known_everywhere(house: House) -> None:
    """Refuse to wrap keys by a master key that a running server or worker could not unwrap with.

    Raises: Conflict.
    """
    mark = mark_of(house.data_keys.master.current.name)
    for region in house.database.regions:
        async with across_tenants(house.database, Reason.DATA_KEYS, region=region) as conn:
            for process in await repository.list_processes(conn):
                if mark not in process.partition(MARKED)[2].split(","):
                    raise Conflict(
                        "A running server or worker does not have the master key of today, and "
                        "could open no secret any more. Give every process the same KEY_PROVIDER "
                        "and WRAPPING_KEYS (the new key first, the old ones behind it), restart "
                        "them all, and then wrap the keys."
                    )


async def destroy_all(scope: Scope) -> int:
    """Destroy every key of the scope's tenant: what it sealed is unreadable from now on.

    The share outside of the database goes first, so that no backup opens anything either, even
    where the transaction fails. Returns how many versions there were.
    """
    home = await home_of(scope.house, scope.tenant_id)
    scope.house.data_keys.destroy_share(home, scope.tenant_id)
    keys = await repository.list_keys(scope.conn, scope.tenant_id)
    gone = [
        key.version
        for key in keys
        if await repository.destroy(scope.conn, scope.tenant_id, key.version, now=scope.now)
    ]
    await scope.emit(TenantKeysDestroyed(versions=len(gone)))
    return len(gone)


async def list_tenants_with_keys(house: House, tenant_id: UUID | None) -> list[UUID]:
    """Of every region, the tenants that have keys; or the one named, if it has any."""
    found: list[UUID] = []
    for region in house.database.regions:
        async with across_tenants(house.database, Reason.DATA_KEYS, region=region) as conn:
            found += await repository.list_tenants_with_keys(conn, tenant_id)
    return found


def register(jobs: Jobs) -> None:
    """The jobs of a rotation."""
    jobs.add(RESEAL, reseal, lane="long")
    jobs.add(DESTROY_UNUSED, destroy_unused)
