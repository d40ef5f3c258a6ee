"""The administration of tenants over HTTP."""

from enum import Enum
from typing import Annotated

from fastapi import Query

from leanvibe_server.identity.administration import service
from leanvibe_server.identity.administration.schemas import TenantChange
from leanvibe_server.kernel.access import Permission, may
from leanvibe_server.kernel.errors import Conflict, NotFound
from leanvibe_server.kernel.http import PathId, Router, refuses
from leanvibe_server.kernel.pagination import PageQuery
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy.schemas import TenantPage, TenantQuery, TenantView

TENANTS: list[str | Enum] = ["Tenants"]
router = Router(tags=TENANTS)

Confirm = Annotated[
    str, Query(max_length=63, description="The slug of the organisation, typed out")
]
Why = Annotated[str | None, Query(max_length=500, description="Kept in the audit log")]


@router.get("/tenants")
async def list_tenants(
    scope: Annotated[Scope, may(Permission.TENANT_ADMIN)],
    page: PageQuery,
    query: Annotated[TenantQuery, Query()],
) -> TenantPage:
    """The tenants of every region, newest first. For platform administrators.

    Filters are joined by "and". Page by `cursor`, or by `offset`, which also counts the matches.
    While a region does not answer, the list holds those of the others and names it in
    `unreachable_regions`.
    """
    return await service.list_tenants(scope, query, page)


@router.delete("/tenants/me", responses=refuses(Conflict))
async def delete_own_tenant(
    confirm: Confirm,
    scope: Annotated[Scope, may(Permission.TENANT_DELETE, fresh=True)],
    reason: Why = None,
) -> TenantView:
    """Have your organisation deleted.

    It is read-only at once and gone at `deletes_at`, with everything it holds; until then an
    owner can restore it. Its owners get a mail.
    """
    return await service.delete_own(scope, confirm=confirm, reason=reason)


@router.delete("/tenants/{tenant_id}", responses=refuses(NotFound, Conflict))
async def delete_tenant(
    tenant_id: PathId,
    confirm: Confirm,
    scope: Annotated[Scope, may(Permission.TENANT_ADMIN, fresh=True)],
    reason: Why = None,
) -> TenantView:
    """Have an organisation deleted once its grace period is over. For platform administrators."""
    return await service.delete_any(scope, tenant_id, confirm=confirm, reason=reason)


@router.post("/tenants/me/restore", responses=refuses(Conflict))
async def restore_own_tenant(
    scope: Annotated[Scope, may(Permission.TENANT_DELETE)],
) -> TenantView:
    """Take back the deletion of your organisation while its grace period lasts.

    It is what it was before: a suspended one is still suspended. Its owners get a mail.
    """
    return await service.restore(scope, scope.tenant_id)


@router.post("/tenants/{tenant_id}/restore", responses=refuses(NotFound, Conflict))
async def restore_tenant(
    tenant_id: PathId, scope: Annotated[Scope, may(Permission.TENANT_READ)]
) -> TenantView:
    """Take back a deletion while the grace period lasts: for owners and platform administrators."""
    return await service.restore(scope, tenant_id)


@router.patch("/tenants/{tenant_id}", responses=refuses(NotFound, Conflict))
async def change_tenant(
    tenant_id: PathId,
    change: TenantChange,
    scope: Annotated[Scope, may(Permission.TENANT_ADMIN)],
) -> TenantView:
    """Put an organisation on another plan. For platform administrators."""
    return await service.change_tenant(scope, tenant_id, change)
