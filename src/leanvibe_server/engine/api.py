"""Tasks over HTTP."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Query, Response

from leanvibe_server.engine import branches, service
from leanvibe_server.engine.schemas import (
    NewTask,
    StatusFilter,
    TaskBatch,
    TaskCode,
    TaskDiff,
    TaskList,
    TaskStatus,
    TaskView,
)
from leanvibe_server.entitlements.errors import QuotaExceeded
from leanvibe_server.kernel.access import Errand, Permission, may, may_go_out
from leanvibe_server.kernel.errors import Conflict, InvalidRequest, NotFound, ServiceUnavailable
from leanvibe_server.kernel.http import PathId, Router, refuses
from leanvibe_server.kernel.pagination import Page, PageQuery
from leanvibe_server.kernel.scope import Scope

router = Router(tags=["Tasks"])

_DIFF_TYPES = ("text/x-diff", "text/x-patch", "text/plain")


@router.post("/tasks", status_code=201, responses=refuses(NotFound, QuotaExceeded))
async def create_task(
    new: NewTask, scope: Annotated[Scope, may(Permission.TASK_CREATE, on_project=True)]
) -> TaskView:
    """Queue a development task. Returns at once; progress arrives on the task's WebSocket."""
    return await service.submit_task(scope, new)


@router.get("/tasks")
async def list_tasks(
    page: PageQuery,
    scope: Annotated[Scope, may(Permission.TASK_READ, on_project=True)],
    status: Annotated[StatusFilter | None, Query(description="`pending` means queued")] = None,
    project_id: UUID | None = None,
) -> Page[TaskView]:
    """The tasks of the projects you may see, newest first."""
    return await service.list_tasks(scope, page, status=status, project_id=project_id)


@router.post("/tasks/batch")
async def get_task_batch(
    batch: TaskBatch, scope: Annotated[Scope, may(Permission.TASK_READ, on_project=True)]
) -> TaskList:
    """Several tasks in one request, at most 100."""
    return await service.list_batch(scope, batch.task_ids)


@router.get("/tasks/{task_id}", responses=refuses(NotFound))
async def get_task(
    task_id: PathId, scope: Annotated[Scope, may(Permission.TASK_READ, on_project=True)]
) -> TaskView:
    """One task."""
    return await service.get_task(scope, task_id)


@router.get("/tasks/{task_id}/status", responses=refuses(NotFound))
async def get_task_status(
    task_id: PathId, scope: Annotated[Scope, may(Permission.TASK_READ, on_project=True)]
) -> TaskStatus:
    """Where the task stands, step by step."""
    return await service.describe_status(scope, task_id)


@router.get("/tasks/{task_id}/code", responses=refuses(InvalidRequest, NotFound))
async def get_task_code(
    task_id: PathId, scope: Annotated[Scope, may(Permission.TASK_READ, on_project=True)]
) -> TaskCode:
    """The files a completed task wrote."""
    return await service.read_code(scope, task_id)


@router.get(
    "/tasks/{task_id}/diff",
    response_model=TaskDiff,
    responses={**refuses(InvalidRequest, NotFound), 200: {"content": {"text/x-diff": {}}}},
)
async def get_task_diff(
    task_id: PathId,
    scope: Annotated[Scope, may(Permission.TASK_READ, on_project=True)],
    accept: Annotated[str, Header()] = "",
) -> Any:
    """The change as a unified diff: JSON, or the bare text for `Accept: text/x-diff`."""
    diff, raw = await service.read_diff(scope, task_id)
    return Response(raw, media_type="text/x-diff") if _wants_text(accept) else diff


@router.post("/tasks/{task_id}/cancel", responses=refuses(NotFound, Conflict))
async def cancel_task(
    task_id: PathId, scope: Annotated[Scope, may(Permission.TASK_CONTROL, on_project=True)]
) -> TaskView:
    """Stop the task at whatever step it is; the repository stays as it was."""
    return await service.cancel_task(scope, task_id)


@router.post(
    "/tasks/{task_id}/retry", status_code=201, responses=refuses(NotFound, Conflict, QuotaExceeded)
)
async def retry_task(
    task_id: PathId, scope: Annotated[Scope, may(Permission.TASK_CONTROL, on_project=True)]
) -> TaskView:
    """Queue a failed or cancelled task again."""
    return await service.retry_task(scope, task_id)


@router.delete(
    "/tasks/{task_id}/branch",
    status_code=204,
    responses=refuses(NotFound, Conflict, ServiceUnavailable),
)
async def delete_task_branch(
    task_id: PathId, errand: Annotated[Errand, may_go_out(Permission.TASK_CONTROL, on_project=True)]
) -> None:
    """Delete the branch that a completed task pushed."""
    await branches.delete_task_branch(errand, task_id)


def _wants_text(accept: str) -> bool:
    first = accept.split(",")[0].partition(";")[0].strip()
    return first in _DIFF_TYPES
