"""Pages of groups: their members, and the roles they give."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Response

from leanvibe_server.identity import users
from leanvibe_server.identity.groups import service as groups
from leanvibe_server.identity.groups.schemas import (
    GroupChange,
    GroupView,
    MemberView,
    NewGroup,
    NewMembers,
)
from leanvibe_server.identity.roles.service import assignable_roles
from leanvibe_server.kernel.access import Permission, Role
from leanvibe_server.kernel.http import PathId
from leanvibe_server.kernel.pagination import PageRequest, page_of
from leanvibe_server.projects import groups as on_projects
from leanvibe_server.web.formats import role_name
from leanvibe_server.web.forms import fill
from leanvibe_server.web.page import ScopedPage, page
from leanvibe_server.web.paging import page_links, page_request
from leanvibe_server.web.routes import PageRouter

router = PageRouter()

EDIT = page(Permission.USER_UPDATE)
ALL = PageRequest(limit=100)
FRESH = {"name": "", "description": "", "role": ""}


@router.get("/settings/groups")
async def list_groups(opened: Annotated[ScopedPage, EDIT]) -> Response:
    """The groups of the tenant, and the role each gives."""
    return opened.show("settings/groups.html", **await _groups(opened), values=FRESH)


@router.post("/settings/groups")
async def create_group(opened: Annotated[ScopedPage, EDIT]) -> Response:
    """Make a group."""
    typed = {name: opened.form.text(name) for name in FRESH}
    with opened.refusing("settings/groups.html", **await _groups(opened), values=typed):
        new = fill(NewGroup, {**typed, "role": typed["role"] or None})
        made = await groups.create(opened.scope, new)
    return opened.go(f"/settings/groups/{made.id}", toast="group-saved")


@router.get("/settings/groups/{group_id}")
async def show_group(group_id: PathId, opened: Annotated[ScopedPage, EDIT]) -> Response:
    """One group: who is in, and what it gives."""
    return opened.show("settings/group.html", **await _group(opened, group_id))


@router.post("/settings/groups/{group_id}")
async def set_role(group_id: PathId, opened: Annotated[ScopedPage, EDIT]) -> Response:
    """Set the role a group gives."""
    with opened.refusing("settings/groups.html", **await _groups(opened), values=FRESH):
        change = fill(GroupChange, {"role": opened.form.optional("role")})
        await groups.change(opened.scope, group_id, change)
    return opened.go("/settings/groups", toast="group-saved")


@router.post("/settings/groups/{group_id}/settings")
async def change_group(group_id: PathId, opened: Annotated[ScopedPage, EDIT]) -> Response:
    """Change name, description and role of a group."""
    shown = await _group(opened, group_id)
    typed = {name: opened.form.text(name) for name in FRESH}
    with opened.refusing("settings/group.html", **shown | {"values": shown["values"] | typed}):
        change = fill(GroupChange, {**typed, "role": typed["role"] or None})
        await groups.change(opened.scope, group_id, change)
    return opened.go(f"/settings/groups/{group_id}", toast="group-saved")


@router.post("/settings/groups/{group_id}/members")
async def add_members(group_id: PathId, opened: Annotated[ScopedPage, EDIT]) -> Response:
    """Put people into a group, named by their e-mails."""
    shown = await _group(opened, group_id)
    typed = {"email": opened.form.text("email")}
    with opened.refusing("settings/group.html", **shown | {"values": shown["values"] | typed}):
        found = [
            await users.require_user_by_email(opened.scope, email)
            for email in opened.form.lines("email")
        ]
        new = fill(NewMembers, {"user_ids": [user.id for user in found]})
        await groups.add_members(opened.scope, group_id, new)
    return opened.go(f"/settings/groups/{group_id}", toast="members-added")


@router.post("/settings/groups/{group_id}/members/{user_id}/remove")
async def remove_member(
    group_id: PathId, user_id: PathId, opened: Annotated[ScopedPage, EDIT]
) -> Response:
    """Take somebody out of a group."""
    with opened.refusing("settings/group.html", **await _group(opened, group_id)):
        await groups.remove_member(opened.scope, group_id, user_id)
    return opened.go(f"/settings/groups/{group_id}", toast="member-left")


@router.post("/settings/groups/{group_id}/delete")
async def delete_group(group_id: PathId, opened: Annotated[ScopedPage, EDIT]) -> Response:
    """Delete a group."""
    await groups.delete(opened.scope, group_id)
    return opened.go("/settings/groups", toast="group-deleted")


async def _groups(opened: ScopedPage) -> dict[str, Any]:
    request = page_request(opened)
    rows = await groups.list_groups(opened.scope, request)
    listed = page_of(rows, request, GroupView.of, lambda group: group.id)
    roles = await _roles(opened, *(group.role for group in listed.data))
    return {"groups": listed.data, "roles": roles, **page_links(opened, listed)}


async def _roles(opened: ScopedPage, *present: str | None) -> list[tuple[str, str]]:
    """No role, those the visitor may give, and those that are given already, so that they stay."""
    names = dict.fromkeys([*await assignable_roles(opened.scope), *filter(None, present)])
    names.pop(Role.OWNER.value, None)
    return [("", "No role"), *((name, role_name(name)) for name in names)]


async def _group(opened: ScopedPage, group_id: UUID) -> dict[str, Any]:
    group = await groups.require_group(opened.scope, group_id)
    request = page_request(opened)
    rows = await groups.list_members(opened.scope, group_id, request)
    listed = page_of(rows, request, MemberView.of, lambda member: member.user_id)
    return {
        "group": GroupView.of(group),
        "members": listed.data,
        "roles": await _roles(opened, group.role),
        "projects": (await on_projects.list_projects(opened.scope, group.id, ALL)).data,
        "values": {
            "name": group.name,
            "description": group.description,
            "role": group.role or "",
            "email": "",
        },
        **page_links(opened, listed),
    }
