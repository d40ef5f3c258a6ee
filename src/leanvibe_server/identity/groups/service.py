"""Use cases of groups: make, change, delete them, and say who is in.

A group may give its members a role, one of the product or of the tenant's own but never owner: set
by somebody who may give that role themselves, and never by a provisioning client.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from leanvibe_server.identity.groups import repository as rows
from leanvibe_server.identity.groups.events import (
    GroupCreated,
    GroupDeleted,
    GroupMembersChanged,
    GroupUpdated,
)
from leanvibe_server.identity.groups.giving import apply_roles, parts
from leanvibe_server.identity.groups.models import Group, Member
from leanvibe_server.identity.groups.schemas import GroupChange, NewGroup, NewMembers
from leanvibe_server.identity.roles.service import (
    project_permissions_of_role,
    require_grantable,
    require_over,
)
from leanvibe_server.kernel.access import Permission, Role
from leanvibe_server.kernel.errors import Conflict, Forbidden, NotFound, invalid_field
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.scope import Scope

MAX_GROUPS = 5000


async def create(scope: Scope, new: NewGroup, *, external_id: str | None = None) -> Group:
    """Make a group.

    Raises: InvalidRequest: no such role, or owner. Forbidden: a role above the caller's own.
        Conflict: the name is taken.
    """
    if new.role is not None:
        await _require_givable(scope, new.role)
    if await rows.count(scope.conn, scope.tenant_id) >= MAX_GROUPS:
        raise Conflict(f"There are {MAX_GROUPS} groups already. Delete one first.")
    group = Group(
        tenant_id=scope.tenant_id,
        id=scope.new_id(),
        name=new.name,
        description=new.description,
        external_id=external_id,
        role=new.role,
        version=1,
        created_at=scope.now,
        updated_at=scope.now,
    )
    await _require_free(scope, new.name, but=group.id)
    await rows.insert(scope.conn, group)
    await scope.emit(GroupCreated(group_id=group.id, group_name=group.name, role=group.role))
    return group


async def list_groups(scope: Scope, page: PageRequest) -> list[Group]:
    """The groups of the tenant, one more than the page shows."""
    return await rows.list_page(scope.conn, scope.tenant_id, after=page.after, limit=page.limit + 1)


async def require_group(scope: Scope, group_id: UUID) -> Group:
    """Raises: NotFound."""
    group = await rows.find(scope.conn, scope.tenant_id, group_id)
    if group is None:
        raise _no_group()
    return group


async def require_group_by_name(scope: Scope, name: str, *, field: str = "group") -> Group:
    """The group of this name. Raises: InvalidRequest: there is none."""
    group = await rows.find_by_name(scope.conn, scope.tenant_id, name)
    if group is None:
        raise invalid_field(field, "no group has this name", "No group has this name.")
    return group


async def lock_group(scope: Scope, group_id: UUID) -> Group:
    """The group, held until this transaction ends. Raises: NotFound."""
    group = await rows.lock(scope.conn, scope.tenant_id, group_id)
    if group is None:
        raise _no_group()
    return group


async def change(scope: Scope, group_id: UUID, wanted: GroupChange) -> Group:
    """Change a group. Another role holds for its members at once.

    Raises: NotFound. Forbidden: a role above the caller's own. Conflict: the name is taken.
    """
    group = await lock_group(scope, group_id)
    updated = msgspec.structs.replace(
        group,
        name=wanted.name or group.name,
        description=group.description if wanted.description is None else wanted.description,
        role=wanted.role if "role" in wanted.model_fields_set else group.role,
    )
    if updated.role != group.role:
        if updated.role is not None:
            await _require_givable(scope, updated.role)
        await _require_may_change(scope, group, updated)
    await save(scope, group, updated)
    return await require_group(scope, group.id)


async def save(scope: Scope, before: Group, after: Group) -> None:
    """Write a locked group's new face, and give its members another role where it changed."""
    changed = {
        name: (str(getattr(before, name) or ""), str(getattr(after, name) or ""))
        for name in ("name", "description", "external_id", "role")
        if getattr(before, name) != getattr(after, name)
    }
    if not changed:
        return
    if before.name != after.name:
        await _require_free(scope, after.name, but=after.id)
    await rows.update(scope.conn, msgspec.structs.replace(after, updated_at=scope.now))
    await scope.emit(GroupUpdated(group_id=after.id, changed=changed))
    if before.role != after.role:
        members = await rows.list_member_ids(scope.conn, scope.tenant_id, after.id)
        await apply_roles(scope, members)


async def delete(scope: Scope, group_id: UUID) -> None:
    """Delete a group; its members lose the role it gave. Raises: NotFound, Forbidden."""
    group = await lock_group(scope, group_id)
    await _require_held_on_projects(scope, group)
    await _require_may_change(scope, group, group)
    await remove_group(scope, group)


async def remove_group(scope: Scope, group: Group) -> None:
    """Delete a locked group, whoever asks."""
    members = await rows.list_member_ids(scope.conn, scope.tenant_id, group.id)
    await rows.delete(scope.conn, scope.tenant_id, group.id)
    await scope.emit(GroupDeleted(group_id=group.id, group_name=group.name))
    if group.role is not None:
        await apply_roles(scope, members)


async def list_members(scope: Scope, group_id: UUID, page: PageRequest) -> list[Member]:
    """Who is in a group, one more than the page shows. Raises: NotFound."""
    group = await require_group(scope, group_id)
    return await rows.list_members(
        scope.conn, scope.tenant_id, group.id, after=page.after, limit=page.limit + 1
    )


async def add_members(scope: Scope, group_id: UUID, new: NewMembers) -> Group:
    """Put people into a group.

    Raises: NotFound: no such group or person. Forbidden: the group's role, or a person's, is above
        the caller's own.
    """
    group = await lock_group(scope, group_id)
    await _require_known(scope, new.user_ids)
    await _require_may_move(scope, group, new.user_ids)
    await change_members(scope, group, add=new.user_ids)
    return await require_group(scope, group.id)


async def remove_member(scope: Scope, group_id: UUID, user_id: UUID) -> None:
    """Take somebody out of a group. Raises: NotFound, Forbidden."""
    group = await lock_group(scope, group_id)
    if user_id not in await rows.list_member_ids(scope.conn, scope.tenant_id, group.id):
        raise NotFound("Nobody of that id is in this group.")
    await _require_may_move(scope, group, [user_id])
    await change_members(scope, group, remove=[user_id])


async def change_members(
    scope: Scope, group: Group, *, add: Sequence[UUID] = (), remove: Sequence[UUID] = ()
) -> bool:
    """Move people into and out of a locked group, whoever asks; True when anything changed.

    Who is in already, or was not in, changes nothing.
    """
    removed = await rows.remove(scope.conn, group, remove) if remove else []
    added = await rows.add(scope.conn, group, add, now=scope.now) if add else []
    if not (added or removed):
        return False
    await rows.touch(scope.conn, scope.tenant_id, group.id, now=scope.now)
    for some in parts(added):
        await scope.emit(GroupMembersChanged(group_id=group.id, added=some, removed=[]))
    for some in parts(removed):
        await scope.emit(GroupMembersChanged(group_id=group.id, added=[], removed=some))
    if group.role is not None:
        await apply_roles(scope, [*added, *removed])
    return True


async def leave_all(scope: Scope, user_id: UUID) -> None:
    """Take somebody out of every group, as when their directory knows them no more."""
    await forget_member(scope, user_id)
    await apply_roles(scope, [user_id])


async def forget_member(scope: Scope, user_id: UUID) -> None:
    """Take somebody who is about to be removed out of every group."""
    for group_id in await rows.leave_all(scope.conn, scope.tenant_id, user_id):
        await rows.touch(scope.conn, scope.tenant_id, group_id, now=scope.now)
        await scope.emit(GroupMembersChanged(group_id=group_id, added=[], removed=[user_id]))


async def find_unknown(scope: Scope, ids: Sequence[UUID]) -> UUID | None:
    """One of the ids that is no person of the tenant; None when all are."""
    return await rows.find_unknown(scope.conn, scope.tenant_id, ids)


async def _require_givable(scope: Scope, role: str) -> None:
    if role == Role.OWNER:
        why = "owner is never given by a group"
        raise invalid_field("role", why, f"The role {why}. Choose another.")
    await require_grantable(scope, role)


async def _require_may_change(scope: Scope, before: Group, after: Group) -> None:
    """Raises: Forbidden: the role before or after, or that of a member, is above the caller's."""
    roles = {role for role in (before.role, after.role) if role is not None}
    for role in sorted(roles):
        await require_grantable(scope, role)
    if roles:
        members = await rows.list_member_ids(scope.conn, scope.tenant_id, before.id)
        await _require_over_all(scope, members)


async def _require_may_move(scope: Scope, group: Group, ids: Sequence[UUID]) -> None:
    await _require_held_on_projects(scope, group)
    if group.role is not None:
        await require_grantable(scope, group.role)
        await _require_over_all(scope, ids)


async def _require_held_on_projects(scope: Scope, group: Group) -> None:
    """Refuse to end a group that may do more on projects than the caller everywhere, or to say who
    is in it.

    Raises: Forbidden.
    """
    for role, restricted in await rows.list_given_on_projects(
        scope.conn, scope.tenant_id, group.id
    ):
        held = await project_permissions_of_role(scope, role)
        needed = held | {Permission.PROJECT_READ_ALL} if restricted else held
        if scope.actor.kind != "system" and not needed <= scope.permissions:
            raise Forbidden("The group has a role on a project that may do more than you.")


async def _require_over_all(scope: Scope, ids: Sequence[UUID]) -> None:
    for role in await rows.list_roles_of(scope.conn, scope.tenant_id, ids):
        await require_over(scope, role)


async def _require_known(scope: Scope, ids: Sequence[UUID]) -> None:
    if await find_unknown(scope, ids) is not None:
        raise NotFound("One of the ids names no user here.", details={"field": "user_ids"})


async def _require_free(scope: Scope, name: str, *, but: UUID) -> None:
    if await rows.is_name_taken(scope.conn, scope.tenant_id, name, but=but):
        raise Conflict("A group has this name already.", details={"field": "name"})


def _no_group() -> NotFound:
    return NotFound("No such group.")
