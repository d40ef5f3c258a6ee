"""Use cases of organisations below others: list, move, and read what is below."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import Conflict, Forbidden, NotFound
from leanvibe_server.kernel.events import doubt_access
from leanvibe_server.kernel.pagination import PageRequest, containing
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy import repository as tenants
from leanvibe_server.tenancy.models import Tenant
from leanvibe_server.tenancy.tree import repository
from leanvibe_server.tenancy.tree.events import OrganizationMoved
from leanvibe_server.tenancy.tree.models import Node

# How many organisations one may have below it: what a look at a whole subtree costs at most.
MAX_BELOW = 1_000
ANY_DEPTH = MAX_BELOW
AT_PARENT = {"field": "parent_tenant_id"}


@asynccontextmanager
async def reading_subtree(scope: Scope) -> AsyncIterator[Sequence[UUID]]:
    """Within the block the scope's transaction also reads, and never writes, the tenants and
    counters of the organisations below its own; their ids are what it gives."""
    named = await repository.open_subtree(scope.conn, scope.tenant_id, limit=MAX_BELOW)
    yield named
    # After an error nothing more is read: the transaction ends, and the setting with it.
    await repository.close_subtree(scope.conn)


async def list_below(
    scope: Scope, page: PageRequest, *, depth: int = ANY_DEPTH, search: str | None = None
) -> list[Node]:
    """The organisations below the scope's own, oldest first, one more than the page shows."""
    async with reading_subtree(scope) as named:
        return await repository.list_page(
            scope.conn,
            scope.tenant_id,
            named=named,
            depth=depth,
            after=page.after,
            limit=page.limit + 1,
            pattern=containing(search) if search else None,
        )


async def list_all_below(scope: Scope) -> list[Node]:
    """Every organisation below the scope's own, oldest first. At most 1,000 can be."""
    return await list_below(scope, PageRequest(limit=MAX_BELOW))


@asynccontextmanager
async def across_subtree(scope: Scope) -> AsyncIterator[tuple[Connection, Sequence[UUID]]]:
    """A connection of the platform in the region of the scope's organisation, for numbers that no
    policy shows from above; and those below it, of which alone it may be asked."""
    async with across_tenants(scope.house.database, Reason.ORGANIZATIONS, scope.tenant_id) as conn:
        yield conn, await repository.list_ids_below(conn, scope.tenant_id, limit=MAX_BELOW)


async def find_below(scope: Scope, tenant_id: UUID) -> Tenant | None:
    """An organisation below the scope's own; None when there is no such."""
    if not await repository.is_below(scope.conn, tenant_id, scope.tenant_id):
        return None
    async with reading_subtree(scope):
        return await tenants.find(scope.conn, tenant_id)


async def require_within(scope: Scope, tenant_id: UUID) -> Tenant:
    """The scope's own tenant, or one below it. Raises: NotFound."""
    found = (
        await tenants.find(scope.conn, tenant_id)
        if tenant_id == scope.tenant_id
        else await find_below(scope, tenant_id)
    )
    if found is None:
        raise NotFound("No such tenant.")
    return found


async def lock_within(platform: Scope, tenant_id: UUID) -> None:
    """Keep the tree as it is until this transaction ends, if the tenant is still the scope's own
    or below it. Raises: NotFound."""
    await repository.lock(platform.conn)
    own = platform.tenant_id
    if tenant_id != own and not await repository.is_below(platform.conn, tenant_id, own):
        raise NotFound("No such tenant.")


async def count_below(scope: Scope, tenant_id: UUID) -> int:
    """How many organisations are below one that this scope can see."""
    return await repository.count_below(scope.conn, tenant_id)


async def place_below(scope: Scope, tenant_id: UUID, parent_id: UUID) -> None:
    """Note that a new tenant is below another. Needs a platform scope of their region.

    Raises: NotFound: there is no such parent here. Conflict: too many are below it already, or
        it is not open for more.
    """
    await repository.lock(scope.conn)
    parent = await tenants.lock(scope.conn, parent_id)
    if parent is None:
        raise NotFound("No such tenant.")
    require_open(parent)
    await _require_room(scope, parent_id, more=1)
    await repository.place(scope.conn, tenant_id, parent_id)


def require_open(parent: Tenant) -> None:
    """Refuse an organisation that nothing new goes below.

    Raises: Conflict: it is suspended, is being deleted, or is the platform's own.
    """
    _refuse_platform(parent.id)
    if parent.status != "active":
        raise Conflict(
            "The organisation above is suspended or is being deleted: nothing new goes below it.",
            details=AT_PARENT,
        )


def _refuse_platform(*tenant_ids: UUID | None) -> None:
    """Raises: Conflict: who is above another acts for it, and for the platform nobody does."""
    if PLATFORM_TENANT in tenant_ids:
        raise Conflict(
            "The platform's own organisation is above none and below none.", details=AT_PARENT
        )


async def move(scope: Scope, tenant_id: UUID, parent_id: UUID | None) -> Tenant:
    """Put an organisation with all below it under another: one's own, or one below.

    Raises: NotFound: one of them is not below the caller's. Forbidden: it would stand alone.
        Conflict: it would come under itself, or too many would be below another.
    """
    _refuse_platform(tenant_id, parent_id)
    over_all = Permission.TENANT_ADMIN in scope.permissions
    async with across_tenants(scope.house.database, Reason.ORGANIZATIONS, tenant_id) as conn:
        platform = replace(scope, conn=conn)
        await repository.lock(conn)
        if not over_all and not await repository.is_below(conn, tenant_id, scope.tenant_id):
            raise NotFound("No such tenant.")
        moved = await tenants.find(conn, tenant_id)
        if moved is None:
            raise NotFound("No such tenant.")
        if parent_id is None and not over_all:
            raise Forbidden("Only the platform's administrators let an organisation stand alone.")
        if parent_id is not None:
            await _require_new_parent(platform, tenant_id, parent_id, over_all=over_all)
        if moved.parent_tenant_id == parent_id:
            return moved
        former = await repository.list_ids_above(conn, tenant_id)
        await repository.move(conn, tenant_id, parent_id, now=scope.now)
        # Whoever was above may watch what is below the one that moves, where no event tells of it.
        await doubt_access(conn, former)
        event = OrganizationMoved(
            moved_tenant_id=tenant_id, from_parent_id=moved.parent_tenant_id, to_parent_id=parent_id
        )
        await replace(platform, tenant_id=tenant_id).emit(event)
        found = await tenants.find(conn, tenant_id)
    # In the caller's own log too, in their transaction: it is over when this answer is.
    await scope.emit(event)
    return found or moved


async def _require_new_parent(
    platform: Scope, tenant_id: UUID, parent_id: UUID, *, over_all: bool
) -> None:
    """`platform` holds the lock and still bears the caller's own tenant."""
    conn, own = platform.conn, platform.tenant_id
    known = over_all or parent_id == own or await repository.is_below(conn, parent_id, own)
    parent = await tenants.lock(conn, parent_id) if known else None
    if parent is None:
        raise NotFound(
            "No such parent organisation here: both must be in one region.", details=AT_PARENT
        )
    if parent.deleting:
        raise Conflict(
            "The organisation above is being deleted: nothing goes below it any more.",
            details=AT_PARENT,
        )
    if parent_id == tenant_id or await repository.is_below(conn, parent_id, tenant_id):
        raise Conflict(
            "An organisation cannot come under itself or one below it.", details=AT_PARENT
        )
    more = 1 + await repository.count_below(conn, tenant_id)
    await _require_room(platform, parent_id, more=more)


async def _require_room(scope: Scope, parent_id: UUID, *, more: int) -> None:
    if await repository.count_largest(scope.conn, parent_id) + more > MAX_BELOW:
        raise Conflict(
            f"At most {MAX_BELOW:,} organisations can be below another.",
            details=AT_PARENT | {"limit": MAX_BELOW},
        )
