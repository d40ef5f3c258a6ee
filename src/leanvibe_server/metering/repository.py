"""Every SQL statement of the metering room."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from leanvibe_server.kernel.db import Connection

# The row lock makes two callers at once take turns; the condition makes the second one fail.
RESERVE = """
INSERT INTO usage_counters (tenant_id, metric, period, used) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, metric, period) DO UPDATE SET used = usage_counters.used + EXCLUDED.used
    WHERE usage_counters.used + EXCLUDED.used <= $5
RETURNING used
"""
ADD = """
INSERT INTO usage_counters (tenant_id, metric, period, used) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, metric, period) DO UPDATE SET used = usage_counters.used + EXCLUDED.used
RETURNING used
"""
RELEASE = """
UPDATE usage_counters SET used = greatest(0, used - $4)
WHERE tenant_id = $1 AND metric = $2 AND period = $3
"""
USED = "SELECT used FROM usage_counters WHERE tenant_id = $1 AND metric = $2 AND period = $3"
USED_BY_EACH = """
SELECT tenant_id, used FROM usage_counters
WHERE tenant_id = ANY ($1) AND metric = $2 AND period = $3
"""
MARK_WARNED = """
UPDATE usage_counters SET warned_at = $4
WHERE tenant_id = $1 AND metric = $2 AND period = $3 AND warned_at IS NULL RETURNING metric
"""
MARK_EXCEEDED = """
UPDATE usage_counters SET exceeded_at = $4
WHERE tenant_id = $1 AND metric = $2 AND period = $3 AND exceeded_at IS NULL RETURNING metric
"""
RECORD = """
INSERT INTO usage_events (tenant_id, id, metric, quantity, idempotency_key, task_id, event_id,
    occurred_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant_id, metric, idempotency_key) DO NOTHING RETURNING id
"""


async def reserve(
    conn: Connection, tenant_id: UUID, *, metric: str, period: str, amount: int, limit: int
) -> int | None:
    """The new count, or None when the limit would be passed."""
    if amount > limit:
        return None
    used: int | None = await conn.fetchval(RESERVE, tenant_id, metric, period, amount, limit)
    return used


async def add(conn: Connection, tenant_id: UUID, *, metric: str, period: str, amount: int) -> int:
    used: int = await conn.fetchval(ADD, tenant_id, metric, period, amount)
    return used


async def release(
    conn: Connection, tenant_id: UUID, *, metric: str, period: str, amount: int
) -> None:
    await conn.execute(RELEASE, tenant_id, metric, period, amount)


async def used(conn: Connection, tenant_id: UUID, *, metric: str, period: str) -> int:
    return await conn.fetchval(USED, tenant_id, metric, period) or 0


async def used_by_each(
    conn: Connection, tenant_ids: Sequence[UUID], *, metric: str, period: str
) -> dict[UUID, int]:
    """The counts of several tenants; who has counted nothing is left out."""
    found = await conn.fetch(USED_BY_EACH, list(tenant_ids), metric, period)
    return {row["tenant_id"]: row["used"] for row in found}


async def mark(
    conn: Connection,
    tenant_id: UUID,
    *,
    metric: str,
    period: str,
    exceeded: bool,
    now: datetime,
) -> bool:
    """Note that a threshold was told; False when it was told before."""
    statement = MARK_EXCEEDED if exceeded else MARK_WARNED
    return await conn.fetchval(statement, tenant_id, metric, period, now) is not None


async def record(
    conn: Connection,
    tenant_id: UUID,
    *,
    usage_id: UUID,
    metric: str,
    quantity: Decimal,
    idempotency_key: str,
    task_id: UUID | None,
    event_id: UUID | None,
    now: datetime,
) -> bool:
    row = await conn.fetchval(
        RECORD, tenant_id, usage_id, metric, quantity, idempotency_key, task_id, event_id, now
    )
    return row is not None
