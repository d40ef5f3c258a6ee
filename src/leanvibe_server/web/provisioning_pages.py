"""Pages of provisioning and of groups with the roles they give."""

from typing import Annotated, Any

from fastapi import Response

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.identity.groups import service as groups
from leanvibe_server.identity.groups.schemas import GroupChange, GroupView, NewGroup
from leanvibe_server.identity.scim import tokens
from leanvibe_server.identity.scim.schemas import NewScimToken, ScimTokenView
from leanvibe_server.kernel.access import Permission, Role
from leanvibe_server.kernel.http import PathId
from leanvibe_server.kernel.pagination import PageRequest, page_of
from leanvibe_server.web.forms import fill
from leanvibe_server.web.page import ScopedPage, page
from leanvibe_server.web.paging import page_links, page_request
from leanvibe_server.web.routes import PageRouter

router = PageRouter()
MANAGE = page(Permission.SCIM_MANAGE)
MANAGE_FRESH = page(Permission.SCIM_MANAGE, fresh=True)
EDIT = page(Permission.USER_UPDATE)
ROLES = [("", "No role"), *((role.value, role.value.capitalize()) for role in list(Role)[1:-1])]
FRESH_TOKEN = {"name": "", "expires_in_days": "365"}
FRESH_GROUP = {"name": "", "description": "", "role": ""}


@router.get("/settings/scim")
async def show_provisioning(opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Where clients find the tenant, their tokens, and when they were last here."""
    return opened.show("settings/scim.html", **await _facts(opened), values=FRESH_TOKEN, secret="")


@router.post("/settings/scim")
async def create_token(opened: Annotated[ScopedPage, MANAGE_FRESH]) -> Response:
    """Make a token. This answer is the only one that shows it."""
    typed = {name: opened.form.text(name) for name in FRESH_TOKEN}
    with opened.refusing("settings/scim.html", **await _facts(opened), values=typed, secret=""):
        made = await tokens.create(opened.scope, fill(NewScimToken, typed))
    return opened.show(
        "settings/scim.html",
        http_status=201,
        **await _facts(opened),
        values=FRESH_TOKEN,
        secret=made.token,
    )


@router.post("/settings/scim/{token_id}/revoke")
async def revoke_token(token_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """End a token at once."""
    await tokens.revoke(opened.scope, token_id)
    return opened.go("/settings/scim", toast="token-revoked")


@router.get("/settings/groups")
async def list_groups(opened: Annotated[ScopedPage, EDIT]) -> Response:
    """The groups of the tenant, and the role each gives."""
    return opened.show("settings/groups.html", **await _groups(opened), values=FRESH_GROUP)


@router.post("/settings/groups")
async def create_group(opened: Annotated[ScopedPage, EDIT]) -> Response:
    """Make a group."""
    typed = {name: opened.form.text(name) for name in FRESH_GROUP}
    with opened.refusing("settings/groups.html", **await _groups(opened), values=typed):
        new = fill(NewGroup, {**typed, "role": typed["role"] or None})
        await groups.create(opened.scope, new)
    return opened.go("/settings/groups", toast="group-saved")


@router.post("/settings/groups/{group_id}")
async def change_group(group_id: PathId, opened: Annotated[ScopedPage, EDIT]) -> Response:
    """Set the role a group gives."""
    with opened.refusing("settings/groups.html", **await _groups(opened), values=FRESH_GROUP):
        change = fill(GroupChange, {"role": opened.form.optional("role")})
        await groups.change(opened.scope, group_id, change)
    return opened.go("/settings/groups", toast="group-saved")


@router.post("/settings/groups/{group_id}/delete")
async def delete_group(group_id: PathId, opened: Annotated[ScopedPage, EDIT]) -> Response:
    """Delete a group."""
    await groups.delete(opened.scope, group_id)
    return opened.go("/settings/groups", toast="group-deleted")


async def _facts(opened: ScopedPage) -> dict[str, Any]:
    scope = opened.scope
    kept = await tokens.list_tokens(scope, PageRequest(limit=100))
    return {
        "status": await tokens.describe(scope),
        "tokens": [ScimTokenView.of(token) for token in reversed(kept)],
        "offered": tokens.FEATURE in plan_of(scope.plan).features,
        "now": scope.now,
    }


async def _groups(opened: ScopedPage) -> dict[str, Any]:
    request = page_request(opened)
    rows = await groups.list_groups(opened.scope, request)
    listed = page_of(rows, request, GroupView.of, lambda group: group.id)
    return {"groups": listed.data, "roles": ROLES, **page_links(opened, listed)}
