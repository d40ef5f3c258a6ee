"""Projects over HTTP."""

from typing import Annotated

from fastapi import Query

from leanvibe_server.entitlements.errors import QuotaExceeded
from leanvibe_server.kernel.access import Errand, Permission, may, may_go_out
from leanvibe_server.kernel.errors import Conflict, NotFound
from leanvibe_server.kernel.http import PathId, Router, refuses
from leanvibe_server.kernel.pagination import Page, PageQuery
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.projects import groups, members, reach, service
from leanvibe_server.projects.schemas import (
    GroupOnProjectView,
    MemberRole,
    MembershipView,
    MemberView,
    NewProject,
    ProjectChange,
    ProjectView,
    Reach,
)

router = Router(tags=["Projects"])


@router.post("/projects", status_code=201, responses=refuses(QuotaExceeded))
async def create_project(
    new: NewProject, scope: Annotated[Scope, may(Permission.PROJECT_CREATE)]
) -> ProjectView:
    """Add a project on a git repository; without `repository_url` the product hosts one."""
    return ProjectView.of(await service.create_project(scope, new))


@router.get("/projects")
async def list_projects(
    page: PageQuery,
    scope: Annotated[Scope, may(Permission.PROJECT_READ, on_project=True)],
    q: Annotated[str | None, Query(max_length=200, description="Part of the name")] = None,
) -> Page[ProjectView]:
    """The projects you may see, newest first."""
    return await service.list_projects(scope, page, search=q)


@router.get("/projects/{project_id}", responses=refuses(NotFound))
async def get_project(
    project_id: PathId, scope: Annotated[Scope, may(Permission.PROJECT_READ, on_project=True)]
) -> ProjectView:
    """One project."""
    return ProjectView.of(await service.require_project(scope, project_id))


@router.patch("/projects/{project_id}", responses=refuses(NotFound, Conflict))
async def update_project(
    project_id: PathId,
    change: ProjectChange,
    scope: Annotated[Scope, may(Permission.PROJECT_UPDATE, on_project=True)],
) -> ProjectView:
    """Change what is named. Settings may stand flat or under `configuration`."""
    return ProjectView.of(await service.update_project(scope, project_id, change))


@router.delete("/projects/{project_id}", status_code=204, responses=refuses(NotFound, Conflict))
async def delete_project(
    project_id: PathId, scope: Annotated[Scope, may(Permission.PROJECT_DELETE, on_project=True)]
) -> None:
    """Remove the project and its tasks. Refused while tasks are under way."""
    await service.delete_project(scope, project_id)


@router.post("/projects/{project_id}/check", responses=refuses(NotFound))
async def check_project(
    project_id: PathId,
    errand: Annotated[Errand, may_go_out(Permission.PROJECT_UPDATE, on_project=True)],
) -> Reach:
    """Try to reach the project's repository with its credentials, and say how far that went."""
    return await reach.check_repository(errand, project_id)


@router.get("/users/{user_id}/projects", tags=["Users"], responses=refuses(NotFound))
async def list_projects_of_user(
    user_id: PathId, page: PageQuery, scope: Annotated[Scope, may(Permission.USER_READ)]
) -> Page[MembershipView]:
    """The roles a person has on projects, beside the one in the tenant; of projects you may see."""
    return await members.list_memberships(scope, user_id, page)


Sharer = Annotated[Scope, may(Permission.PROJECT_SHARE, on_project=True)]


@router.get("/projects/{project_id}/members", responses=refuses(NotFound))
async def list_project_members(
    project_id: PathId,
    page: PageQuery,
    scope: Annotated[Scope, may(Permission.PROJECT_READ, on_project=True)],
) -> Page[MemberView]:
    """Who has a role on the project itself, beside those whose role in the tenant counts here."""
    return await members.list_members(scope, project_id, page)


@router.put("/projects/{project_id}/members/{user_id}", responses=refuses(NotFound, Conflict))
async def set_project_member(
    project_id: PathId, user_id: PathId, member: MemberRole, scope: Sharer
) -> MemberView:
    """Give somebody a role on the project: manager, developer, viewer, or one of your own.

    It adds to what their role in the tenant permits, on this project only, from their next
    request on. Nobody gives more than they may do there themselves.
    """
    return await members.set_member(scope, project_id, user_id, member.role)


@router.delete(
    "/projects/{project_id}/members/{user_id}", status_code=204, responses=refuses(NotFound)
)
async def remove_project_member(project_id: PathId, user_id: PathId, scope: Sharer) -> None:
    """Take somebody's role on the project."""
    await members.remove_member(scope, project_id, user_id)


@router.get("/projects/{project_id}/groups", responses=refuses(NotFound))
async def list_project_groups(
    project_id: PathId,
    page: PageQuery,
    scope: Annotated[Scope, may(Permission.PROJECT_READ, on_project=True)],
) -> Page[GroupOnProjectView]:
    """The groups that have a role on the project, which whoever is in them has there too."""
    return await groups.list_groups(scope, project_id, page)


@router.put("/projects/{project_id}/groups/{group_id}", responses=refuses(NotFound))
async def set_project_group(
    project_id: PathId, group_id: PathId, given: MemberRole, scope: Sharer
) -> GroupOnProjectView:
    """Give a group a role on the project: manager, developer, viewer, or one of your own.

    Its members have it beside what they have, from their next request on and as long as they are
    in. Nobody gives more than they may do there themselves.
    """
    return await groups.set_group(scope, project_id, group_id, given.role)


@router.delete(
    "/projects/{project_id}/groups/{group_id}", status_code=204, responses=refuses(NotFound)
)
async def remove_project_group(project_id: PathId, group_id: PathId, scope: Sharer) -> None:
    """Take a group's role on the project."""
    await groups.remove_group(scope, project_id, group_id)


@router.get("/groups/{group_id}/projects", tags=["Groups"], responses=refuses(NotFound))
async def list_projects_of_group(
    group_id: PathId, page: PageQuery, scope: Annotated[Scope, may(Permission.USER_READ)]
) -> Page[GroupOnProjectView]:
    """The roles a group has on projects, of those you may see."""
    return await groups.list_projects(scope, group_id, page)
