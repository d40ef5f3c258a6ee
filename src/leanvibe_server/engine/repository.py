"""Every SQL statement of the engine."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from leanvibe_server.engine.models import Step, Task
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import find_row, list_rows, values_of
from leanvibe_server.projects.schemas import Sight

TASK = msgspec.structs.fields(Task)
TASK_NAMES = tuple(field.name for field in TASK)
TASK_COLUMNS = ", ".join(TASK_NAMES)
STEP_COLUMNS = ", ".join(field.name for field in msgspec.structs.fields(Step))

INSERT = f"""
INSERT INTO tasks ({TASK_COLUMNS})
VALUES ({", ".join(f"${n}" for n in range(1, len(TASK_NAMES) + 1))})
"""
FIND = f"SELECT {TASK_COLUMNS} FROM tasks WHERE tenant_id = $1 AND id = $2"
LOCK = f"{FIND} FOR UPDATE"
FIND_MANY = f"""
SELECT {TASK_COLUMNS} FROM tasks WHERE tenant_id = $1 AND id = ANY($2)
    AND ($3::uuid[] IS NULL OR project_id = ANY ($3)) AND project_id <> ALL ($4::uuid[])
"""
LIST = f"""
SELECT {TASK_COLUMNS} FROM tasks
WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2)
    AND ($3::text IS NULL OR status = $3) AND ($4::uuid IS NULL OR project_id = $4)
    AND ($6::uuid[] IS NULL OR project_id = ANY ($6)) AND project_id <> ALL ($7::uuid[])
ORDER BY id DESC LIMIT $5
"""
COUNT_AT_ONCE = """
SELECT count(*) FROM tasks WHERE tenant_id = $1 AND status IN ('queued', 'in_progress')
"""
IS_LEFT_WAITING = """
SELECT EXISTS (
    SELECT FROM tasks WHERE tenant_id = $1 AND status = 'queued' AND updated_at < $2
) AND NOT EXISTS (SELECT FROM tasks WHERE tenant_id = $1 AND status = 'in_progress')
"""
IS_OURS = """
SELECT t.status = 'in_progress' AND s.claim = $5
FROM tasks t JOIN task_steps s
    ON s.tenant_id = t.tenant_id AND s.task_id = t.id AND s.run = t.run AND s.position = $4
WHERE t.tenant_id = $1 AND t.id = $2 AND t.run = $3
"""
# Alike: the same project, complexity and kind of work, as far as the request names one.
ESTIMATES = """
SELECT t.id, e.seconds FROM tasks t CROSS JOIN LATERAL (
    SELECT percentile_cont(0.5) WITHIN GROUP (
        ORDER BY extract(epoch FROM alike.completed_at - alike.started_at)) AS seconds
    FROM (
        SELECT d.started_at, d.completed_at FROM tasks d
        WHERE d.tenant_id = t.tenant_id AND d.project_id = t.project_id
            AND d.status = 'completed' AND d.started_at IS NOT NULL
            AND d.estimated_complexity IS NOT DISTINCT FROM t.estimated_complexity
            AND coalesce(t.requirements->>'recipe', t.requirements->>'component_type', '')
                IN ('', d.recipe, coalesce(d.requirements->>'component_type', ''))
        ORDER BY d.id DESC LIMIT 25
    ) alike
) e
WHERE t.tenant_id = $1 AND t.id = ANY($2) AND e.seconds IS NOT NULL
"""
STEPS_OF = f"""
SELECT {STEP_COLUMNS} FROM task_steps
WHERE tenant_id = $1 AND task_id = $2 AND run = $3 ORDER BY position
"""
FIND_STEP = f"""
SELECT {STEP_COLUMNS} FROM task_steps
WHERE tenant_id = $1 AND task_id = $2 AND run = $3 AND position = $4
"""
SNAPSHOT = """
SELECT snapshot FROM task_steps
WHERE tenant_id = $1 AND task_id = $2 AND run = $3 AND position <= $4 AND snapshot IS NOT NULL
ORDER BY position DESC LIMIT 1
"""
# A claim is taken over whenever the job comes again: its old holder then writes nothing more.
CLAIM_STEP = f"""
INSERT INTO task_steps (tenant_id, task_id, run, position, name, status, input, tool_calls,
    cost_cents, claim, started_at)
VALUES ($1, $2, $3, $4, $5, 'running', $6, '[]', 0, $7, $8)
ON CONFLICT (tenant_id, task_id, run, position) DO UPDATE
    SET claim = EXCLUDED.claim, started_at = EXCLUDED.started_at, status = 'running',
        input = EXCLUDED.input || jsonb_build_object('takeovers',
            coalesce((task_steps.input->>'takeovers')::int, 0) + 1)
    WHERE task_steps.status = 'running'
RETURNING {STEP_COLUMNS}
"""
NOTE_OUTPUT = """
UPDATE task_steps SET output = $6
WHERE tenant_id = $1 AND task_id = $2 AND run = $3 AND position = $4 AND claim = $5
    AND status = 'running'
RETURNING position
"""
FINISH_STEP = """
UPDATE task_steps SET status = $6,
    output = nullif(coalesce(output, '{}') || coalesce($7::jsonb, '{}'), '{}'),
    tool_calls = $8, error = $9, snapshot = $10, completed_at = $11, duration_ms = $12
WHERE tenant_id = $1 AND task_id = $2 AND run = $3 AND position = $4 AND claim = $5
    AND status = 'running'
RETURNING position
"""
STOP_STEPS = """
UPDATE task_steps SET status = $4, completed_at = $5
WHERE tenant_id = $1 AND task_id = $2 AND run = $3 AND status = 'running'
"""


SNAPSHOT_BYTES_OF_EACH = """
SELECT tenant_id, coalesce(sum(octet_length(snapshot)), 0) AS bytes FROM task_steps
WHERE tenant_id = ANY ($1) GROUP BY tenant_id
"""
SNAPSHOT_BYTES = """
SELECT coalesce(sum(octet_length(snapshot)), 0) FROM task_steps WHERE tenant_id = $1
"""


async def insert(conn: Connection, task: Task) -> None:
    await conn.execute(INSERT, *values_of(task, TASK_COLUMNS))


async def find(conn: Connection, tenant_id: UUID, task_id: UUID) -> Task | None:
    return await find_row(conn, Task, FIND, tenant_id, task_id)


async def lock(conn: Connection, tenant_id: UUID, task_id: UUID) -> Task | None:
    """The task, which nobody else changes until this transaction ends."""
    return await find_row(conn, Task, LOCK, tenant_id, task_id)


async def find_many(
    conn: Connection, tenant_id: UUID, ids: Sequence[UUID], *, sight: Sight
) -> list[Task]:
    return await list_rows(conn, Task, FIND_MANY, tenant_id, list(ids), sight.shown, sight.hidden)


async def list_page(
    conn: Connection,
    tenant_id: UUID,
    *,
    after: UUID | None,
    status: str | None,
    project_id: UUID | None,
    limit: int,
    sight: Sight,
) -> list[Task]:
    return await list_rows(
        conn, Task, LIST, tenant_id, after, status, project_id, limit, sight.shown, sight.hidden
    )


async def count_at_once(conn: Connection, tenant_id: UUID) -> int:
    found: int = await conn.fetchval(COUNT_AT_ONCE, tenant_id)
    return found


async def is_left_waiting(conn: Connection, tenant_id: UUID, *, since: datetime) -> bool:
    """Whether a task waits since before then, and none is being worked on."""
    found: bool = await conn.fetchval(IS_LEFT_WAITING, tenant_id, since)
    return found


async def is_ours(conn: Connection, task: Task, step: Step) -> bool:
    """Whether the task still runs and the step is still held by this claim."""
    found = await conn.fetchval(
        IS_OURS, task.tenant_id, task.id, step.run, step.position, step.claim
    )
    return bool(found)


async def estimate(conn: Connection, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, float]:
    """Seconds that tasks like these took, for those of them that have any like."""
    rows = await conn.fetch(ESTIMATES, tenant_id, list(ids))
    return {row["id"]: float(row["seconds"]) for row in rows}


async def update(conn: Connection, task: Task, **values: Any) -> Task:
    """Write the named columns of the task; returns the task as it is now."""
    assignments = ", ".join(f"{name} = ${n}" for n, name in enumerate(values, start=3))
    unknown = set(values) - set(TASK_NAMES)
    if unknown:
        raise ValueError(f"tasks have no {unknown}")
    await conn.execute(
        f"UPDATE tasks SET {assignments} WHERE tenant_id = $1 AND id = $2",
        task.tenant_id,
        task.id,
        *values.values(),
    )
    return msgspec.structs.replace(task, **values)


async def list_steps(conn: Connection, tenant_id: UUID, task_id: UUID, run: int) -> list[Step]:
    return await list_rows(conn, Step, STEPS_OF, tenant_id, task_id, run)


async def find_step(
    conn: Connection, tenant_id: UUID, task_id: UUID, run: int, position: int
) -> Step | None:
    return await find_row(conn, Step, FIND_STEP, tenant_id, task_id, run, position)


async def find_snapshot(
    conn: Connection, tenant_id: UUID, task_id: UUID, run: int, *, up_to: int
) -> bytes | None:
    """The patch as it stood after the last finished step up to `up_to`."""
    found: bytes | None = await conn.fetchval(SNAPSHOT, tenant_id, task_id, run, up_to)
    return found


async def claim_step(
    conn: Connection,
    task: Task,
    *,
    position: int,
    name: str,
    given: dict[str, Any],
    claim: UUID,
    now: datetime,
) -> Step | None:
    """Take the step up; None when it is finished already."""
    return await find_row(
        conn, Step, CLAIM_STEP, task.tenant_id, task.id, task.run, position, name, given, claim, now
    )


async def note_output(conn: Connection, task: Task, step: Step, output: Mapping[str, Any]) -> bool:
    """Keep what a running step is about to do; False when the claim is gone."""
    row = await conn.fetchval(
        NOTE_OUTPUT,
        task.tenant_id,
        task.id,
        step.run,
        step.position,
        step.claim,
        dict(output),
    )
    return row is not None


async def finish_step(
    conn: Connection,
    task: Task,
    step: Step,
    *,
    status: str,
    output: Mapping[str, Any] | None,
    tool_calls: Sequence[Mapping[str, Any]],
    error: Mapping[str, Any] | None,
    snapshot: bytes | None,
    duration_ms: int,
    now: datetime,
) -> bool:
    """Write the end of a step; False when the claim is gone: then nothing is written."""
    row = await conn.fetchval(
        FINISH_STEP,
        task.tenant_id,
        task.id,
        step.run,
        step.position,
        step.claim,
        status,
        output,
        list(tool_calls),
        error,
        snapshot,
        now,
        duration_ms,
    )
    return row is not None


async def stop_steps(conn: Connection, task: Task, *, status: str, now: datetime) -> None:
    """End whatever step of the task's run is under way."""
    await conn.execute(STOP_STEPS, task.tenant_id, task.id, task.run, status, now)


async def tally_snapshots(conn: Connection, tenant_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The bytes of all kept snapshots of each of several tenants."""
    rows = await conn.fetch(SNAPSHOT_BYTES_OF_EACH, list(tenant_ids))
    return {row["tenant_id"]: int(row["bytes"]) for row in rows}


async def measure_snapshots(conn: Connection, tenant_id: UUID) -> int:
    """The bytes of all kept snapshots."""
    return int(await conn.fetchval(SNAPSHOT_BYTES, tenant_id))
