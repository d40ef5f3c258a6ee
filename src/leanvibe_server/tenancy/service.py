"""Use cases of tenants: create, describe, suspend, reactivate."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from typing import Any
from uuid import UUID

from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import Conflict, NotFound, invalid_field
from leanvibe_server.kernel.events import Event
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.pagination import PageRequest, page_of
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants, ask_reachable
from leanvibe_server.kernel.regions import REGIONS
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.tenancy import directory, repository
from leanvibe_server.tenancy.events import (
    TenantCreated,
    TenantDeletionScheduled,
    TenantPlanChanged,
    TenantReactivated,
    TenantRestored,
    TenantSuspended,
    TenantTrialChanged,
    TenantUpdated,
)
from leanvibe_server.tenancy.holds import require_no_hold
from leanvibe_server.tenancy.models import Tenant, TenantFilter
from leanvibe_server.tenancy.schemas import (
    TenantDetail,
    TenantPage,
    TenantQuery,
    TenantView,
    check_configuration,
    facts,
)
from leanvibe_server.tenancy.tree import service as tree


async def create_tenant(
    scope: Scope,
    *,
    organization_name: str,
    admin_email: str,
    plan: str,
    trial: timedelta | None,
    slug: str | None = None,
    data_residency: str | None = None,
    parent_tenant_id: UUID | None = None,
    configuration: dict[str, Any] | None = None,
) -> Tenant:
    """Add a tenant. The scope must be one of the platform login, in the database of the region
    the tenant is to live in: the home region's unless `data_residency` names another.

    Raises: Conflict: the slug is taken. InvalidRequest: the slug or region cannot be used.
    """
    region = directory.require_region(scope.house, data_residency)
    check_whole(configuration or {})
    now, tenant_id = scope.now, scope.new_id()
    tenant = Tenant(
        id=tenant_id,
        slug=await directory.claim(
            scope, tenant_id, wanted=slug, organization_name=organization_name, region=region
        ),
        organization_name=organization_name,
        display_name=organization_name,
        status="active",
        plan=plan,
        data_residency=region,
        parent_tenant_id=parent_tenant_id,
        admin_email=admin_email,
        configuration=configuration or {},
        security={},
        suspended_reason=None,
        trial_ends_at=None if trial is None else now + trial,
        created_at=now,
        updated_at=now,
    )
    await _insert_claimed(scope, tenant)
    if parent_tenant_id is not None:
        await tree.place_below(scope, tenant.id, parent_tenant_id)
    inside = await enter_tenant(scope, tenant.id)
    await inside.emit(
        TenantCreated(
            tenant_id=tenant.id,
            slug=tenant.slug,
            organization_name=organization_name,
            plan=plan,
        )
    )
    return tenant


async def _insert_claimed(scope: Scope, tenant: Tenant) -> None:
    try:
        await repository.insert(scope.conn, tenant)
    except BaseException:
        if tenant.data_residency != scope.house.database.home:
            await directory.release(scope.house, tenant.id)
        raise


async def enter_tenant(scope: Scope, tenant_id: UUID) -> Scope:
    """The platform's scope with another tenant bound: what follows belongs to that tenant."""
    await repository.bind(scope.conn, tenant_id)
    return replace(scope, tenant_id=tenant_id)


async def ensure_platform_tenant(scope: Scope) -> None:
    """The reserved tenant of platform admins exists after this."""
    now = scope.now
    tenant = Tenant(
        id=PLATFORM_TENANT,
        slug="platform",
        organization_name="Platform",
        display_name="Platform",
        status="active",
        plan="enterprise",
        data_residency=scope.house.database.home,
        parent_tenant_id=None,
        admin_email="",
        configuration={},
        security={},
        suspended_reason=None,
        trial_ends_at=None,
        created_at=now,
        updated_at=now,
    )
    await repository.insert(scope.conn, tenant, once=True)


async def require_tenant(scope: Scope, tenant_id: UUID | None = None) -> Tenant:
    """The scope's own tenant, or with a platform scope any.

    Raises: NotFound: there is none that this scope can see.
    """
    tenant = await repository.find(scope.conn, tenant_id or scope.tenant_id)
    if tenant is None:
        raise NotFound("No such tenant.")
    return tenant


async def find_tenant_by_slug(scope: Scope, slug: str) -> Tenant | None:
    """The tenant of that slug, in whichever region. Needs a platform scope of the home region."""
    found = await repository.find_by_slug(scope.conn, slug)
    database = scope.house.database
    if found is not None or len(database.regions) == 1:
        return found
    region = await directory.region_of_slug(scope.house, slug)
    if region in (None, database.home):
        return None
    async with across_tenants(database, Reason.DIRECTORY, region=region) as conn:
        return await repository.find_by_slug(conn, slug)


async def require_named(scope: Scope, name: str) -> Tenant:
    """The tenant of that slug or id, in whichever region. For platform admins.

    Raises: NotFound.
    """
    try:
        return await show_tenant(scope, UUID(name))
    except ValueError:
        found = await find_at_door(scope.house, name)
    if found is None:
        raise NotFound("No such tenant.")
    return found


async def find_at_door(house: House, slug: str) -> Tenant | None:
    """The tenant at whose address somebody stands who has not signed in, for its look."""
    if not directory.SLUG.fullmatch(slug):
        return None
    async with across_tenants(house.database, Reason.SIGN_IN) as conn:
        scope = Scope(conn, PLATFORM_TENANT, SYSTEM, house.clock, house)
        return await find_tenant_by_slug(scope, slug)


async def update_tenant(
    scope: Scope, *, display_name: str | None, configuration: dict[str, Any] | None
) -> Tenant:
    """Change how the own tenant is shown and configured; sections not named stay."""
    tenant = await require_tenant(scope)
    merged = {
        name: section
        for name, section in (tenant.configuration | (configuration or {})).items()
        if section is not None
    }
    check_whole(merged)
    updated = await repository.update_settings(
        scope.conn,
        tenant.id,
        display_name=display_name or tenant.display_name,
        configuration=merged,
        now=scope.now,
    )
    if updated is None:
        raise NotFound("No such tenant.")
    changed = [
        name
        for name in ("display_name", "configuration")
        if getattr(tenant, name) != getattr(updated, name)
    ]
    await scope.emit(TenantUpdated(tenant_id=tenant.id, changed=changed))
    return updated


def check_whole(configuration: dict[str, Any]) -> None:
    """Refuse what would be too much once it is joined with what is there.

    Raises: InvalidRequest.
    """
    try:
        check_configuration(configuration)
    except ValueError as error:
        raise invalid_field("configuration", str(error)) from None


async def set_security(scope: Scope, security: dict[str, Any]) -> None:
    """Keep the security policy of the own tenant; identity reads and checks what it says."""
    await repository.update_security(scope.conn, scope.tenant_id, security, now=scope.now)


@dataclass(frozen=True)
class Found:
    """Tenants of every region that answered, newest first, and which did not."""

    tenants: list[Tenant]
    unreachable: list[str]


async def list_tenants(
    scope: Scope, wanted: TenantFilter, page: PageRequest, *, offset: int = 0
) -> Found:
    """Tenants of every region, newest first, one more than the page shows. For platform admins."""
    database = scope.house.database
    alone = len(database.regions) == 1
    ask = partial(
        repository.list_page,
        wanted=wanted,
        after=page.after,
        # Each region may hold all of the page, and all of what comes before it.
        limit=page.limit + 1 if alone else offset + page.limit + 1,
        offset=offset if alone else 0,
    )
    by_region, unreachable = await ask_reachable(database, Reason.TENANT_ADMIN, ask)
    if alone:
        return Found(by_region[0], [])
    newest = sorted(chain(*by_region), key=lambda tenant: tenant.id, reverse=True)
    return Found(newest[offset : offset + page.limit + 1], unreachable)


async def count_tenants(scope: Scope, wanted: TenantFilter) -> int:
    """How many tenants of the regions that answer match. For platform admins."""
    ask = partial(repository.count, wanted=wanted)
    counts, _ = await ask_reachable(scope.house.database, Reason.TENANT_ADMIN, ask)
    return sum(counts)


async def list_page(scope: Scope, query: TenantQuery, page: PageRequest) -> TenantPage:
    """One page of the tenants that match, by cursor or by offset. For platform admins.

    Raises: InvalidRequest: both a cursor and an offset, or a region that there is not.
    """
    if query.offset is not None and page.after is not None:
        raise invalid_field("offset", "cannot be combined with cursor: use one of them")
    region = query.region or query.data_residency
    if region and region not in REGIONS:
        raise invalid_field("region", f"must be one of {', '.join(REGIONS)}")
    wanted = TenantFilter(
        status=query.status,
        plan=query.plan,
        region=region,
        parent_tenant_id=query.parent_tenant_id,
        search=query.q or None,
        created_after=query.created_after,
        created_before=query.created_before,
    )
    found = await list_tenants(scope, wanted, page, offset=query.offset or 0)
    listed = page_of(found.tenants, page, TenantView.of, lambda tenant: tenant.id)
    total = None if query.offset is None else await count_tenants(scope, wanted)
    return TenantPage(**vars(listed), total=total, unreachable_regions=found.unreachable)


async def show_tenant(scope: Scope, tenant_id: UUID) -> Tenant:
    """One tenant: for its own people that of their token, for administrators also one below it,
    for platform admins any.

    Raises: NotFound: there is none that the caller may see.
    """
    if Permission.TENANT_ADMIN not in scope.permissions:
        if Permission.ORGANIZATION_MANAGE in scope.permissions:
            return await tree.require_within(scope, tenant_id)
        return await require_tenant(scope, tenant_id)
    async with across_tenants(scope.house.database, Reason.TENANT_ADMIN, tenant_id) as conn:
        return await require_tenant(replace(scope, conn=conn), tenant_id)


async def describe_tenant(scope: Scope, tenant_id: UUID) -> TenantDetail:
    """One tenant that the caller may see, and how many people it has. Raises: NotFound."""
    tenant = await show_tenant(scope, tenant_id)
    count = partial(_count_users, scope.house, tenant.id, scope.now)
    if tenant.id == scope.tenant_id:
        people = await count(scope.conn)
    else:
        async with across_tenants(scope.house.database, Reason.ORGANIZATIONS, tenant.id) as conn:
            people = await count(conn)
    reason = tenant.suspended_reason if tenant.suspended else None
    return TenantDetail(**facts(tenant), user_count=people, suspended_reason=reason)


async def _count_users(house: House, tenant_id: UUID, now: datetime, conn: Connection) -> int:
    return (await house.tallies["users"](conn, [tenant_id], now)).get(tenant_id, 0)


async def suspend(scope: Scope, tenant_id: UUID, *, reason: str) -> Tenant:
    """Stop a tenant's writes; reading and paying go on. Suspending twice changes nothing.

    Raises: NotFound. Conflict: it is the platform's own tenant.
    """
    if tenant_id == PLATFORM_TENANT:
        raise Conflict("The platform's own tenant cannot be suspended.")
    return await _set_status(
        scope,
        tenant_id,
        status="suspended",
        reason=reason,
        event=TenantSuspended(tenant_id=tenant_id, reason=reason),
    )


async def reactivate(scope: Scope, tenant_id: UUID) -> Tenant:
    """End a suspension. Raises: NotFound."""
    return await _set_status(
        scope,
        tenant_id,
        status="active",
        reason=None,
        event=TenantReactivated(tenant_id=tenant_id),
    )


async def _set_status(
    scope: Scope, tenant_id: UUID, *, status: str, reason: str | None, event: Event
) -> Tenant:
    async with across_tenants(scope.house.database, Reason.TENANT_ADMIN, tenant_id) as conn:
        platform = replace(scope, conn=conn)
        tenant = await lock_tenant(platform, tenant_id)
        # The platform's word replaces that of an organisation above.
        if tenant.status == status and tenant.suspended_by is None:
            return tenant
        if tenant.deleting:
            raise Conflict("This tenant is being deleted. Restore it first.")
        updated = await repository.update_status(
            conn, tenant_id, status=status, reason=reason, now=scope.now
        )
        inside = await enter_tenant(platform, tenant_id)
        await inside.emit(event)
        return updated or tenant


async def lock_tenant(scope: Scope, tenant_id: UUID) -> Tenant:
    """The tenant, whose standing nobody else changes until this transaction ends.

    Raises: NotFound.
    """
    tenant = await repository.lock(scope.conn, tenant_id)
    if tenant is None:
        raise NotFound("No such tenant.")
    return tenant


async def schedule_deletion(
    scope: Scope, tenant: Tenant, *, deletes_at: datetime, reason: str | None
) -> Tenant:
    """Make the scope's tenant read-only until it is deleted at `deletes_at`.

    Raises: Conflict: there are organisations below it. OnLegalHold.
    """
    await require_no_hold(scope)
    if await repository.has_children(scope.conn, tenant.id):
        raise Conflict("There are organisations below this one. Delete or move them first.")
    updated = await repository.update_status(
        scope.conn,
        tenant.id,
        status="deleting",
        reason=tenant.suspended_reason,
        by=tenant.suspended_by,
        deletes_at=deletes_at,
        now=scope.now,
    )
    await scope.emit(
        TenantDeletionScheduled(tenant_id=tenant.id, deletes_at=deletes_at, reason=reason)
    )
    return updated or tenant


async def restore(scope: Scope, tenant: Tenant) -> Tenant:
    """Take back the deletion of the scope's tenant: it is what it was before, suspended or not.

    Raises: Conflict: its time is over. Some of it may be gone already.
    """
    if await repository.is_due(scope.conn, tenant.id, before=scope.now):
        raise Conflict("The grace period is over: this tenant is being removed for good.")
    updated = await repository.update_status(
        scope.conn,
        tenant.id,
        status="active" if tenant.suspended_reason is None else "suspended",
        reason=tenant.suspended_reason,
        by=tenant.suspended_by,
        now=scope.now,
    )
    await scope.emit(TenantRestored(tenant_id=tenant.id))
    return updated or tenant


async def change_plan(
    scope: Scope, tenant: Tenant, *, plan: str, trial_ends_at: datetime | None
) -> Tenant:
    """Put the scope's tenant on another plan, or move the end of its trial."""
    updated = await repository.update_plan(
        scope.conn, tenant.id, plan=plan, trial_ends_at=trial_ends_at, now=scope.now
    )
    if plan != tenant.plan:
        await scope.emit(TenantPlanChanged(tenant_id=tenant.id, before=tenant.plan, after=plan))
    if trial_ends_at != tenant.trial_ends_at:
        await scope.emit(TenantTrialChanged(tenant_id=tenant.id, ends_at=trial_ends_at))
    return updated or tenant


async def delete_tenant(scope: Scope, tenant_id: UUID) -> None:
    """Remove a tenant with every row it owns but its event log, legal holds or none. Needs a
    platform scope of the home region, in which the tenant lives."""
    await repository.delete_holds(scope.conn, tenant_id)
    await repository.delete(scope.conn, tenant_id)
    await repository.delete_entry(scope.conn, tenant_id)
