"""Use cases of tenants: create, describe, suspend, reactivate."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import Any
from uuid import UUID

from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import Conflict, NotFound
from leanvibe_server.kernel.events import Event
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants, ask_regions
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy import directory, repository
from leanvibe_server.tenancy.events import (
    TenantCreated,
    TenantReactivated,
    TenantSuspended,
    TenantUpdated,
)
from leanvibe_server.tenancy.models import Tenant


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


async def update_tenant(
    scope: Scope, *, display_name: str | None, configuration: dict[str, Any] | None
) -> Tenant:
    """Change how the own tenant is shown and configured; sections not named stay."""
    tenant = await require_tenant(scope)
    merged = tenant.configuration | (configuration or {})
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


async def set_security(scope: Scope, security: dict[str, Any]) -> None:
    """Keep the security policy of the own tenant; identity reads and checks what it says."""
    await repository.update_security(scope.conn, scope.tenant_id, security, now=scope.now)


async def list_tenants(
    scope: Scope, *, status: str | None, plan: str | None, page: PageRequest, offset: int
) -> list[Tenant]:
    """Every tenant, newest first, one more than the page shows. For platform admins."""
    ask = partial(
        repository.list_page,
        status=status,
        plan=plan,
        after=page.after,
        limit=offset + page.limit + 1,
        offset=0,
    )
    by_region = await ask_regions(scope.house.database, Reason.TENANT_ADMIN, ask)
    newest = sorted(chain(*by_region), key=lambda tenant: tenant.id, reverse=True)
    return newest[offset : offset + page.limit + 1]


async def show_tenant(scope: Scope, tenant_id: UUID) -> Tenant:
    """One tenant: for its own people that of their token, for platform admins any.

    Raises: NotFound: there is none that the caller may see.
    """
    if Permission.TENANT_ADMIN not in scope.permissions:
        return await require_tenant(scope, tenant_id)
    async with across_tenants(scope.house.database, Reason.TENANT_ADMIN, tenant_id) as conn:
        return await require_tenant(replace(scope, conn=conn), tenant_id)


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
        tenant = await require_tenant(platform, tenant_id)
        if tenant.status == status:
            return tenant
        updated = await repository.update_status(
            conn, tenant_id, status=status, reason=reason, now=scope.now
        )
        inside = await enter_tenant(platform, tenant_id)
        await inside.emit(event)
        return updated or tenant


async def delete_tenant(scope: Scope, tenant_id: UUID) -> None:
    """Remove a tenant with every row it owns but its event log. Needs a platform scope of the
    home region, in which the tenant lives."""
    await repository.delete(scope.conn, tenant_id)
    await repository.delete_entry(scope.conn, tenant_id)
