"""Suspending and reactivating organisations below one's own.

Whoever is above may stop an organisation's writes, and may take back what they, or somebody below
them, stopped. What the platform stopped, or an organisation further above, stays.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

from leanvibe_server.kernel.errors import Conflict, Forbidden, NotFound
from leanvibe_server.kernel.platform import Reason, across_tenants
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy import repository as tenants
from leanvibe_server.tenancy.events import TenantReactivated, TenantSuspended
from leanvibe_server.tenancy.models import Tenant
from leanvibe_server.tenancy.tree import repository
from leanvibe_server.tenancy.tree.events import OrganizationReactivated, OrganizationSuspended


async def suspend_below(scope: Scope, tenant_id: UUID, *, reason: str) -> Tenant:
    """Stop the writes of an organisation below; reading goes on. Twice changes nothing, but for
    one further above, whose suspension it is from then on.

    Raises: NotFound. Conflict: it is being deleted.
    """
    async with _locked(scope, tenant_id) as (inside, tenant):
        is_own = tenant.suspended_by == scope.tenant_id
        if tenant.suspended and (
            is_own or not await _may_lift(inside, tenant, own=scope.tenant_id)
        ):
            return tenant
        updated = await tenants.update_status(
            inside.conn,
            tenant.id,
            status="suspended",
            reason=reason,
            by=scope.tenant_id,
            now=scope.now,
        )
        await inside.emit(TenantSuspended(tenant_id=tenant.id, reason=reason))
    await scope.emit(OrganizationSuspended(suspended_tenant_id=tenant_id, reason=reason))
    return updated or tenant


async def reactivate_below(scope: Scope, tenant_id: UUID) -> Tenant:
    """End a suspension that is not from further above. An active one stays as it is.

    Raises: NotFound. Forbidden: the platform suspended it, or an organisation above the caller's.
        Conflict: it is being deleted.
    """
    async with _locked(scope, tenant_id) as (inside, tenant):
        if not tenant.suspended:
            return tenant
        if not await _may_lift(inside, tenant, own=scope.tenant_id):
            raise Forbidden(
                "This organisation was suspended from above yours: by the platform's "
                "administrators, or by an organisation that yours is below. Ask them."
            )
        updated = await tenants.update_status(
            inside.conn, tenant.id, status="active", reason=None, now=scope.now
        )
        await inside.emit(TenantReactivated(tenant_id=tenant.id))
    await scope.emit(OrganizationReactivated(reactivated_tenant_id=tenant_id))
    return updated or tenant


@asynccontextmanager
async def _locked(scope: Scope, tenant_id: UUID) -> AsyncIterator[tuple[Scope, Tenant]]:
    """The organisation, strictly below the caller's, in a platform scope of its own; neither its
    place in the tree nor its standing changes until the block ends."""
    async with across_tenants(scope.house.database, Reason.ORGANIZATIONS, tenant_id) as conn:
        await repository.lock(conn)
        if not await repository.is_below(conn, tenant_id, scope.tenant_id):
            raise NotFound("No such organisation below yours.")
        tenant = await tenants.lock(conn, tenant_id)
        if tenant is None:
            raise NotFound("No such organisation below yours.")
        if tenant.deleting:
            raise Conflict("This organisation is being deleted. Its owner restores it first.")
        yield replace(scope, conn=conn, tenant_id=tenant_id), tenant


async def _may_lift(platform: Scope, tenant: Tenant, *, own: UUID) -> bool:
    """Whether a suspension is neither the platform's nor of an organisation above `own`."""
    by = tenant.suspended_by
    return by is not None and not await repository.is_below(platform.conn, own, by)
