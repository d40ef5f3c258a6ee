"""One step of one task: claim it, do it with no transaction open, write what it gave.

Killed at any point, the next delivery of the job begins at the last finished step, from its
snapshot.
"""

import asyncio
import time
from uuid import UUID

from leanvibe_server.engine import repository
from leanvibe_server.engine.bench import Bench, StepResult, Workshop, clear_workspaces
from leanvibe_server.engine.claims import (
    DELIVERY,
    Claimed,
    Done,
    Withdrawal,
    claim_step,
    fail_step,
    find_withdrawal,
    finish_step,
    gave_up,
)
from leanvibe_server.engine.delivery import DeliveryStopped, withdraw
from leanvibe_server.engine.errors import TaskFailure
from leanvibe_server.engine.live import StepLog
from leanvibe_server.engine.models import Step, Task
from leanvibe_server.engine.steps import WORK
from leanvibe_server.kernel.errors import AppError
from leanvibe_server.kernel.jobs import Work
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.pulse import UNREACHABLE

LOOK_EVERY_S = 0.4
MAX_ATTEMPTS = 3


class StepLost(Exception):
    """The step is not ours any more: the task was cancelled, or another worker has it."""


async def run_step(work: Work, shop: Workshop, *, task_id: UUID, run: int, position: int) -> None:
    """Do one step, and have the next one done.

    Raises: what the queue is to try again.
    """
    claimed = await claim_step(work, task_id, run, position)
    if isinstance(claimed, Withdrawal):
        await _withdraw(work, claimed)
    if not isinstance(claimed, Claimed):
        await _tidy(work, task_id)
        return
    started = time.monotonic()
    tool_calls: list[dict[str, object]] = []
    try:
        outcome = await _attempt(work, shop, claimed, tool_calls)
    except (StepLost, DeliveryStopped):
        await _leave(work, claimed)
        return
    done = Done(tool_calls, round((time.monotonic() - started) * 1000))
    logger("engine").info(
        "step failed" if isinstance(outcome, TaskFailure) else "step done",
        task_id=str(task_id),
        step=claimed.step.name,
        duration_ms=done.duration_ms,
        code=outcome.code if isinstance(outcome, TaskFailure) else None,
    )
    if position == DELIVERY or isinstance(outcome, TaskFailure):
        if not await _is_ours(work, claimed.task, claimed.step):
            await _leave(work, claimed)
            return
        # Before the end is written: whoever is killed in between does the step again.
        await clear_workspaces(work.house, work.tenant_id, task_id)
    if isinstance(outcome, StepResult):
        kept = await finish_step(work, claimed, outcome, done)
    else:
        kept = await fail_step(work, claimed, outcome, done)
    if not kept:
        await _leave(work, claimed)


async def _attempt(
    work: Work, shop: Workshop, claimed: Claimed, tool_calls: list[dict[str, object]]
) -> StepResult | TaskFailure:
    """What the step gave, or why the task cannot be done.

    Raises: StepLost, DeliveryStopped. Anything else, unless this was the last attempt.
    """
    try:
        async with StepLog(work, claimed.task, claimed.step) as log:
            bench = Bench(
                house=work.house,
                shop=shop,
                task=claimed.task,
                project=claimed.project,
                step=claimed.step,
                patch=claimed.patch,
                earlier=claimed.earlier,
                log=log,
                tool_calls=tool_calls,
            )
            return await _perform(work, bench)
    except TaskFailure as failure:
        return failure
    except AppError as refusal:
        return TaskFailure.of(refusal)
    except (StepLost, DeliveryStopped):
        raise
    except Exception as error:
        if work.attempt + 1 < MAX_ATTEMPTS:
            raise
        logger("engine").error("step given up", task_id=str(claimed.task.id), exc_info=error)
        return gave_up()


async def _perform(work: Work, bench: Bench) -> StepResult:
    """Do the step's work until it is done, its time is up, or the task is stopped.

    Raises: TaskFailure, AppError: the task cannot be done. StepLost.
    """
    limit_s = work.house.settings.task_timeout_s
    doing = asyncio.create_task(_work(bench))
    watching = asyncio.create_task(_watch(work, bench.task, bench.step))
    try:
        await asyncio.wait({doing, watching}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        if watching.done():
            watching.result()
            raise StepLost
        raise TaskFailure(
            "timed_out",
            f"The step {bench.step.name} took longer than {limit_s} s and was stopped. Make the "
            "task smaller, or raise TASK_TIMEOUT_S.",
            {"step": bench.step.name, "timeout_s": limit_s},
        )
    finally:
        for part in (doing, watching):
            part.cancel()
        await asyncio.gather(doing, watching, return_exceptions=True)


async def _work(bench: Bench) -> StepResult:
    if bench.step.position > 0:
        await bench.provide_mirror()
    return await WORK[bench.step.name](bench)


async def _watch(work: Work, task: Task, step: Step) -> None:
    """Return once the step is not ours any more."""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            ours = await _is_ours(work, task, step)
        except UNREACHABLE as error:
            logger("engine").warning("could not look after the task", error=repr(error))
            continue
        if not ours:
            return


async def _is_ours(work: Work, task: Task, step: Step) -> bool:
    async with work.house.database.tenant(task.tenant_id) as conn:
        return await repository.is_ours(conn, task, step)


async def _leave(work: Work, claimed: Claimed) -> None:
    """Tidy up after a step that was taken from us. What it pushed for nothing goes."""
    if claimed.step.position == DELIVERY:
        async with work.scope() as scope:
            task = await repository.find(scope.conn, scope.tenant_id, claimed.task.id)
            found = await find_withdrawal(scope, task, claimed.step.run) if task else None
        if found is not None:
            await _withdraw(work, found)
    await _tidy(work, claimed.task.id)


async def _withdraw(work: Work, found: Withdrawal) -> None:
    await withdraw(work.house, found.project, branch=found.branch, commit=found.commit)


async def _tidy(work: Work, task_id: UUID) -> None:
    """Delete the work trees of a task that is over, or gone."""
    async with work.scope() as scope:
        task = await repository.find(scope.conn, scope.tenant_id, task_id)
    if task is None or task.finished:
        await clear_workspaces(work.house, work.tenant_id, task_id)
