"""Roles over HTTP."""

from typing import Annotated

from fastapi import Query

from leanvibe_server.identity.roles import service
from leanvibe_server.identity.roles.schemas import (
    MAX_NAME,
    NewRole,
    RoleChange,
    RoleList,
    RoleView,
)
from leanvibe_server.kernel.access import Permission, may
from leanvibe_server.kernel.errors import Conflict, NotFound
from leanvibe_server.kernel.http import PathId, Router, refuses
from leanvibe_server.kernel.scope import Scope

router = Router(tags=["Roles"])

Manager = Annotated[Scope, may(Permission.ROLE_MANAGE, fresh=True)]


@router.get("/roles")
async def list_roles(scope: Annotated[Scope, may(Permission.USER_READ)]) -> RoleList:
    """Every role people can have here, with its permissions: the built-in ones and your own."""
    return await service.list_roles(scope)


@router.post("/roles", status_code=201, responses=refuses(Conflict))
async def create_role(new: NewRole, scope: Manager) -> RoleView:
    """Make a role of permissions, none beyond your own."""
    return await service.create_role(scope, new)


@router.patch("/roles/{role_id}", responses=refuses(NotFound))
async def change_role(role_id: PathId, change: RoleChange, scope: Manager) -> RoleView:
    """Change a role. Its people may do the new, and no more the old, from the next request on."""
    return await service.change_role(scope, role_id, change)


@router.delete("/roles/{role_id}", status_code=204, responses=refuses(NotFound, Conflict))
async def delete_role(
    role_id: PathId,
    scope: Manager,
    replacement: Annotated[
        str | None,
        Query(max_length=MAX_NAME, description="The role its people get; needed if it has any"),
    ] = None,
) -> None:
    """Remove a role of your own. A role in use needs a `replacement`."""
    await service.delete_role(scope, role_id, replacement)
