"""Use cases of tasks: submit, look at, cancel, retry."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from leanvibe_server.engine import repository
from leanvibe_server.engine.errors import TaskFinished, TaskNotCompleted, TaskUnfinished
from leanvibe_server.engine.events import TaskCancelled, TaskCreated, TaskRetried
from leanvibe_server.engine.models import CANCELLED, COMPLETED, FAILED, QUEUED, STEPS, Task
from leanvibe_server.engine.schemas import (
    MAX_EXTRA_FIELDS,
    CodeFile,
    NewTask,
    StepView,
    TaskCode,
    TaskDiff,
    TaskList,
    TaskProblem,
    TaskStatus,
    TaskView,
    live_urls,
)
from leanvibe_server.entitlements.service import require_room
from leanvibe_server.kernel import metrics
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import InvalidRequest, NotFound
from leanvibe_server.kernel.pagination import Page, PageRequest, page_of
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.metering import service as metering
from leanvibe_server.projects import service as projects

# The first step answers within seconds what cannot be done, so it never waits for the others.
BEGIN_RUN = "engine.begin_run"
RUN_STEP = "engine.run_step"
CONCURRENT_TASKS = "concurrent_tasks"
AGENT = "leanvibe-recipes"
DEFAULT_PRIORITY = "medium"
TAKEN_UP_WITHIN = timedelta(minutes=1)
LOOKS_AFTER = (timedelta(seconds=3), timedelta(seconds=60))
CANCELLED_ERROR: dict[str, Any] = {
    "code": "cancelled",
    "message": "The task was cancelled. Nothing was delivered.",
    "details": {},
}


async def submit_task(scope: Scope, new: NewTask) -> TaskView:
    """Queue a task.

    Raises: NotFound: there is no such project or parent task. QuotaExceeded: too many tasks at
        once, or today's requests are spent.
    """
    extra = new.extra()
    if len(extra) > MAX_EXTRA_FIELDS:
        raise InvalidRequest(f"At most {MAX_EXTRA_FIELDS} further fields are kept with a task.")
    project = (
        await projects.require_default_project(scope)
        if new.project_id is None
        else await projects.hold_project(scope, new.project_id)
    )
    if new.parent_task_id is not None:
        await require_task(scope, new.parent_task_id)
    await _take_place(scope)
    now = scope.now
    task = Task(
        tenant_id=scope.tenant_id,
        id=scope.new_id(),
        project_id=project.id,
        title=new.title,
        description=new.description or "",
        priority=new.priority or DEFAULT_PRIORITY,
        estimated_complexity=new.estimated_complexity,
        requirements=new.requirements or {},
        extra=extra,
        status=QUEUED,
        progress_percentage=0,
        run=1,
        assigned_agent=AGENT,
        parent_task_id=new.parent_task_id,
        created_by=scope.actor.id if scope.actor.kind == "user" else None,
        reserved_at=now,
        created_at=now,
        updated_at=now,
    )
    await repository.insert(scope.conn, task)
    await scope.emit(TaskCreated(**told(task), priority=task.priority))
    await scope.enqueue(BEGIN_RUN, task_id=task.id, run=1, position=0)
    return await view(scope, task)


async def retry_task(scope: Scope, task_id: UUID) -> TaskView:
    """Queue a failed or cancelled task again, as a new run.

    Raises: NotFound. TaskUnfinished. QuotaExceeded.
    """
    task = await lock_task(scope, task_id)
    if task.status not in (FAILED, CANCELLED):
        raise TaskUnfinished(
            f"Only a failed or cancelled task can be retried; this one is {task.status}.",
            details={"status": task.status},
        )
    await projects.hold_project(scope, task.project_id)
    await _take_place(scope)
    now = scope.now
    task = await repository.update(
        scope.conn,
        task,
        status=QUEUED,
        run=task.run + 1,
        progress_percentage=0,
        current_step=None,
        recipe=None,
        plan=None,
        base_branch=None,
        base_commit=None,
        branch=None,
        commit_sha=None,
        delivery=None,
        delivery_reason=None,
        deliverables=None,
        quality_score=None,
        quality=None,
        error=None,
        cancel_requested_at=None,
        reserved_at=now,
        started_at=None,
        completed_at=None,
        updated_at=now,
    )
    await scope.emit(TaskRetried(**told(task), run=task.run))
    await scope.enqueue(BEGIN_RUN, task_id=task.id, run=task.run, position=0)
    return await view(scope, task)


async def cancel_task(scope: Scope, task_id: UUID) -> TaskView:
    """Stop the task. It is over at once; a worker that is at it notices within a second.

    Raises: NotFound. TaskFinished: it was completed or had failed. Cancelling twice is no error.
    """
    task = await lock_task(scope, task_id)
    if task.status == CANCELLED:
        return await view(scope, task)
    if task.finished:
        raise TaskFinished(f"The task is {task.status} already.", details={"status": task.status})
    now = scope.now
    await repository.stop_steps(scope.conn, task, status=CANCELLED, now=now)
    task = await settle(scope, task)
    task = await repository.update(
        scope.conn,
        task,
        status=CANCELLED,
        error=CANCELLED_ERROR,
        cancel_requested_at=now,
        completed_at=now,
        updated_at=now,
    )
    if task.current_step == STEPS[-1]:
        await look_after_push(scope, task)
    await scope.emit(TaskCancelled(**told(task), error=CANCELLED_ERROR))
    metrics.TASKS.labels(CANCELLED, task.recipe or "none").inc()
    return await view(scope, task)


async def look_after_push(scope: Scope, task: Task) -> None:
    """Have a push that was under way when its task ended taken back.

    The repository may complete it after its sender is gone, so a worker looks twice. The job is
    that of the delivery step, which knows what was announced.
    """
    for wait in LOOKS_AFTER:
        await scope.enqueue(
            RUN_STEP,
            run_at=scope.now + wait,
            task_id=task.id,
            run=task.run,
            position=len(STEPS) - 1,
        )


async def _take_place(scope: Scope) -> None:
    """Take a place among the tasks at once and one of today's requests."""
    await require_room(scope, CONCURRENT_TASKS, count=count_tasks_at_once)
    await metering.reserve(scope, metering.AI_REQUESTS)


async def settle(scope: Scope, task: Task) -> Task:
    """Give back what a run that delivers nothing had reserved."""
    if task.reserved_at is None:
        return task
    await metering.release(scope, metering.AI_REQUESTS, reserved_at=task.reserved_at)
    return await repository.update(scope.conn, task, reserved_at=None)


async def measure_storage_mb(scope: Scope) -> int:
    """What the tenant's results take, in MiB begun."""
    return _mib(await repository.measure_snapshots(scope.conn, scope.tenant_id))


async def tally_storage_mb(
    conn: Connection, tenant_ids: Sequence[UUID], now: datetime
) -> dict[UUID, int]:
    """What the results of each of several tenants take, in MiB begun. Needs the platform's
    login."""
    sizes = await repository.tally_snapshots(conn, tenant_ids)
    return {tenant_id: _mib(size) for tenant_id, size in sizes.items()}


def _mib(size: int) -> int:
    return -(-size // 1_048_576)


async def count_tasks_at_once(scope: Scope) -> int:
    """How many tasks are queued or in progress."""
    return await repository.count_at_once(scope.conn, scope.tenant_id)


async def is_left_waiting(scope: Scope) -> bool:
    """Whether tasks wait that nobody takes up, as where no worker runs."""
    return await repository.is_left_waiting(
        scope.conn, scope.tenant_id, since=scope.now - TAKEN_UP_WITHIN
    )


def told(task: Task) -> dict[str, Any]:
    """What every event says of its task."""
    return {
        "task_id": task.id,
        "project_id": task.project_id,
        "title": task.title,
        "status": task.status,
        "progress_percentage": task.progress_percentage,
        "current_step": task.current_step,
    }


async def require_task(scope: Scope, task_id: UUID) -> Task:
    """The task.

    Raises: NotFound: there is none by this id that the caller may know of. Forbidden: their role
        on its project does not do.
    """
    return await _found(scope, await repository.find(scope.conn, scope.tenant_id, task_id))


async def lock_task(scope: Scope, task_id: UUID) -> Task:
    """The task, which nobody else changes until this transaction ends.

    Raises: NotFound.
    """
    return await _found(scope, await repository.lock(scope.conn, scope.tenant_id, task_id))


async def _found(scope: Scope, task: Task | None) -> Task:
    if task is None:
        raise NotFound("No such task.")
    await projects.require_part(scope, task.project_id, missing="No such task.")
    return task


async def get_task(scope: Scope, task_id: UUID) -> TaskView:
    """One task as the API prints it. Raises: NotFound."""
    return await view(scope, await require_task(scope, task_id))


async def list_tasks(
    scope: Scope, page: PageRequest, *, status: str | None, project_id: UUID | None
) -> Page[TaskView]:
    """The tasks of the projects the caller may see, newest first."""
    rows = await repository.list_page(
        scope.conn,
        scope.tenant_id,
        after=page.after,
        status=status,
        project_id=project_id,
        limit=page.limit + 1,
        sight=await projects.sight_of(scope, Permission.TASK_READ),
    )
    shown = {task.id: task for task in await views(scope, rows)}
    return page_of(rows, page, lambda task: shown[task.id], lambda task: task.id)


async def list_batch(scope: Scope, task_ids: Sequence[UUID]) -> TaskList:
    """The named tasks in one answer; those that are not there are named too."""
    sight = await projects.sight_of(scope, Permission.TASK_READ)
    found = await repository.find_many(scope.conn, scope.tenant_id, task_ids, sight=sight)
    shown = {task.id: task for task in await views(scope, found)}
    asked = list(dict.fromkeys(task_ids))
    return TaskList(
        data=[shown[task_id] for task_id in asked if task_id in shown],
        not_found=[task_id for task_id in asked if task_id not in shown],
    )


async def view(scope: Scope, task: Task) -> TaskView:
    """The task as the API prints it."""
    return (await views(scope, [task]))[0]


async def views(scope: Scope, tasks: Sequence[Task]) -> list[TaskView]:
    """The tasks as the API prints them, with estimates for those that are not over."""
    waiting = [task.id for task in tasks if not task.finished]
    estimates = await repository.estimate(scope.conn, scope.tenant_id, waiting) if waiting else {}
    base_url = scope.house.settings.base_url
    return [
        TaskView.of(task, base_url=base_url, estimated_s=estimates.get(task.id)) for task in tasks
    ]


async def describe_status(scope: Scope, task_id: UUID) -> TaskStatus:
    """Where the task stands: its six steps, each with what went in and came out."""
    task = await require_task(scope, task_id)
    begun = await repository.list_steps(scope.conn, scope.tenant_id, task.id, task.run)
    by_position = {step.position: StepView.of(step) for step in begun}
    steps = [
        by_position.get(position) or StepView.ahead(position, skipped=task.finished)
        for position in range(len(STEPS))
    ]
    return TaskStatus(
        id=task.id,
        task_id=task.id,
        status=task.status,
        run=task.run,
        progress_percentage=task.progress_percentage,
        current_step=task.current_step,
        steps=steps,
        error=None if task.error is None else TaskProblem(**task.error),
        real_time_updates=live_urls(scope.house.settings.base_url, task.id),
    )


async def read_code(scope: Scope, task_id: UUID) -> TaskCode:
    """The files of a completed task.

    Raises: NotFound. TaskNotCompleted.
    """
    task = await require_task(scope, task_id)
    _require_completed(task)
    step = await repository.find_step(
        scope.conn, scope.tenant_id, task.id, task.run, len(STEPS) - 1
    )
    output = step.output if step and step.output else {}
    files = [CodeFile(**file) for file in output.get("files", [])]
    return TaskCode(
        task_id=task.id,
        title=task.title,
        code=_joined(files, "code"),
        tests=_joined(files, "test"),
        documentation=_joined(files, "documentation"),
        files=files,
        completed_at=task.completed_at,
    )


def _joined(files: Sequence[CodeFile], kind: str) -> str:
    """The contents of one kind, each under its path where there are several."""
    chosen = [file for file in files if file.kind == kind and file.content is not None]
    if len(chosen) == 1:
        return chosen[0].content or ""
    return "\n".join(f"# {file.path}\n{file.content}" for file in chosen)


async def read_diff(scope: Scope, task_id: UUID) -> tuple[TaskDiff, bytes]:
    """The change as it stands: the delivered one, or that of the last finished step.

    Raises: NotFound. TaskNotCompleted: nothing is changed yet.
    """
    task = await require_task(scope, task_id)
    patch = await repository.find_snapshot(
        scope.conn, scope.tenant_id, task.id, task.run, up_to=len(STEPS)
    )
    if patch is None:
        _require_completed(task)
    raw = patch or b""
    values = {name: getattr(task, name) for name in _DIFF}
    return TaskDiff(**values, task_id=task.id, diff=raw.decode(errors="replace")), raw


_DIFF = (
    "status", "branch", "base_branch", "base_commit", "commit_sha", "delivery", "delivery_reason",
)  # fmt: skip


def _require_completed(task: Task) -> None:
    if task.status != COMPLETED:
        raise TaskNotCompleted("Task not completed yet", details={"status": task.status})
