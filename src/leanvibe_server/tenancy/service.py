"""Use cases of tenants: create, describe, suspend, reactivate."""

import re
import unicodedata
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import Conflict, InvalidRequest, NotFound
from leanvibe_server.kernel.events import Event
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy import repository
from leanvibe_server.tenancy.events import (
    TenantCreated,
    TenantReactivated,
    TenantSuspended,
    TenantUpdated,
)
from leanvibe_server.tenancy.models import Tenant

REGIONS = ("us", "eu", "uk", "ca", "au")
RESERVED_SLUGS = frozenset(
    {"platform", "api", "app", "www", "admin", "docs", "health", "login", "scim", "static"}
)
MAX_SLUG_LENGTH = 30


def make_slug(organization_name: str) -> str:
    """A name for addresses, such as `acme-corporation` for Acme Corporation."""
    plain = unicodedata.normalize("NFKD", organization_name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower())[:MAX_SLUG_LENGTH].strip("-")
    return slug if len(slug) >= 2 and slug not in RESERVED_SLUGS else f"org-{slug}".strip("-")


async def create_tenant(
    scope: Scope,
    *,
    organization_name: str,
    admin_email: str,
    plan: str,
    trial: timedelta | None,
    slug: str | None = None,
    data_residency: str = "us",
    parent_tenant_id: UUID | None = None,
    configuration: dict[str, Any] | None = None,
) -> Tenant:
    """Add a tenant. The scope must be one of the platform login, which alone sees every slug.

    Raises: Conflict: the slug is taken. InvalidRequest: the slug or region cannot be used.
    """
    if data_residency not in REGIONS:
        raise _invalid("data_residency", f"must be one of {', '.join(REGIONS)}")
    now = scope.now
    tenant = Tenant(
        id=scope.new_id(),
        slug=await _claim_slug(scope, slug, organization_name),
        organization_name=organization_name,
        display_name=organization_name,
        status="active",
        plan=plan,
        data_residency=data_residency,
        parent_tenant_id=parent_tenant_id,
        admin_email=admin_email,
        configuration=configuration or {},
        security={},
        suspended_reason=None,
        trial_ends_at=None if trial is None else now + trial,
        created_at=now,
        updated_at=now,
    )
    await repository.insert(scope.conn, tenant)
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
        data_residency="us",
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
    """The tenant of that slug. Needs a platform scope."""
    return await repository.find_by_slug(scope.conn, slug)


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
    async with across_tenants(scope.house.database, Reason.TENANT_ADMIN) as conn:
        return await repository.list_page(
            conn,
            status=status,
            plan=plan,
            after=page.after,
            limit=page.limit + 1,
            offset=offset,
        )


async def show_tenant(scope: Scope, tenant_id: UUID) -> Tenant:
    """One tenant: for its own people that of their token, for platform admins any.

    Raises: NotFound: there is none that the caller may see.
    """
    if Permission.TENANT_ADMIN not in scope.permissions:
        return await require_tenant(scope, tenant_id)
    async with across_tenants(scope.house.database, Reason.TENANT_ADMIN) as conn:
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
    async with across_tenants(scope.house.database, Reason.TENANT_ADMIN) as conn:
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
    """Remove a tenant with every row it owns but its event log. Needs a platform scope."""
    await repository.delete(scope.conn, tenant_id)


async def _claim_slug(scope: Scope, wanted: str | None, organization_name: str) -> str:
    if wanted is not None:
        if wanted in RESERVED_SLUGS or not re.fullmatch(r"[a-z0-9](-?[a-z0-9]){1,62}", wanted):
            raise _invalid("slug", "must be 2 to 63 lower-case letters, digits and single hyphens")
        if wanted in await repository.list_taken_slugs(scope.conn, wanted):
            raise Conflict(f"The slug {wanted} is taken.", details={"field": "slug"})
        return wanted
    stem = make_slug(organization_name)
    taken = await repository.list_taken_slugs(scope.conn, stem)
    number, slug = 1, stem
    while slug in taken:
        slug = f"{stem}-{number}"
        number += 1
    return slug


def _invalid(field: str, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"{field} {why}.", details={"field": field, "validation_errors": [f"{field}: {why}"]}
    )
