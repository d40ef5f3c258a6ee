"""Every SQL statement of the compliance room.

Tables, columns and conditions come from the registry of personal data, which is code; values of
callers are always parameters.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from leanvibe_server.compliance.models import Consent, Erased, Export, Hold
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.personal_data import Retention, Subject, TableData
from leanvibe_server.kernel.rows import find_row, list_rows, values_of

EXPORT = """tenant_id, id, user_id, status, requested_by, requested_at, ready_at, expires_at,
    size_bytes, sha256, file_key_sealed"""
ADD_EXPORT = f"INSERT INTO privacy_exports ({EXPORT}) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)"
FIND_EXPORT = f"SELECT {EXPORT} FROM privacy_exports WHERE tenant_id = $1 AND id = $2"
LIST_EXPORTS = f"""
SELECT {EXPORT} FROM privacy_exports
WHERE tenant_id = $1 AND ($2::uuid IS NULL OR user_id = $2 AND requested_by = $2)
  AND ($3::uuid IS NULL OR id < $3)
ORDER BY id DESC LIMIT $4
"""
FINISH_EXPORT = """
UPDATE privacy_exports SET status = $3, ready_at = $4, size_bytes = $5, sha256 = $6,
    file_key_sealed = $7
WHERE tenant_id = $1 AND id = $2 AND status = 'queued' RETURNING id
"""
FAIL_EXPORT = """
UPDATE privacy_exports SET status = 'failed'
WHERE tenant_id = $1 AND id = $2 AND status = 'queued' RETURNING id
"""
EXPIRE_OF = """
UPDATE privacy_exports SET status = 'expired', file_key_sealed = NULL
WHERE tenant_id = $1 AND status IN ('queued', 'ready') AND (user_id = $2 OR user_id IS NULL)
RETURNING id
"""
EXPIRE_ONE = """
UPDATE privacy_exports SET status = 'expired', file_key_sealed = NULL
WHERE tenant_id = $1 AND id = $2 AND status <> 'expired' RETURNING id
"""
LIST_DUE = """
SELECT tenant_id, id FROM privacy_exports WHERE status <> 'expired' AND expires_at <= $1 LIMIT 500
"""
PENDING = "SELECT count(*) FROM privacy_exports WHERE tenant_id = $1 AND status = 'queued'"
ERASED = "tenant_id, id, user_id, requested_by, erased_at, certificate, signature"
ADD_ERASED = f"INSERT INTO erasures ({ERASED}) VALUES ($1, $2, $3, $4, $5, $6, $7)"
FIND_ERASED = f"SELECT {ERASED} FROM erasures WHERE tenant_id = $1 AND id = $2"
LIST_ERASED = f"""
SELECT {ERASED} FROM erasures WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2)
ORDER BY id DESC LIMIT $3
"""
CONSENT = "tenant_id, id, user_id, purpose, version, given, recorded_by, recorded_at"
ADD_CONSENT = f"INSERT INTO consents ({CONSENT}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
LIST_CONSENTS = f"""
SELECT {CONSENT} FROM consents
WHERE tenant_id = $1 AND ($2::uuid IS NULL OR user_id = $2) AND ($3::uuid IS NULL OR id < $3)
ORDER BY id DESC LIMIT $4
"""
HOLD = "tenant_id, id, user_id, reason, placed_by, placed_at"
ADD_HOLD = f"""
INSERT INTO legal_holds ({HOLD}) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING RETURNING id
"""
LIST_HOLDS = f"""
SELECT {HOLD} FROM legal_holds WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2)
ORDER BY id DESC LIMIT $3
"""
LIFT_HOLD = f"DELETE FROM legal_holds WHERE tenant_id = $1 AND id = $2 RETURNING {HOLD}"
PERIODS = "SELECT table_name, days FROM retention_periods WHERE tenant_id = $1"
SET_PERIOD = """
INSERT INTO retention_periods (tenant_id, table_name, days, changed_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, table_name) DO UPDATE SET days = $3, changed_at = $4
"""
MARK = """
INSERT INTO retention_marks (tenant_id, table_name, removed_before)
SELECT tenant_id, $1, max(before)
FROM unnest($2::uuid[], $3::timestamptz[]) AS removed (tenant_id, before)
GROUP BY tenant_id
ON CONFLICT (tenant_id, table_name) DO UPDATE
    SET removed_before = greatest(retention_marks.removed_before, excluded.removed_before)
"""
# Those the person had or asked for here, and that nobody else bears now.
EARLIER_ADDRESSES = """
SELECT DISTINCT lower(found[1]) AS email
FROM event_personal p
JOIN events e ON e.tenant_id = p.tenant_id AND e.id = p.event_id,
    regexp_matches((p.body::jsonb -> 'payload')::text, '([^"[:space:]]+@[^"[:space:]]+)', 'g') found
WHERE p.tenant_id = $1 AND p.person_id = $2 AND e.payload ->> 'user_id' = $2::text
  AND NOT EXISTS (SELECT 1 FROM users u WHERE u.tenant_id = $1 AND u.email = lower(found[1]))
ORDER BY email
"""
SCHEMA = """
SELECT c.table_name, array_agg(c.column_name::text ORDER BY c.ordinal_position) AS columns
FROM information_schema.columns c
JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
GROUP BY c.table_name
HAVING bool_or(c.column_name = 'tenant_id') OR c.table_name = 'tenants'
ORDER BY c.table_name
"""


async def add_export(conn: Connection, export: Export) -> None:
    await conn.execute(ADD_EXPORT, *values_of(export, EXPORT))


async def find_export(conn: Connection, tenant_id: UUID, export_id: UUID) -> Export | None:
    return await find_row(conn, Export, FIND_EXPORT, tenant_id, export_id)


async def list_exports(
    conn: Connection, tenant_id: UUID, *, own_of: UUID | None, after: UUID | None, limit: int
) -> list[Export]:
    """The newest first; `own_of` shows what a person asked for of their own data."""
    return await list_rows(conn, Export, LIST_EXPORTS, tenant_id, own_of, after, limit)


async def count_pending(conn: Connection, tenant_id: UUID) -> int:
    found: int = await conn.fetchval(PENDING, tenant_id)
    return found


async def finish_export(
    conn: Connection,
    export: Export,
    *,
    status: str,
    now: datetime,
    size_bytes: int | None,
    sha256: str | None,
    file_key_sealed: bytes | None,
) -> bool:
    """Note how an export ended; False when it was withdrawn meanwhile."""
    done = await conn.fetchval(
        FINISH_EXPORT, export.tenant_id, export.id, status, now, size_bytes, sha256,
        file_key_sealed,
    )  # fmt: skip
    return done is not None


async def fail_export(conn: Connection, tenant_id: UUID, export_id: UUID) -> bool:
    """Give an export up; False when it is not under way."""
    return await conn.fetchval(FAIL_EXPORT, tenant_id, export_id) is not None


async def expire_exports_of(conn: Connection, tenant_id: UUID, user_id: UUID) -> list[UUID]:
    """Withdraw every file that may tell of a person: theirs, and those of the whole tenant."""
    return [row["id"] for row in await conn.fetch(EXPIRE_OF, tenant_id, user_id)]


async def expire_export(conn: Connection, tenant_id: UUID, export_id: UUID) -> bool:
    return await conn.fetchval(EXPIRE_ONE, tenant_id, export_id) is not None


async def list_due(conn: Connection, *, now: datetime) -> list[tuple[UUID, UUID]]:
    """Exports whose time is over, as tenant and id."""
    return [(row["tenant_id"], row["id"]) for row in await conn.fetch(LIST_DUE, now)]


async def add_erased(conn: Connection, erased: Erased) -> None:
    await conn.execute(ADD_ERASED, *values_of(erased, ERASED))


async def find_erased(conn: Connection, tenant_id: UUID, erasure_id: UUID) -> Erased | None:
    return await find_row(conn, Erased, FIND_ERASED, tenant_id, erasure_id)


async def list_erased(
    conn: Connection, tenant_id: UUID, *, after: UUID | None, limit: int
) -> list[Erased]:
    return await list_rows(conn, Erased, LIST_ERASED, tenant_id, after, limit)


async def add_hold(conn: Connection, hold: Hold) -> bool:
    """Place a legal hold; False when there is one already."""
    made = await conn.fetchval(ADD_HOLD, *values_of(hold, HOLD))
    return made is not None


async def list_holds(
    conn: Connection, tenant_id: UUID, *, after: UUID | None, limit: int
) -> list[Hold]:
    return await list_rows(conn, Hold, LIST_HOLDS, tenant_id, after, limit)


async def lift_hold(conn: Connection, tenant_id: UUID, hold_id: UUID) -> Hold | None:
    """End a legal hold, and say what it was."""
    return await find_row(conn, Hold, LIFT_HOLD, tenant_id, hold_id)


async def add_consent(conn: Connection, consent: Consent) -> None:
    await conn.execute(ADD_CONSENT, *values_of(consent, CONSENT))


async def list_consents(
    conn: Connection, tenant_id: UUID, *, user_id: UUID | None, after: UUID | None, limit: int
) -> list[Consent]:
    return await list_rows(conn, Consent, LIST_CONSENTS, tenant_id, user_id, after, limit)


async def list_periods(conn: Connection, tenant_id: UUID) -> dict[str, int]:
    """The tenant's own retention periods, in days by table."""
    return {row["table_name"]: row["days"] for row in await conn.fetch(PERIODS, tenant_id)}


async def set_period(
    conn: Connection, tenant_id: UUID, table: str, days: int, *, now: datetime
) -> None:
    await conn.execute(SET_PERIOD, tenant_id, table, days, now)


def removing(table: TableData, kept: Retention) -> str:
    """Delete what is older than each tenant's period; $2 days where a tenant says nothing. What a
    legal hold keeps stays: of one person where it names one, else of all."""
    of_person = (table.person or "false").format(person="held_person", email="held_email")
    held = f"""SELECT 1 FROM (
        SELECT h.tenant_id AS held_tenant, h.user_id AS held_person, u.email AS held_email
        FROM legal_holds h LEFT JOIN users u ON u.tenant_id = h.tenant_id AND u.id = h.user_id) h
        WHERE held_tenant = x.tenant_id AND (held_person IS NULL OR {of_person})"""
    moment = f"""$1::timestamptz - make_interval(days => coalesce((
        SELECT r.days FROM retention_periods r
        WHERE r.tenant_id = x.tenant_id AND r.table_name = '{table.table}'), $2::int))"""
    return f"""
        DELETE FROM {table.table} x WHERE {kept.only} AND x.{kept.column} < {moment}
            AND NOT EXISTS ({held})
        RETURNING x.tenant_id, {moment} AS before
    """


async def remove_aged(conn: Connection, table: TableData, kept: Retention, *, now: datetime) -> int:
    """Delete what is too old in every tenant of the region, and note until when that was."""
    rows = await conn.fetch(removing(table, kept), now, kept.days)
    if rows:
        tenants = [row["tenant_id"] for row in rows]
        await conn.execute(MARK, table.table, tenants, [row["before"] for row in rows])
    return len(rows)


async def list_earlier_addresses(conn: Connection, tenant_id: UUID, user_id: UUID) -> list[str]:
    """The addresses of a person beside that of their account, as far as the log knows them."""
    return [row["email"] for row in await conn.fetch(EARLIER_ADDRESSES, tenant_id, user_id)]


async def read_schema(conn: Connection) -> dict[str, list[str]]:
    """The columns of every table that belongs to tenants, as this login sees them."""
    return {row["table_name"]: row["columns"] for row in await conn.fetch(SCHEMA)}


def of_person(table: TableData) -> str:
    """The condition that finds a person's rows; $2 is the id, $3 the address."""
    named = (table.person or "false").format(person="$2::uuid", email="$3::text")
    return f"({named}) AND $2::uuid IS NOT NULL AND $3::text IS NOT NULL"


async def read_rows(
    conn: Connection, table: TableData, tenant_id: UUID, subject: Subject | None
) -> AsyncIterator[str]:
    """The rows of a table, each as JSON without what is withheld."""
    bound, values = f"x.{table.tenant_column} = $1", [tenant_id, sorted(table.withheld)]
    shown = "(to_jsonb(x) - $2::text[])::text"
    if subject is not None:
        bound = f"{bound} AND {of_person(table)}"
        values = [tenant_id, subject.user_id, subject.email, sorted(table.withheld)]
        shown = "(to_jsonb(x) - $4::text[])::text"
    statement = f"SELECT {shown} FROM {table.table} x WHERE {bound}"
    async for row in conn.cursor(statement, *values, prefetch=500):
        yield row[0]


async def delete_of_person(
    conn: Connection, table: TableData, tenant_id: UUID, subject: Subject
) -> int:
    """Delete a person's rows. Returns how many there were."""
    statement = f"DELETE FROM {table.table} WHERE {table.tenant_column} = $1 AND {of_person(table)}"
    answer: str = await conn.execute(statement, tenant_id, subject.user_id, subject.email)
    return int(answer.rpartition(" ")[2])


async def count_of_person(
    conn: Connection, table: TableData, tenant_id: UUID, subject: Subject
) -> int:
    """How many rows of a person a table holds."""
    bound = f"{table.tenant_column} = $1 AND {of_person(table)}"
    statement = f"SELECT count(*) FROM {table.table} WHERE {bound}"
    found: int = await conn.fetchval(statement, tenant_id, subject.user_id, subject.email)
    return found


async def count_mentions(conn: Connection, table: TableData, tenant_id: UUID, email: str) -> int:
    """In how many rows of a table an address still stands, in whichever column."""
    statement = f"""
        SELECT count(*) FROM {table.table} x
        WHERE x.{table.tenant_column} = $1 AND position(lower($2) IN lower(x::text)) > 0
    """
    found: int = await conn.fetchval(statement, tenant_id, email)
    return found


async def in_one_view(conn: Connection) -> None:
    """See all tables as they are at one moment; called before the first look."""
    await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
