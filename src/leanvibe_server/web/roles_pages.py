"""Pages of roles: what each may do, and those the organisation makes itself."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Response

from leanvibe_server.identity.permissions import GRANTABLE
from leanvibe_server.identity.roles import service
from leanvibe_server.identity.roles.schemas import NewRole, RoleChange
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.http import PathId
from leanvibe_server.web.formats import role_name
from leanvibe_server.web.forms import fill
from leanvibe_server.web.page import ScopedPage, page
from leanvibe_server.web.permission_texts import by_area, meaning_of
from leanvibe_server.web.routes import PageRouter

router = PageRouter()

SELF = page(Permission.SELF, abroad=True)
SEE = page(Permission.ROLE_MANAGE)
MANAGE = page(Permission.ROLE_MANAGE, fresh=True)


@dataclass(frozen=True)
class MatrixRow:
    """One permission, and for each role whether it has it."""

    name: str
    text: str
    cells: list[bool]


@router.get("/settings/roles")
async def show_roles(opened: Annotated[ScopedPage, SELF]) -> Response:
    """Who may do what: the matrix the server itself goes by, and a form for a new role."""
    values = {"name": "", "description": "", "permissions": []}
    return opened.show("settings/roles.html", **await _roles(opened), values=values)


@router.post("/settings/roles")
async def create_role(opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Make a role."""
    typed = _typed(opened)
    with opened.refusing("settings/roles.html", **await _roles(opened), values=typed):
        await service.create_role(opened.scope, fill(NewRole, typed))
    return opened.go("/settings/roles", toast="role-saved")


@router.get("/settings/roles/{role_id}")
async def edit_role(role_id: PathId, opened: Annotated[ScopedPage, SEE]) -> Response:
    """One role of the organisation."""
    shown = await _role(opened, role_id)
    role = shown["role"]
    values = {"description": role.description, "permissions": role.permissions}
    return opened.show("settings/role.html", **shown, values=values)


@router.post("/settings/roles/{role_id}")
async def change_role(role_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Change what a role permits."""
    typed = _typed(opened)
    with opened.refusing("settings/role.html", **await _role(opened, role_id), values=typed):
        await service.change_role(opened.scope, role_id, fill(RoleChange, typed))
    return opened.go("/settings/roles", toast="role-saved")


@router.post("/settings/roles/{role_id}/delete")
async def delete_role(role_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Remove a role; its people get another."""
    shown = await _role(opened, role_id)
    role = shown["role"]
    values = {"description": role.description, "permissions": role.permissions}
    with opened.refusing("settings/role.html", **shown, values=values):
        replacement = opened.form.optional("replacement")
        await service.delete_role(opened.scope, role_id, replacement)
    return opened.go("/settings/roles", toast="role-deleted")


def _typed(opened: ScopedPage) -> dict[str, Any]:
    form = opened.form
    return {
        "name": form.text("name"),
        "description": form.text("description"),
        "permissions": form.all("permissions"),
    }


async def _roles(opened: ScopedPage) -> dict[str, Any]:
    roles = (await service.list_roles(opened.scope)).data
    matrix = [
        MatrixRow(
            permission.value,
            meaning_of(permission),
            [permission in role.permissions for role in roles],
        )
        for permission in Permission
        if any(permission in role.permissions for role in roles)
    ]
    return {"roles": roles, "matrix": matrix, "choices": _choices(opened)}


async def _role(opened: ScopedPage, role_id: PathId) -> dict[str, Any]:
    roles = (await service.list_roles(opened.scope)).data
    role = next((one for one in roles if one.id == role_id), None)
    if role is None:
        raise NotFound("No such role.")
    others = [one for one in roles if one.assignable and one.id != role_id]
    return {
        "role": role,
        "choices": _choices(opened),
        "uses": await service.count_uses(opened.scope, role.name),
        "others": [("", "Choose a role"), *((one.name, role_name(one.name)) for one in others)],
    }


def _choices(opened: ScopedPage) -> list[tuple[str, list[tuple[str, str]]]]:
    """The permissions this person may put into a role, by area."""
    held = opened.scope.permissions & (GRANTABLE - {Permission.SELF})
    return by_area(permission for permission in Permission if permission in held)
