"""Claims: how a step is taken up, and how its end is written, each in one transaction.

Every write is tied to the claim. Whoever comes later takes the claim over, so a worker that was
thought dead writes nothing more; a step that is finished is never done again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from leanvibe_server.engine import repository
from leanvibe_server.engine.bench import StepResult
from leanvibe_server.engine.errors import TaskFailure
from leanvibe_server.engine.events import TaskCompleted, TaskFailed, TaskProgressed, TaskStarted
from leanvibe_server.engine.models import (
    CANCELLED,
    COMPLETED,
    FAILED,
    IN_PROGRESS,
    PROGRESS,
    QUEUED,
    STEPS,
    Step,
    Task,
)
from leanvibe_server.engine.service import RUN_STEP, look_after_push, settle, told
from leanvibe_server.kernel import metrics
from leanvibe_server.kernel.jobs import Work
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.metering import service as metering
from leanvibe_server.projects import service as projects
from leanvibe_server.projects.models import Project
from leanvibe_server.tenancy.service import require_tenant

MAX_TAKEOVERS = 6
DELIVERY = len(STEPS) - 1

_STARTS = {
    "requirements_analysis": "Looking at the repository and planning the work.",
    "code_generation": "Changing the code.",
    "test_generation": "Writing tests.",
    "documentation": "Writing documentation.",
    "validation": "Running the gates before and after the change.",
    "delivery": "Delivering the change.",
}


@dataclass(frozen=True)
class Claimed:
    """A step in our hands."""

    task: Task
    project: Project
    step: Step
    patch: bytes
    earlier: dict[str, dict[str, object]]


@dataclass(frozen=True)
class Withdrawal:
    """A task that came to nothing, and may have pushed its branch just before."""

    task: Task
    project: Project
    commit: str
    branch: str


@dataclass(frozen=True)
class Done:
    """What a step did on its way to its end."""

    tool_calls: Sequence[Mapping[str, Any]]
    duration_ms: int


def gave_up() -> TaskFailure:
    """The failure of a task that we could not do for reasons of our own."""
    return TaskFailure(
        "server_error",
        "Something broke on our side while the task was worked on. Retry it, and quote the "
        "task's id if it happens again.",
    )


async def claim_step(
    work: Work, task_id: UUID, run: int, position: int
) -> Claimed | Withdrawal | None:
    """Take the step up, in one transaction; None when there is nothing to do."""
    async with work.scope() as scope:
        task = await repository.lock(scope.conn, scope.tenant_id, task_id)
        if task is None:
            return None
        if task.run != run or task.finished:
            return await find_withdrawal(scope, task, run) if position == DELIVERY else None
        now = scope.now
        step = await repository.claim_step(
            scope.conn,
            task,
            position=position,
            name=STEPS[position],
            given={"base_commit": task.base_commit, "recipe": task.recipe},
            claim=uuid4(),
            now=now,
        )
        if step is None:
            return None
        task = await _begin(scope, task, step)
        hindrance = await _find_hindrance(scope, step)
        if hindrance is not None:
            await _write_failure(scope, task, step, hindrance, Done([], 0))
            return None
        steps = await repository.list_steps(scope.conn, scope.tenant_id, task.id, run)
        patch = await repository.find_snapshot(
            scope.conn, scope.tenant_id, task.id, run, up_to=position - 1
        )
        return Claimed(
            task=task,
            project=await projects.require_project(scope, task.project_id),
            step=step,
            patch=patch or b"",
            earlier={one.name: one.output or {} for one in steps if one.position < position},
        )


async def _find_hindrance(scope: Scope, step: Step) -> TaskFailure | None:
    """Why a step that was taken up is not to be worked on; None when it is."""
    if step.input.get("takeovers", 0) > MAX_TAKEOVERS:
        return gave_up()
    if (await require_tenant(scope)).status != "active":
        return TaskFailure(
            "tenant_suspended",
            "The organisation is suspended or is to be deleted, so nothing is worked on for it. "
            "Retry the task when that is over.",
        )
    return None


async def _begin(scope: Scope, task: Task, step: Step) -> Task:
    """Show that the step has begun. Progress never falls back."""
    first = task.status == QUEUED
    task = await repository.update(
        scope.conn,
        task,
        status=IN_PROGRESS,
        current_step=step.name,
        progress_percentage=max(task.progress_percentage, PROGRESS[step.position]),
        started_at=task.started_at or scope.now,
        updated_at=scope.now,
    )
    if first:
        await scope.emit(TaskStarted(**told(task)))
    if not step.input.get("takeovers"):
        await scope.emit(TaskProgressed(**told(task), step=step.name, message=_STARTS[step.name]))
    return task


async def find_withdrawal(scope: Scope, task: Task, run: int) -> Withdrawal | None:
    """What a run that came to nothing had announced to push, if it came that far."""
    step = await repository.find_step(scope.conn, scope.tenant_id, task.id, run, DELIVERY)
    if step is None or step.status not in (CANCELLED, FAILED):
        return None
    if not step.output or "pushing" not in step.output:
        return None
    pushing = step.output["pushing"]
    project = await projects.require_project(scope, task.project_id)
    return Withdrawal(task, project, pushing["commit_sha"], pushing["branch"])


async def finish_step(work: Work, claimed: Claimed, result: StepResult, done: Done) -> bool:
    """Write what the step gave, and enqueue the next; False when the step was not ours."""
    step = claimed.step
    async with work.scope() as scope:
        task = await _lock_running(scope, claimed)
        if task is None:
            return False
        written = await repository.finish_step(
            scope.conn,
            task,
            step,
            status=COMPLETED,
            output=result.output,
            tool_calls=done.tool_calls,
            error=None,
            snapshot=result.patch,
            duration_ms=done.duration_ms,
            now=scope.now,
        )
        if not written:
            return False
        values = {
            **result.columns,
            "progress_percentage": PROGRESS[step.position + 1],
            "updated_at": scope.now,
        }
        if step.position == DELIVERY:
            await _complete(scope, task, values)
            return True
        task = await repository.update(scope.conn, task, **values)
        await scope.emit(TaskProgressed(**told(task), step=step.name, message=result.message))
        await scope.enqueue(RUN_STEP, task_id=task.id, run=step.run, position=step.position + 1)
    return True


async def _complete(scope: Scope, task: Task, values: Mapping[str, Any]) -> None:
    task = await repository.update(
        scope.conn, task, **values, status=COMPLETED, completed_at=scope.now, reserved_at=None
    )
    event_id = await scope.emit(
        TaskCompleted(
            **told(task),
            deliverables=task.deliverables or {},
            quality_score=None if task.quality_score is None else float(task.quality_score),
            branch=task.branch,
            delivery=task.delivery or "patch",
        )
    )
    await metering.record(
        scope,
        metric=metering.AI_REQUESTS,
        quantity=1,
        idempotency_key=f"task {task.id} run {task.run}",
        task_id=task.id,
        event_id=event_id,
    )
    metrics.TASKS.labels(COMPLETED, task.recipe or "none").inc()


async def fail_step(work: Work, claimed: Claimed, failure: TaskFailure, done: Done) -> bool:
    """End the task as failed; False when the step was not ours."""
    async with work.scope() as scope:
        task = await _lock_running(scope, claimed)
        return task is not None and await _write_failure(scope, task, claimed.step, failure, done)


async def abandon_task(work: Work, task_id: UUID, run: int) -> None:
    """End a task that nobody will work on any more, whoever holds its step."""
    async with work.scope() as scope:
        task = await repository.lock(scope.conn, scope.tenant_id, task_id)
        if task is None or task.finished or task.run != run:
            return
        await repository.stop_steps(scope.conn, task, status=FAILED, now=scope.now)
        await _end_as_failed(scope, task, gave_up())


async def _lock_running(scope: Scope, claimed: Claimed) -> Task | None:
    task = await repository.lock(scope.conn, scope.tenant_id, claimed.task.id)
    if task is None or task.status != IN_PROGRESS or task.run != claimed.step.run:
        return None
    return task


async def _write_failure(
    scope: Scope, task: Task, step: Step, failure: TaskFailure, done: Done
) -> bool:
    written = await repository.finish_step(
        scope.conn,
        task,
        step,
        status=FAILED,
        output=failure.output,
        tool_calls=done.tool_calls,
        error=failure.as_error(),
        snapshot=failure.patch,
        duration_ms=done.duration_ms,
        now=scope.now,
    )
    if not written:
        return False
    await _end_as_failed(scope, task, failure)
    return True


async def _end_as_failed(scope: Scope, task: Task, failure: TaskFailure) -> None:
    error = failure.as_error()
    task = await settle(scope, task)
    task = await repository.update(
        scope.conn,
        task,
        **failure.columns,
        status=FAILED,
        error=error,
        completed_at=scope.now,
        updated_at=scope.now,
    )
    if task.current_step == STEPS[DELIVERY]:
        await look_after_push(scope, task)
    await scope.emit(TaskFailed(**told(task), error=error, error_message=failure.message))
    metrics.TASKS.labels(FAILED, task.recipe or "none").inc()
