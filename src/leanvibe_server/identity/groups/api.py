"""Groups over HTTP."""

from typing import Annotated

from leanvibe_server.identity.groups import service
from leanvibe_server.identity.groups.schemas import (
    GroupChange,
    GroupView,
    MemberView,
    NewGroup,
    NewMembers,
)
from leanvibe_server.kernel.access import Permission, may
from leanvibe_server.kernel.errors import Conflict, Forbidden, InvalidRequest, NotFound
from leanvibe_server.kernel.http import PathId, Router, refuses
from leanvibe_server.kernel.pagination import Page, PageQuery, page_of
from leanvibe_server.kernel.scope import Scope

router = Router(prefix="/groups", tags=["Groups"])
Reader = Annotated[Scope, may(Permission.USER_READ)]
Editor = Annotated[Scope, may(Permission.USER_UPDATE)]
CHANGES = refuses(InvalidRequest, Forbidden, NotFound, Conflict)


@router.post("", status_code=201, responses=CHANGES)
async def create_group(new: NewGroup, scope: Editor) -> GroupView:
    """Make a group. With a `role`, its members get that role beside what they have; owner cannot be
    given so."""
    return GroupView.of(await service.create(scope, new))


@router.get("", responses=refuses(Forbidden))
async def list_groups(page: PageQuery, scope: Reader) -> Page[GroupView]:
    """The groups of your tenant."""
    listed = await service.list_groups(scope, page)
    return page_of(listed, page, GroupView.of, lambda group: group.id)


@router.get("/{group_id}", responses=refuses(NotFound))
async def get_group(group_id: PathId, scope: Reader) -> GroupView:
    """One group."""
    return GroupView.of(await service.require_group(scope, group_id))


@router.patch("/{group_id}", responses=CHANGES)
async def change_group(group_id: PathId, change: GroupChange, scope: Editor) -> GroupView:
    """Change name, description or the role that membership gives, from the next request on."""
    return GroupView.of(await service.change(scope, group_id, change))


@router.delete("/{group_id}", status_code=204, responses=refuses(Forbidden, NotFound))
async def delete_group(group_id: PathId, scope: Editor) -> None:
    """Delete a group. Its members lose the role it gave them."""
    await service.delete(scope, group_id)


@router.get("/{group_id}/members", responses=refuses(NotFound))
async def list_group_members(group_id: PathId, page: PageQuery, scope: Reader) -> Page[MemberView]:
    """Who is in a group."""
    listed = await service.list_members(scope, group_id, page)
    return page_of(listed, page, MemberView.of, lambda member: member.user_id)


@router.post("/{group_id}/members", responses=CHANGES)
async def add_group_members(group_id: PathId, new: NewMembers, scope: Editor) -> GroupView:
    """Put people into a group; those who are in already stay."""
    return GroupView.of(await service.add_members(scope, group_id, new))


@router.delete(
    "/{group_id}/members/{user_id}", status_code=204, responses=refuses(Forbidden, NotFound)
)
async def remove_group_member(group_id: PathId, user_id: PathId, scope: Editor) -> None:
    """Take somebody out of a group."""
    await service.remove_member(scope, group_id, user_id)
