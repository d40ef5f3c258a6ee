"""Organisations below one's own, over HTTP."""

from typing import Annotated

from fastapi import Query

from leanvibe_server.kernel.access import Permission, may
from leanvibe_server.kernel.errors import Conflict, NotFound
from leanvibe_server.kernel.http import PathId, Router, refuses
from leanvibe_server.kernel.pagination import Page, PageQuery, page_of
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy.schemas import Suspension, TenantView
from leanvibe_server.tenancy.tree import service, standing
from leanvibe_server.tenancy.tree.schemas import NewParent, OrganizationView

router = Router(tags=["Organisations"])


@router.get("/tenants/me/organizations")
async def list_organizations(
    page: PageQuery,
    scope: Annotated[Scope, may(Permission.ORGANIZATION_MANAGE)],
    depth: Annotated[
        int, Query(ge=1, le=service.MAX_BELOW, description="How far down; 1: children only")
    ] = service.ANY_DEPTH,
    q: Annotated[str | None, Query(max_length=200, description="Part of name or slug")] = None,
) -> Page[OrganizationView]:
    """The organisations below yours, to any depth, at most 1,000, oldest first.

    To act for one of them, send its id as `X-Tenant-ID`: you may do there at most what you may
    here, and never what belongs to its owner or to a person.
    """
    rows = await service.list_below(scope, page, depth=depth, search=q)
    return page_of(rows, page, OrganizationView.of, lambda node: node.id)


@router.put("/tenants/{tenant_id}/parent", responses=refuses(NotFound, Conflict))
async def move_organization(
    tenant_id: PathId,
    new: NewParent,
    scope: Annotated[Scope, may(Permission.ORGANIZATION_MANAGE, fresh=True)],
) -> TenantView:
    """Move an organisation below yours, with all below it, under another of yours.

    Who was above it and is not any more may not act for it from the next request on.
    """
    return TenantView.of(await service.move(scope, tenant_id, new.parent_tenant_id))


@router.post("/tenants/me/organizations/{tenant_id}/suspend", responses=refuses(NotFound, Conflict))
async def suspend_organization(
    tenant_id: PathId,
    suspension: Suspension,
    scope: Annotated[Scope, may(Permission.ORGANIZATION_MANAGE, fresh=True)],
) -> TenantView:
    """Stop the writes of an organisation below yours, from the next request on. Reading goes on,
    and those below it are not touched."""
    return TenantView.of(await standing.suspend_below(scope, tenant_id, reason=suspension.reason))


@router.post(
    "/tenants/me/organizations/{tenant_id}/reactivate", responses=refuses(NotFound, Conflict)
)
async def reactivate_organization(
    tenant_id: PathId, scope: Annotated[Scope, may(Permission.ORGANIZATION_MANAGE)]
) -> TenantView:
    """End a suspension that you, or somebody below you, gave. That of the platform, or of an
    organisation above yours, is not yours to end."""
    return TenantView.of(await standing.reactivate_below(scope, tenant_id))
