"""Every SQL statement of the audit room."""

from datetime import datetime
from uuid import UUID

import msgspec

from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.events import EVENT_COLUMNS, StoredEvent, stored_event

LIST = f"""
SELECT {EVENT_COLUMNS} FROM events
WHERE audited
  AND ($1::uuid IS NULL OR tenant_id = $1)
  AND ($2::text IS NULL OR area = $2)
  AND ($3::text IS NULL OR name = $3)
  AND ($4::uuid IS NULL OR actor_id = $4)
  AND ($5::timestamptz IS NULL OR occurred_at >= $5)
  AND ($6::timestamptz IS NULL OR occurred_at < $6)
  AND ($7::uuid IS NULL OR id < $7)
ORDER BY id DESC LIMIT $8
"""


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries are asked for. `tenant_id` None means every tenant the reader may see."""

    tenant_id: UUID | None = None
    area: str | None = None
    name: str | None = None
    actor_id: UUID | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None


async def list_entries(
    conn: Connection, wanted: AuditFilter, *, before: UUID | None, limit: int
) -> list[StoredEvent]:
    """Entries, newest first."""
    rows = await conn.fetch(
        LIST,
        wanted.tenant_id,
        wanted.area,
        wanted.name,
        wanted.actor_id,
        wanted.start_at,
        wanted.end_at,
        before,
        limit,
    )
    return [stored_event(row) for row in rows]
