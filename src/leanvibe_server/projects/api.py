"""Projects over HTTP."""

from typing import Annotated

from leanvibe_server.entitlements.errors import QuotaExceeded
from leanvibe_server.kernel.access import Errand, Permission, may, may_go_out
from leanvibe_server.kernel.errors import Conflict, InvalidRequest, NotFound
from leanvibe_server.kernel.http import PathId, Router, refuses
from leanvibe_server.kernel.pagination import Page, PageQuery
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.projects import reach, service
from leanvibe_server.projects.schemas import NewProject, ProjectChange, ProjectView, Reach

router = Router(tags=["projects"])


@router.post("/projects", status_code=201, responses=refuses(InvalidRequest, QuotaExceeded))
async def create_project(
    new: NewProject, scope: Annotated[Scope, may(Permission.PROJECT_CREATE)]
) -> ProjectView:
    """Add a project on a git repository; without `repository_url` the product hosts one."""
    return ProjectView.of(await service.create_project(scope, new))


@router.get("/projects", responses=refuses(InvalidRequest))
async def list_projects(
    page: PageQuery, scope: Annotated[Scope, may(Permission.PROJECT_READ)]
) -> Page[ProjectView]:
    """The tenant's projects, newest first."""
    return await service.list_projects(scope, page)


@router.get("/projects/{project_id}", responses=refuses(NotFound))
async def get_project(
    project_id: PathId, scope: Annotated[Scope, may(Permission.PROJECT_READ)]
) -> ProjectView:
    """One project."""
    return ProjectView.of(await service.require_project(scope, project_id))


@router.patch("/projects/{project_id}", responses=refuses(InvalidRequest, NotFound, Conflict))
async def update_project(
    project_id: PathId,
    change: ProjectChange,
    scope: Annotated[Scope, may(Permission.PROJECT_UPDATE)],
) -> ProjectView:
    """Change what is named. Settings may stand flat or under `configuration`."""
    return ProjectView.of(await service.update_project(scope, project_id, change))


@router.delete("/projects/{project_id}", status_code=204, responses=refuses(NotFound, Conflict))
async def delete_project(
    project_id: PathId, scope: Annotated[Scope, may(Permission.PROJECT_DELETE)]
) -> None:
    """Remove the project and its tasks. Refused while tasks are under way."""
    await service.delete_project(scope, project_id)


@router.post("/projects/{project_id}/check", responses=refuses(NotFound))
async def check_project(
    project_id: PathId, errand: Annotated[Errand, may_go_out(Permission.PROJECT_UPDATE)]
) -> Reach:
    """Try to reach the project's repository with its credentials, and say how far that went."""
    return await reach.check_repository(errand, project_id)
