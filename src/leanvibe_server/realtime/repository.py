"""Every SQL statement of realtime. Streams and events are the kernel's."""

from collections.abc import Sequence
from uuid import UUID

from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.events import EVENT_COLUMNS, StoredEvent, stored_event

LAST_SEQ = "SELECT last_seq FROM event_streams WHERE tenant_id = $1 AND stream = $2"
LAST_NAMED = f"""
SELECT {EVENT_COLUMNS} FROM events
WHERE tenant_id = $1 AND stream = $2 AND name = ANY($3) ORDER BY stream_seq DESC LIMIT 1
"""


async def find_last_seq(conn: Connection, tenant_id: UUID, stream: str) -> int | None:
    """The number of the stream's last event; None when this tenant has no such stream."""
    found: int | None = await conn.fetchval(LAST_SEQ, tenant_id, stream)
    return found


async def find_last_named(
    conn: Connection, tenant_id: UUID, stream: str, names: Sequence[str]
) -> StoredEvent | None:
    """The stream's last event that bears one of `names`."""
    row = await conn.fetchrow(LAST_NAMED, tenant_id, stream, list(names))
    return None if row is None else stored_event(row)
