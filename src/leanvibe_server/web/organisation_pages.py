"""Pages of the organisations below one's own: the tree, one of them, and what they all use."""

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Response

from leanvibe_server.identity import organisations
from leanvibe_server.identity.schemas import NewTenant
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.http import PathId
from leanvibe_server.kernel.ids import parse_id
from leanvibe_server.metering import rollup
from leanvibe_server.tenancy.schemas import Suspension
from leanvibe_server.tenancy.tree import service, standing
from leanvibe_server.tenancy.tree.models import Node
from leanvibe_server.tenancy.tree.schemas import NewParent
from leanvibe_server.web.forms import fill
from leanvibe_server.web.page import ScopedPage, page
from leanvibe_server.web.paging import page_links, page_request
from leanvibe_server.web.routes import PageRouter
from leanvibe_server.web.tree_view import Tree, indent_of
from leanvibe_server.web.usage_view import meters_of

router = PageRouter()

MANAGE = page(Permission.ORGANIZATION_MANAGE)
FRESH = page(Permission.ORGANIZATION_MANAGE, fresh=True)
ANYWHERE = page(Permission.SELF, abroad=True)
HERE = "/organizations"
LIST = "organisations/list.html"
ONE = "organisations/show.html"
ROWS = 200
NEW = ("organization_name", "admin_email", "parent_tenant_id")


@router.get(HERE)
async def list_organisations(opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """The tree of the organisations below this one."""
    chosen = opened.request.query_params.get("below", "")
    values = {"organization_name": "", "admin_email": "", "parent_tenant_id": chosen}
    return opened.show(LIST, **await _list(opened), values=values)


@router.post(HERE)
async def create_organisation(opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Add an organisation below this one, or below one of those."""
    typed = {name: opened.form.text(name) for name in NEW}
    with opened.refusing(LIST, **await _list(opened), values=typed):
        parent = typed["parent_tenant_id"] or str(opened.scope.tenant_id)
        new = fill(NewTenant, {**typed, "parent_tenant_id": parent})
        await organisations.found(opened.scope, new)
    return opened.go(HERE, toast="organisation-created")


@router.post(f"{HERE}/enter")
async def enter(opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Act for an organisation below, until one comes back."""
    wanted = parse_id(opened.form.text("tenant_id"), "organisation")
    found = await service.require_within(opened.scope, wanted)
    response = opened.go("/settings/tenant", toast="organisation-entered")
    opened.act_for(response, found.id)
    return response


@router.post(f"{HERE}/leave")
async def leave(opened: Annotated[ScopedPage, ANYWHERE]) -> Response:
    """Come back to one's own organisation."""
    response = opened.go("/", toast="organisation-left")
    opened.act_for(response, None)
    return response


@router.get(f"{HERE}/usage")
async def show_usage(opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """What all of them use, each and in sum."""
    used = await rollup.describe_subtree(opened.scope, page_request(opened, limit=100))
    return opened.show("organisations/usage.html", used=used, **page_links(opened, used))


@router.get(HERE + "/{tenant_id}")
async def show_organisation(tenant_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """One organisation: what it is and uses, and what can be done to it."""
    return opened.show(ONE, **await _one(opened, tenant_id))


@router.post(HERE + "/{tenant_id}/move")
async def move_organisation(tenant_id: PathId, opened: Annotated[ScopedPage, FRESH]) -> Response:
    """Put it, with all below it, under another; the page then offers the way back."""
    shown = await _one(opened, tenant_id)
    with opened.refusing(ONE, **shown):
        new = fill(NewParent, {"parent_tenant_id": opened.form.text("parent_tenant_id")})
        await service.move(opened.scope, tenant_id, new.parent_tenant_id)
    back = urlencode({"moved_from": str(shown["one"].parent_tenant_id)})
    return opened.go(f"{HERE}/{tenant_id}?{back}", toast="organisation-moved")


@router.post(HERE + "/{tenant_id}/suspend")
async def suspend_organisation(tenant_id: PathId, opened: Annotated[ScopedPage, FRESH]) -> Response:
    """Stop its writes."""
    with opened.refusing(ONE, **await _one(opened, tenant_id)):
        why = fill(Suspension, {"reason": opened.form.text("reason")})
        await standing.suspend_below(opened.scope, tenant_id, reason=why.reason)
    return opened.go(f"{HERE}/{tenant_id}", toast="tenant-suspended")


@router.post(HERE + "/{tenant_id}/reactivate")
async def reactivate_organisation(
    tenant_id: PathId, opened: Annotated[ScopedPage, MANAGE]
) -> Response:
    """End its suspension."""
    with opened.refusing(ONE, **await _one(opened, tenant_id)):
        await standing.reactivate_below(opened.scope, tenant_id)
    return opened.go(f"{HERE}/{tenant_id}", toast="tenant-reactivated")


async def _list(opened: ScopedPage) -> dict[str, Any]:
    tree = await _tree(opened)
    asked = opened.request.query_params
    search = asked.get("q", "").strip()[:200]
    shown = tree.matching(search) if search else tree
    first = _position(asked.get("from", ""))
    return {
        "rows": shown.nodes[first : first + ROWS],
        "indent_of": indent_of,
        "parents": [_own(opened), *tree.choices()],
        "search": search,
        "all": len(tree.nodes),
        "found": len(shown.nodes),
        "first": first + 1,
        "older": _link(search, first + ROWS) if first + ROWS < len(shown.nodes) else "",
        "newer": _link(search, first - ROWS) if first else "",
    }


async def _one(opened: ScopedPage, tenant_id: UUID) -> dict[str, Any]:
    tree = await _tree(opened)
    one = tree.find(tenant_id)
    if one is None:
        raise NotFound("No such organisation below yours.")
    before = opened.request.query_params.get("moved_from", "")
    places = [_own(opened), *tree.choices(but={one.id, *tree.below(one)})]
    return {
        "one": one,
        "crumbs": [
            ("Organisations", HERE),
            *((node.display_name, f"{HERE}/{node.id}") for node in tree.above(one)),
        ],
        "places": places,
        "moved_from": next((place for place in places if place[0] == before), None),
        "usage": meters_of(await rollup.describe_one(opened.scope, one)),
        "below": len(tree.below(one)),
        "by_us": _suspended_from_here(opened, tree, one),
        "values": {"reason": opened.form.text("reason"), "parent": str(one.parent_tenant_id)},
    }


async def _tree(opened: ScopedPage) -> Tree:
    return Tree.of(opened.scope.tenant_id, await service.list_all_below(opened.scope))


def _own(opened: ScopedPage) -> tuple[str, str]:
    return (str(opened.scope.tenant_id), opened.shell["tenant"].display_name)


def _suspended_from_here(opened: ScopedPage, tree: Tree, one: Node) -> bool:
    """Whether its suspension was given by this organisation or one below it, which may end it."""
    by = one.suspended_by
    return by is not None and (by == opened.scope.tenant_id or tree.find(by) is not None)


def _position(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0


def _link(search: str, first: int) -> str:
    asked = {"q": search} if search else {}
    if first > 0:
        asked["from"] = str(first)
    return f"{HERE}?{urlencode(asked)}" if asked else HERE
