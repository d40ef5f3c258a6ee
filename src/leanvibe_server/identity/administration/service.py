"""Use cases of the administration of tenants.

A deletion has a grace period, in which the tenant can be read and restored; `purge` does the rest.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from leanvibe_server.entitlements.plans import plan_named
from leanvibe_server.entitlements.service import require_region
from leanvibe_server.identity.administration import repository
from leanvibe_server.identity.administration.schemas import TenantChange
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    invalid_field,
)
from leanvibe_server.kernel.mail import Mail, queue_mail
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy import service as tenancy
from leanvibe_server.tenancy.models import Tenant
from leanvibe_server.tenancy.schemas import TenantPage, TenantQuery, TenantView


async def list_tenants(scope: Scope, query: TenantQuery, page: PageRequest) -> TenantPage:
    """One page of the tenants of every region that match. For platform admins.

    Raises: InvalidRequest: there is no such plan, or both a cursor and an offset.
    """
    if query.plan is not None:
        query = query.model_copy(update={"plan": plan_named(query.plan).slug})
    return await tenancy.list_page(scope, query, page)


async def change_tenant(scope: Scope, tenant_id: UUID, change: TenantChange) -> TenantView:
    """Put a tenant on another plan, or move the end of its trial.

    Raises: NotFound. Conflict: the plan does not hold the tenant's region.
    """
    async with _inside(scope, tenant_id) as (inside, tenant):
        plan = tenant.plan if change.plan is None else plan_named(change.plan).slug
        try:
            require_region(plan, tenant.data_residency, home=scope.house.database.home)
        except InvalidRequest as refusal:
            raise Conflict(refusal.message, details={"field": "plan"}) from None
        trial_ends_at = None if change.end_trial else change.trial_ends_at or tenant.trial_ends_at
        changed = await tenancy.change_plan(inside, tenant, plan=plan, trial_ends_at=trial_ends_at)
    return TenantView.of(changed)


async def delete_own(scope: Scope, *, confirm: str, reason: str | None) -> TenantView:
    """Have the caller's own tenant deleted once the grace period is over."""
    tenant = await tenancy.lock_tenant(scope, scope.tenant_id)
    return await _delete(scope, tenant, confirm=confirm, reason=reason)


async def delete_any(
    scope: Scope, tenant_id: UUID, *, confirm: str, reason: str | None
) -> TenantView:
    """Have a tenant deleted once the grace period is over. For platform admins."""
    async with _inside(scope, tenant_id) as (inside, tenant):
        return await _delete(inside, tenant, confirm=confirm, reason=reason)


async def restore(scope: Scope, tenant_id: UUID) -> TenantView:
    """Take back a deletion: by an owner of the tenant, or by a platform admin.

    Raises: NotFound, Forbidden. Conflict: it is not being deleted.
    """
    if Permission.TENANT_ADMIN in scope.permissions:
        async with _inside(scope, tenant_id) as (inside, tenant):
            return await _restore(inside, tenant)
    if tenant_id != scope.tenant_id:
        raise NotFound("No such tenant.")
    if Permission.TENANT_DELETE not in scope.permissions:
        raise Forbidden("Only an owner, or the platform's administrator, may restore it.")
    return await _restore(scope, await tenancy.lock_tenant(scope, tenant_id))


async def _delete(scope: Scope, tenant: Tenant, *, confirm: str, reason: str | None) -> TenantView:
    if tenant.id == PLATFORM_TENANT:
        raise Conflict("The platform's own tenant cannot be deleted.")
    if confirm != tenant.slug:
        raise invalid_field("confirm", "must be the slug of the organisation, typed out")
    if tenant.deleting:
        return TenantView.of(tenant)
    days = scope.house.settings.tenant_grace_days
    changed = await tenancy.schedule_deletion(
        scope, tenant, deletes_at=scope.now + timedelta(days=days), reason=reason
    )
    base = scope.house.settings.base_url
    await _tell_owners(
        scope,
        f"{tenant.display_name} will be deleted",
        f"{tenant.display_name} on LeanVibe will be deleted on "
        f"{changed.deletes_at:%d %B %Y, %H:%M} UTC, with everything it holds: people, projects, "
        "tasks, repositories and the audit log. Until then it can be read and exported, and "
        f"nothing in it can be changed.\n\nAn owner can take this back here:\n"
        f"{base}/settings/tenant\n",
    )
    return TenantView.of(changed)


async def _restore(scope: Scope, tenant: Tenant) -> TenantView:
    if not tenant.deleting:
        raise Conflict("This tenant is not being deleted.")
    changed = await tenancy.restore(scope, tenant)
    await _tell_owners(
        scope,
        f"{tenant.display_name} stays",
        f"The deletion of {tenant.display_name} on LeanVibe was taken back. Nothing was lost.\n",
    )
    return TenantView.of(changed)


async def _tell_owners(scope: Scope, subject: str, text: str) -> None:
    for address in await repository.list_owner_addresses(scope.conn, scope.tenant_id):
        await queue_mail(scope, Mail(address, subject, text))


@asynccontextmanager
async def _inside(scope: Scope, tenant_id: UUID) -> AsyncIterator[tuple[Scope, Tenant]]:
    """A platform admin's scope with a tenant bound, in its region, and the tenant locked."""
    async with across_tenants(scope.house.database, Reason.TENANT_ADMIN, tenant_id) as conn:
        inside = replace(scope, conn=conn, tenant_id=tenant_id)
        yield inside, await tenancy.lock_tenant(inside, tenant_id)
