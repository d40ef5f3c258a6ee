"""Pages of tasks."""

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import Response

from leanvibe_server.engine import branches, service
from leanvibe_server.engine.errors import TaskNotCompleted
from leanvibe_server.engine.schemas import TaskView
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.events import read_stream
from leanvibe_server.kernel.http import PathId
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.projects import service as projects
from leanvibe_server.web import quality_view, task_view
from leanvibe_server.web.diff_view import view_diff
from leanvibe_server.web.page import ErrandPage, ScopedPage, errand_page, page
from leanvibe_server.web.paging import page_links, page_request
from leanvibe_server.web.problem_view import problem_of
from leanvibe_server.web.routes import PageRouter
from leanvibe_server.web.statuses import STATUSES, UNFINISHED
from leanvibe_server.web.task_form import KINDS, METHODS, TaskInput

router = PageRouter()

READ = page(Permission.TASK_READ, on_project=True)
CREATE = page(Permission.TASK_CREATE, on_project=True)
CONTROL = page(Permission.TASK_CONTROL, on_project=True)
CONTROL_OUTSIDE = errand_page(Permission.TASK_CONTROL, on_project=True)
MAX_CHOICES = 100
MAX_EVENTS = 2_000


@router.get("/tasks")
async def list_tasks(opened: Annotated[ScopedPage, READ]) -> Response:
    """The tenant's tasks, all or those of one status."""
    asked = opened.request.query_params.get("status", "")
    status = asked if asked in STATUSES else ""
    listed = await service.list_tasks(
        opened.scope, page_request(opened), status=status or None, project_id=None
    )
    return opened.show(
        "tasks/list.html",
        tasks=listed.data,
        status=status,
        project_names=await _project_names(opened.scope),
        may_create=opened.may_somewhere(Permission.TASK_CREATE),
        **page_links(opened, listed, status=status),
    )


@router.get("/tasks/new")
async def new_task(opened: Annotated[ScopedPage, CREATE]) -> Response:
    """The form of a new task, for the project the address names."""
    query = opened.request.query_params
    typed = TaskInput(
        project_id=query.get("project", ""), recipe=query.get("recipe", TaskInput.recipe)
    )
    return opened.show("tasks/new.html", **await _form(opened.scope, typed))


@router.post("/tasks/new")
async def create_task(opened: Annotated[ScopedPage, CREATE]) -> Response:
    """Queue what the form says."""
    typed = TaskInput.read(opened.form)
    with opened.refusing("tasks/new.html", **await _form(opened.scope, typed)):
        task = await service.submit_task(opened.scope, typed.task())
    return opened.go(f"/tasks/{task.id}", toast="task-created")


@router.get("/tasks/{task_id}")
async def show_task(task_id: PathId, opened: Annotated[ScopedPage, READ]) -> Response:
    """One task as it stands now; a module keeps the page up to date."""
    scope = opened.scope
    task = await service.get_task(scope, task_id)
    status = await service.describe_status(scope, task_id)
    project = await projects.require_project(scope, task.project_id)
    events = await read_stream(
        scope.conn, scope.tenant_id, f"task:{task_id}", after_seq=0, limit=MAX_EVENTS
    )
    raw = await _read_diff(scope, task_id)
    return opened.show(
        "tasks/show.html",
        task=task,
        now=scope.now,
        project_name=project.name,
        unfinished=task.status in UNFINISHED,
        may_control=Permission.TASK_CONTROL in await projects.permissions_on(scope, project),
        branch_deletable=_has_branch(task),
        steps=task_view.step_lines(status.steps),
        log=task_view.log_lines(events),
        last_event=str(events[-1].id) if events else "",
        diff_files=view_diff(raw),
        **_texts(task),
    )


@router.get("/tasks/{task_id}/patch")
async def download_patch(task_id: PathId, opened: Annotated[ScopedPage, READ]) -> Response:
    """The change as a file that `git apply` reads."""
    _, raw = await service.read_diff(opened.scope, task_id)
    return Response(
        raw,
        media_type="text/x-diff",
        headers={"Content-Disposition": f'attachment; filename="task-{task_id}.patch"'},
    )


@router.get("/tasks/{task_id}/files")
async def show_files(task_id: PathId, opened: Annotated[ScopedPage, READ]) -> Response:
    """The files of a completed task, whole; of another one, why there are none."""
    try:
        code = await service.read_code(opened.scope, task_id)
    except TaskNotCompleted:
        task = await service.get_task(opened.scope, task_id)
        return opened.show("tasks/no_files.html", http_status=404, task=task)
    return opened.show("tasks/files.html", code=code)


@router.post("/tasks/{task_id}/cancel")
async def cancel_task(task_id: PathId, opened: Annotated[ScopedPage, CONTROL]) -> Response:
    """Stop the task."""
    await service.cancel_task(opened.scope, task_id)
    return opened.go(f"/tasks/{task_id}", toast="task-cancelled")


@router.post("/tasks/{task_id}/retry")
async def retry_task(task_id: PathId, opened: Annotated[ScopedPage, CONTROL]) -> Response:
    """Queue the task again."""
    task = await service.retry_task(opened.scope, task_id)
    return opened.go(f"/tasks/{task.id}", toast="task-retried")


@router.post("/tasks/{task_id}/branch/delete")
async def delete_branch(
    task_id: PathId, opened: Annotated[ErrandPage, CONTROL_OUTSIDE]
) -> Response:
    """Delete the branch the task pushed."""
    await branches.delete_task_branch(opened.errand, task_id)
    return opened.go(f"/tasks/{task_id}", toast="branch-deleted")


def _has_branch(task: TaskView) -> bool:
    pushed = task.status == "completed" and task.delivery == "branch"
    return pushed and task.branch is not None and task.branch_deleted_at is None


def _texts(task: TaskView) -> dict[str, Any]:
    return {
        "headline": task_view.headline(task),
        "problem": problem_of(task),
        "deliverables": task_view.delivered(task),
        "score_parts": quality_view.score_parts(task.quality),
        "score_note": quality_view.score_note(task),
        "gates": quality_view.gate_lines(task.quality),
        "asked": task_view.flat_lines(task.requirements),
        "plan_lists": task_view.plan_lists(task.plan),
    }


async def _read_diff(scope: Scope, task_id: UUID) -> bytes:
    """The change so far; nothing while no step has written any."""
    try:
        _, raw = await service.read_diff(scope, task_id)
    except (TaskNotCompleted, NotFound):
        return b""
    return raw


async def _form(scope: Scope, typed: TaskInput) -> dict[str, Any]:
    listed = await projects.list_projects(
        scope, PageRequest(limit=MAX_CHOICES), able=Permission.TASK_CREATE
    )
    return {
        "values": asdict(typed),
        "projects": [(str(project.id), project.name) for project in listed.data],
        "recipes": KINDS,
        "methods": METHODS,
        "model_configured": False,
    }


async def _project_names(scope: Scope) -> dict[UUID, str]:
    listed = await projects.list_projects(scope, PageRequest(limit=MAX_CHOICES))
    return {project.id: project.name for project in listed.data}
