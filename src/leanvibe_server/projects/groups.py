"""Groups with a role on a project: whoever is in one has it there, beside what they have.

It counts from the next request on, and until membership, group or role ends.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from leanvibe_server.identity import service as identity
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.pagination import Page, PageRequest, page_of
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.projects import repository
from leanvibe_server.projects.access import permissions_on, require_project, sight_of
from leanvibe_server.projects.events import ProjectGroupRemoved, ProjectGroupSet
from leanvibe_server.projects.members import SHARE, require_changeable, require_givable
from leanvibe_server.projects.models import GroupOnProject
from leanvibe_server.projects.schemas import GroupOnProjectView


async def list_groups(
    scope: Scope, project_id: UUID, page: PageRequest
) -> Page[GroupOnProjectView]:
    """The groups that have a role on the project. Raises: NotFound."""
    await require_project(scope, project_id)
    found = await repository.list_groups(
        scope.conn, scope.tenant_id, project_id, after=page.after, limit=page.limit + 1
    )
    return page_of(await _views(scope, found), page, _itself, lambda view: view.group_id)


async def list_projects(
    scope: Scope, group_id: UUID, page: PageRequest
) -> Page[GroupOnProjectView]:
    """The roles of a group on projects, of those the caller may see. Raises: NotFound."""
    group = await identity.require_group(scope, group_id)
    found = await repository.list_projects_of_group(
        scope.conn,
        scope.tenant_id,
        group.id,
        await sight_of(scope, Permission.PROJECT_READ),
        after=page.after,
        limit=page.limit + 1,
    )
    return page_of(await _views(scope, found), page, _itself, lambda view: view.project_id)


async def set_group(
    scope: Scope, project_id: UUID, group_id: UUID, role: str
) -> GroupOnProjectView:
    """Give a group a role on the project, in place of the one it has there.

    Raises: NotFound: no such project or group. InvalidRequest, Forbidden: as for a member.
    """
    project = await require_project(scope, project_id, wanted=SHARE)
    own = await permissions_on(scope, project)
    await require_givable(scope, role, own)
    group = await identity.require_group(scope, group_id)
    before = await repository.find_group(scope.conn, scope.tenant_id, project.id, group.id)
    if before is not None:
        await require_changeable(scope, before.role, own)
    given = GroupOnProject(
        tenant_id=scope.tenant_id,
        project_id=project.id,
        group_id=group.id,
        role=role,
        added_by=before.added_by if before else scope.actor.id,
        created_at=before.created_at if before else scope.now,
        project_name=project.name,
        visibility=project.visibility,
        group_name=group.name,
    )
    await repository.put_group(scope.conn, given)
    was = None if before is None else before.role
    await scope.emit(
        ProjectGroupSet(project_id=project.id, group_id=group.id, role=role, before=was)
    )
    return (await _views(scope, [given]))[0]


async def remove_group(scope: Scope, project_id: UUID, group_id: UUID) -> None:
    """Take a group's role on the project. Raises: NotFound. Forbidden: as for a member."""
    project = await require_project(scope, project_id, wanted=SHARE)
    given = await repository.find_group(scope.conn, scope.tenant_id, project.id, group_id)
    if given is None:
        raise NotFound("No such group on this project.")
    await require_changeable(scope, given.role, await permissions_on(scope, project))
    await repository.delete_group(scope.conn, scope.tenant_id, project.id, group_id)
    await scope.emit(ProjectGroupRemoved(project_id=project.id, group_id=group_id, role=given.role))


def _itself(view: GroupOnProjectView) -> GroupOnProjectView:
    return view


async def _views(scope: Scope, found: Sequence[GroupOnProject]) -> list[GroupOnProjectView]:
    held = {
        role: sorted(await identity.project_permissions_of_role(scope, role))
        for role in {one.role for one in found}
    }
    return [
        GroupOnProjectView(**msgspec.structs.asdict(one), permissions=held[one.role])
        for one in found
    ]
