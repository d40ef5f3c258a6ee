"""Every SQL statement of the audit room."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from leanvibe_server.audit.models import Entry, Seal
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.events import EVENT_COLUMNS, StoredEvent, stored_event
from leanvibe_server.kernel.rows import find_row, list_rows, values_of

# A name may be given in full or by its last word, as `subscription_updated`.
LIST = f"""
SELECT {EVENT_COLUMNS} FROM events
WHERE audited
  AND ($1::uuid IS NULL OR tenant_id = $1)
  AND ($2::text IS NULL OR area = $2)
  AND ($3::text IS NULL OR name = $3 OR right(name, length($3) + 1) = '.' || $3)
  AND ($4::uuid IS NULL OR actor_id = $4)
  AND ($5::uuid IS NULL OR actor_id = $5 OR payload ->> 'user_id' = $5::text)
  AND ($6::timestamptz IS NULL OR occurred_at >= $6)
  AND ($7::timestamptz IS NULL OR occurred_at < $7)
  AND ($8::uuid IS NULL OR id < $8)
ORDER BY id DESC LIMIT $9
"""
# Everything of the row but what the chain itself adds: the order is that of the hash.
RAW = """e.tenant_id, e.id, e.name, e.version, e.public, e.audited, e.area, e.payload,
    e.actor_kind, e.actor_id, e.actor_label, e.request_id, e.address, e.user_agent,
    e.occurred_at, e.stream, e.stream_seq, e.personal_digests"""
# Sealers take turns; who writes events takes no part in this.
TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtextextended($1, 7))"
TENANTS_TO_SEAL = "SELECT DISTINCT tenant_id FROM unsealed_events"
TENANTS_WITH_LOGS = """
SELECT id AS tenant_id FROM tenants UNION SELECT DISTINCT tenant_id FROM audit_seals
UNION SELECT DISTINCT tenant_id FROM unsealed_events ORDER BY tenant_id
"""
TAKE_UNSEALED = """
DELETE FROM unsealed_events WHERE tenant_id = $1 AND event_id IN (
    SELECT event_id FROM unsealed_events WHERE tenant_id = $1 ORDER BY event_id LIMIT $2)
RETURNING event_id
"""
FIND_RAW = f"SELECT {RAW} FROM events e WHERE tenant_id = $1 AND id = ANY($2) ORDER BY id"
SEAL_COLUMNS = """tenant_id, seq, first_position, last_position, first_event_id, last_event_id,
    count, previous_hash, hash, sealed_at"""
LAST_SEAL = f"""
SELECT {SEAL_COLUMNS} FROM audit_seals WHERE tenant_id = $1 ORDER BY seq DESC LIMIT 1
"""
SEALS = f"SELECT {SEAL_COLUMNS} FROM audit_seals WHERE tenant_id = $1 ORDER BY seq"
ADD_SEAL = f"INSERT INTO audit_seals ({SEAL_COLUMNS}) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)"
ADD_SEALED = """
INSERT INTO sealed_events (tenant_id, position, event_id, row_hash, chain_hash)
SELECT $1, one.position, one.event_id, one.row_hash, one.chain_hash
FROM unnest($2::bigint[], $3::uuid[], $4::bytea[], $5::bytea[])
    AS one (position, event_id, row_hash, chain_hash)
"""
SEALED_AFTER = f"""
SELECT s.position, s.event_id, s.row_hash, s.chain_hash, {RAW}
FROM sealed_events s LEFT JOIN events e ON e.tenant_id = s.tenant_id AND e.id = s.event_id
WHERE s.tenant_id = $1 AND s.position > $2 AND s.position <= $3 ORDER BY s.position LIMIT $4
"""
BEYOND_SEALS = """
SELECT min(position) FROM sealed_events WHERE tenant_id = $1 AND position > (
    SELECT coalesce(max(last_position), 0) FROM audit_seals WHERE tenant_id = $1)
"""
PARTS_OF = """
SELECT event_id, person_id, salt, body FROM event_personal
WHERE tenant_id = $1 AND event_id = ANY($2)
"""
NEVER_SEALED = """
SELECT e.id, e.occurred_at FROM events e
LEFT JOIN sealed_events s ON s.tenant_id = e.tenant_id AND s.event_id = e.id
LEFT JOIN unsealed_events u ON u.tenant_id = e.tenant_id AND u.event_id = e.id
WHERE e.tenant_id = $1 AND e.audited AND s.event_id IS NULL AND u.event_id IS NULL
ORDER BY e.id LIMIT 1
"""
IS_TENANT = "SELECT EXISTS (SELECT 1 FROM tenants WHERE id = $1)"
# Two looks at another room's tables: what was erased, by request or by age, is not missing.
ERASED = "SELECT user_id, certificate, signature FROM erasures WHERE tenant_id = $1"
KEPT_SINCE = """
SELECT removed_before FROM retention_marks WHERE tenant_id = $1 AND table_name = 'event_personal'
"""


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries are asked for. `tenant_id` None means every tenant the reader may see."""

    tenant_id: UUID | None = None
    area: str | None = None
    name: str | None = None
    actor_id: UUID | None = None
    user_id: UUID | None = None
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
        wanted.user_id,
        wanted.start_at,
        wanted.end_at,
        before,
        limit,
    )
    return [stored_event(row) for row in rows]


async def take_turn(conn: Connection, tenant_id: UUID) -> None:
    """Wait until no other seals this tenant's log; hold it until the transaction ends."""
    await conn.execute(TAKE_TURN, f"audit chain {tenant_id}")


async def list_tenants_to_seal(conn: Connection) -> list[UUID]:
    return [row["tenant_id"] for row in await conn.fetch(TENANTS_TO_SEAL)]


async def list_tenants_with_logs(conn: Connection) -> list[UUID]:
    return [row["tenant_id"] for row in await conn.fetch(TENANTS_WITH_LOGS)]


async def take_unsealed(conn: Connection, tenant_id: UUID, limit: int) -> list[Any]:
    """The oldest events no seal holds yet, as raw rows in the order of their ids."""
    taken = await conn.fetch(TAKE_UNSEALED, tenant_id, limit)
    return list(await conn.fetch(FIND_RAW, tenant_id, [row["event_id"] for row in taken]))


async def find_last_seal(conn: Connection, tenant_id: UUID) -> Seal | None:
    return await find_row(conn, Seal, LAST_SEAL, tenant_id)


async def list_seals(conn: Connection, tenant_id: UUID) -> list[Seal]:
    """Every seal, the first first."""
    return await list_rows(conn, Seal, SEALS, tenant_id)


async def add_seal(conn: Connection, seal: Seal, entries: Sequence[Entry]) -> None:
    """Keep a seal and what it holds."""
    await conn.execute(
        ADD_SEALED,
        seal.tenant_id,
        [entry.position for entry in entries],
        [entry.event_id for entry in entries],
        [entry.row_hash for entry in entries],
        [entry.chain_hash for entry in entries],
    )
    await conn.execute(ADD_SEAL, *values_of(seal, SEAL_COLUMNS))


async def list_sealed(
    conn: Connection, tenant_id: UUID, *, after: int, until: int, limit: int
) -> list[Any]:
    """What was sealed, in order, each with its event as it stands now."""
    return list(await conn.fetch(SEALED_AFTER, tenant_id, after, until, limit))


async def find_unsealed_end(conn: Connection, tenant_id: UUID) -> int | None:
    """The first place of the chain that is beyond the last seal, at this very moment."""
    found: int | None = await conn.fetchval(BEYOND_SEALS, tenant_id)
    return found


async def list_parts(
    conn: Connection, tenant_id: UUID, event_ids: Sequence[UUID]
) -> dict[tuple[UUID, UUID], tuple[bytes, str]]:
    """Salt and body of what events tell of people, by event and person."""
    rows = await conn.fetch(PARTS_OF, tenant_id, list(event_ids))
    return {(row["event_id"], row["person_id"]): (row["salt"], row["body"]) for row in rows}


async def find_never_sealed(conn: Connection, tenant_id: UUID) -> UUID | None:
    """An event that nobody queued for the chain."""
    row = await conn.fetchrow(NEVER_SEALED, tenant_id)
    return None if row is None else row["id"]


async def list_erased(conn: Connection, tenant_id: UUID) -> list[tuple[UUID, dict[str, Any], str]]:
    """The people whose data was erased on request, each with the certificate and its signature."""
    rows = await conn.fetch(ERASED, tenant_id)
    return [(row["user_id"], row["certificate"], row["signature"]) for row in rows]


async def find_kept_since(conn: Connection, tenant_id: UUID) -> datetime | None:
    """Before when personal parts were removed because of their age."""
    found: datetime | None = await conn.fetchval(KEPT_SINCE, tenant_id)
    return found


async def is_tenant(conn: Connection, tenant_id: UUID) -> bool:
    """Whether there is such a tenant in this region."""
    found: bool = await conn.fetchval(IS_TENANT, tenant_id)
    return found
