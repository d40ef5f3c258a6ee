"""Pages of the organisations below one's own: see them, add one, act for one, come back."""

from typing import Annotated, Any

from fastapi import Response

from leanvibe_server.identity import organisations
from leanvibe_server.identity.schemas import NewTenant
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.ids import parse_id
from leanvibe_server.kernel.pagination import page_of
from leanvibe_server.tenancy.tree import service
from leanvibe_server.tenancy.tree.schemas import OrganizationView
from leanvibe_server.web.forms import fill
from leanvibe_server.web.page import ScopedPage, page
from leanvibe_server.web.paging import page_links, page_request
from leanvibe_server.web.routes import PageRouter

router = PageRouter()

MANAGE = page(Permission.ORGANIZATION_MANAGE)
ANYWHERE = page(Permission.SELF, abroad=True)


@router.get("/organizations")
async def list_organisations(opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """The organisations below this one."""
    values = {"organization_name": "", "admin_email": ""}
    return opened.show("organisations/list.html", **await _below(opened), values=values)


@router.post("/organizations")
async def create_organisation(opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Add an organisation below this one, or below one of those."""
    form = opened.form
    typed = {name: form.text(name) for name in ("organization_name", "admin_email")}
    with opened.refusing("organisations/list.html", **await _below(opened), values=typed):
        parent = form.text("parent_tenant_id") or str(opened.scope.tenant_id)
        new = fill(NewTenant, {**typed, "parent_tenant_id": parent})
        await organisations.found(opened.scope, new)
    return opened.go("/organizations", toast="organisation-created")


@router.post("/organizations/enter")
async def enter(opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Act for an organisation below, until one comes back."""
    wanted = parse_id(opened.form.text("tenant_id"), "organisation")
    found = await service.require_within(opened.scope, wanted)
    response = opened.go("/settings/tenant", toast="organisation-entered")
    opened.act_for(response, found.id)
    return response


@router.post("/organizations/leave")
async def leave(opened: Annotated[ScopedPage, ANYWHERE]) -> Response:
    """Come back to one's own organisation."""
    response = opened.go("/", toast="organisation-left")
    opened.act_for(response, None)
    return response


async def _below(opened: ScopedPage) -> dict[str, Any]:
    request = page_request(opened, limit=100)
    search = opened.request.query_params.get("q", "").strip()[:200]
    rows = await service.list_below(opened.scope, request, search=search or None)
    listed = page_of(rows, request, OrganizationView.of, lambda node: node.id)
    parents = [(str(opened.scope.tenant_id), "this organisation")]
    parents += [(str(node.id), node.display_name) for node in listed.data]
    return {
        "organisations": listed.data,
        "names": {node.id: node.display_name for node in listed.data},
        "parents": parents,
        "search": search,
        **page_links(opened, listed, q=search),
    }
