"""Pages of projects."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Response

from leanvibe_server.engine import service as engine
from leanvibe_server.identity.groups.service import require_group_by_name
from leanvibe_server.identity.permissions import project_permissions_of
from leanvibe_server.identity.roles.service import list_roles
from leanvibe_server.identity.users import require_user_by_email
from leanvibe_server.kernel.access import PROJECT_PERMISSIONS, Permission
from leanvibe_server.kernel.http import PathId
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.projects import groups, members, service
from leanvibe_server.projects.schemas import NewProject, ProjectChange, ProjectView
from leanvibe_server.web.formats import words
from leanvibe_server.web.forms import Form, fill
from leanvibe_server.web.page import ScopedPage, page
from leanvibe_server.web.paging import page_links, page_request
from leanvibe_server.web.routes import PageRouter

router = PageRouter()

READ = page(Permission.PROJECT_READ, on_project=True)
CREATE = page(Permission.PROJECT_CREATE)
UPDATE = page(Permission.PROJECT_UPDATE, on_project=True)
DELETE = page(Permission.PROJECT_DELETE, on_project=True)
SHARE = page(Permission.PROJECT_SHARE, on_project=True)

# The members a page shows; the API pages through more.
MAX_MEMBERS = 100


@dataclass(frozen=True)
class ProjectInput:
    """The fields of a project as typed. Secrets are not among them: they are never shown again."""

    name: str = ""
    repository_url: str = ""
    description: str = ""
    default_branch: str = ""
    tech_stack: str = ""
    credentials_type: str = "none"
    username: str = ""
    require_tests: bool = True
    security_scan: bool = True
    min_test_coverage: str = "0"

    @classmethod
    def read(cls, form: Form) -> "ProjectInput":
        texts = {
            name: form.text(name)
            for name in (
                "name", "repository_url", "description", "default_branch", "tech_stack", "username"
            )
        }  # fmt: skip
        return cls(
            **texts,
            credentials_type=form.text("credentials_type") or "none",
            require_tests=form.checked("require_tests"),
            security_scan=form.checked("security_scan"),
            min_test_coverage=form.text("min_test_coverage") or "0",
        )

    @classmethod
    def of(cls, project: ProjectView) -> "ProjectInput":
        gates = project.configuration.quality_gates
        return cls(
            name=project.name,
            repository_url="" if project.hosted else project.repository_url,
            description=project.description,
            default_branch=project.default_branch or "",
            tech_stack=", ".join(project.tech_stack),
            credentials_type="keep" if project.has_credentials else "none",
            require_tests=gates.require_tests,
            security_scan=gates.security_scan,
            min_test_coverage=f"{gates.min_test_coverage:g}",
        )

    def values(self, form: Form) -> dict[str, Any]:
        """What the service's shapes take."""
        values: dict[str, Any] = {
            "name": self.name,
            "description": self.description,
            "tech_stack": form.lines("tech_stack"),
            "repository_url": self.repository_url or None,
            "default_branch": self.default_branch or None,
            "quality_gates": {
                "require_tests": self.require_tests,
                "security_scan": self.security_scan,
                "min_test_coverage": self.min_test_coverage,
            },
        }
        if self.credentials_type == "none":
            values["credentials"] = None
        elif self.credentials_type != "keep":
            values["credentials"] = {
                "type": self.credentials_type,
                "username": self.username or None,
                "token": form.text("token") or None,
                "private_key": form.secret("private_key") or None,
            }
        return values


@router.get("/projects")
async def list_projects(opened: Annotated[ScopedPage, READ]) -> Response:
    """Every project of the tenant."""
    listed = await service.list_projects(opened.scope, page_request(opened))
    return opened.show("projects/list.html", projects=listed.data, **page_links(opened, listed))


@router.get("/projects/new")
async def new_project(opened: Annotated[ScopedPage, CREATE]) -> Response:
    """An empty form."""
    return opened.show("projects/new.html", values=asdict(ProjectInput()))


@router.post("/projects/new")
async def create_project(opened: Annotated[ScopedPage, CREATE]) -> Response:
    """Add what the form says."""
    typed = ProjectInput.read(opened.form)
    with opened.refusing("projects/new.html", values=asdict(typed)):
        new = fill(NewProject, typed.values(opened.form))
        project = await service.create_project(opened.scope, new)
    return opened.go(f"/projects/{project.id}", toast="project-created")


@router.get("/projects/{project_id}")
async def show_project(project_id: PathId, opened: Annotated[ScopedPage, READ]) -> Response:
    """One project, its tasks and its members."""
    return opened.show("projects/show.html", **await _project(opened, project_id))


async def _project(opened: ScopedPage, project_id: UUID, **typed: str) -> dict[str, Any]:
    project = await service.require_project(
        opened.scope, project_id, wanted=Permission.PROJECT_READ
    )
    held = await service.permissions_on(opened.scope, project)
    listed = await engine.list_tasks(
        opened.scope, page_request(opened), status=None, project_id=project_id
    )
    request = PageRequest(limit=MAX_MEMBERS)
    shared = await members.list_members(opened.scope, project_id, request)
    return {
        "project": ProjectView.of(project),
        "tasks": listed.data,
        "members": shared.data,
        "groups": (await groups.list_groups(opened.scope, project_id, request)).data,
        "member_roles": await _roles_to_give(opened, held),
        "values": {"email": "", "role": "developer", **typed},
        # What they may do here, which is not what they may do everywhere.
        "permissions": (opened.scope.permissions - PROJECT_PERMISSIONS) | held,
        **page_links(opened, listed),
    }


async def _roles_to_give(opened: ScopedPage, held: frozenset[str]) -> list[tuple[str, str]]:
    """The roles this person may give on a project where they hold `held`."""
    if Permission.PROJECT_SHARE not in held:
        return []
    offered = []
    for role in (await list_roles(opened.scope)).data:
        there = project_permissions_of(role.name, role.permissions)
        if there and there <= held:
            offered.append((role.name, words(role.name) if role.built_in else role.name))
    return offered


@router.post("/projects/{project_id}/members")
async def set_member(project_id: PathId, opened: Annotated[ScopedPage, SHARE]) -> Response:
    """Give somebody, found by e-mail, or a group, found by name, a role on the project."""
    form = opened.form
    typed = {"email": form.text("email"), "role": form.text("role")}
    shown = await _project(opened, project_id, **typed)
    with opened.refusing("projects/show.html", **shown):
        await _set_role(opened.scope, project_id, typed["email"], typed["role"])
    return opened.go(f"/projects/{project_id}", toast="member-saved")


async def _set_role(scope: Scope, project_id: UUID, whose: str, role: str) -> None:
    if "@" in whose:
        user = await require_user_by_email(scope, whose)
        await members.set_member(scope, project_id, user.id, role)
    else:
        group = await require_group_by_name(scope, whose, field="email")
        await groups.set_group(scope, project_id, group.id, role)


@router.post("/projects/{project_id}/groups/{group_id}/remove")
async def remove_group(
    project_id: PathId, group_id: PathId, opened: Annotated[ScopedPage, SHARE]
) -> Response:
    """Take a group's role on the project."""
    await groups.remove_group(opened.scope, project_id, group_id)
    return opened.go(f"/projects/{project_id}", toast="member-removed")


@router.post("/projects/{project_id}/members/{user_id}/remove")
async def remove_member(
    project_id: PathId, user_id: PathId, opened: Annotated[ScopedPage, SHARE]
) -> Response:
    """Take somebody's role on the project."""
    await members.remove_member(opened.scope, project_id, user_id)
    return opened.go(f"/projects/{project_id}", toast="member-removed")


@router.post("/projects/{project_id}/visibility")
async def set_visibility(project_id: PathId, opened: Annotated[ScopedPage, SHARE]) -> Response:
    """Show the project to the organisation, or to its members only."""
    visibility = opened.form.text("visibility")
    await service.update_project(
        opened.scope, project_id, fill(ProjectChange, {"visibility": visibility})
    )
    return opened.go(f"/projects/{project_id}", toast="project-saved")


@router.get("/projects/{project_id}/edit")
async def edit_project(project_id: PathId, opened: Annotated[ScopedPage, UPDATE]) -> Response:
    """The settings of a project as a form."""
    project = ProjectView.of(await service.require_project(opened.scope, project_id))
    values = asdict(ProjectInput.of(project))
    return opened.show("projects/edit.html", project=project, values=values)


@router.post("/projects/{project_id}/edit")
async def update_project(project_id: PathId, opened: Annotated[ScopedPage, UPDATE]) -> Response:
    """Change what the form says."""
    project = ProjectView.of(await service.require_project(opened.scope, project_id))
    typed = ProjectInput.read(opened.form)
    with opened.refusing("projects/edit.html", project=project, values=asdict(typed)):
        change = fill(ProjectChange, typed.values(opened.form))
        await service.update_project(opened.scope, project_id, change)
    return opened.go(f"/projects/{project_id}", toast="project-saved")


@router.post("/projects/{project_id}/delete")
async def delete_project(project_id: PathId, opened: Annotated[ScopedPage, DELETE]) -> Response:
    """Remove the project, and its tasks with it."""
    await service.delete_project(opened.scope, project_id)
    return opened.go("/projects", toast="project-deleted")
