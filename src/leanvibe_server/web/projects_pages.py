"""Pages of projects."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import Response

from leanvibe_server.engine import service as engine
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.http import PathId
from leanvibe_server.projects import service
from leanvibe_server.projects.schemas import NewProject, ProjectChange, ProjectView
from leanvibe_server.web.forms import Form, fill
from leanvibe_server.web.page import ScopedPage, page
from leanvibe_server.web.paging import page_links, page_request
from leanvibe_server.web.routes import PageRouter

router = PageRouter()

READ = page(Permission.PROJECT_READ)
CREATE = page(Permission.PROJECT_CREATE)
UPDATE = page(Permission.PROJECT_UPDATE)
DELETE = page(Permission.PROJECT_DELETE)


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
    """One project and its tasks."""
    project = ProjectView.of(await service.require_project(opened.scope, project_id))
    listed = await engine.list_tasks(
        opened.scope, page_request(opened), status=None, project_id=project_id
    )
    return opened.show(
        "projects/show.html", project=project, tasks=listed.data, **page_links(opened, listed)
    )


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
