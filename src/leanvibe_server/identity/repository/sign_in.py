"""Statements of the platform login for sign-in: throttles and signing keys."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from leanvibe_server.identity.models import SigningKey
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import list_rows, values_of

# Failures in a row that were quiet since `$3` begin anew, and those that began before `$4`.
COUNT_FAILURE = """
INSERT INTO login_failures AS f (key, failures, last_failed_at, began_at) VALUES ($1, 1, $2, $2)
ON CONFLICT (key) DO UPDATE SET last_failed_at = $2,
    failures = CASE WHEN f.last_failed_at < $3 OR f.began_at < $4::timestamptz THEN 1
        ELSE f.failures + 1 END,
    began_at = CASE WHEN f.last_failed_at < $3 OR f.began_at < $4::timestamptz THEN $2
        ELSE f.began_at END
RETURNING failures
"""
BLOCK = "UPDATE login_failures SET blocked_until = $2 WHERE key = $1"
CLEAR_THROTTLE = "DELETE FROM login_failures WHERE key = $1"
LIST_WAITS = (
    "SELECT key, blocked_until FROM login_failures WHERE key = ANY($1) AND blocked_until > $2"
)
CLEAR_UNLESS_WAITING = f"""
WITH waits AS ({LIST_WAITS}),
cleared AS (DELETE FROM login_failures WHERE key = $3 AND NOT EXISTS (SELECT FROM waits))
SELECT key, blocked_until FROM waits
"""
SWEEP_THROTTLES = "DELETE FROM login_failures WHERE last_failed_at < $1"
BIND = "SELECT set_config('app.tenant_id', $1, true)"
LOCK_KEYS = "SELECT pg_advisory_xact_lock(hashtextextended('signing keys', 0))"
KEY_COLUMNS = "kid, algorithm, private_key_sealed, public_jwk, created_at, retires_at"
LIST_KEYS = f"""
SELECT {KEY_COLUMNS} FROM signing_keys WHERE retires_at IS NULL OR retires_at > $1
ORDER BY created_at, kid
"""
INSERT_KEY = f"INSERT INTO signing_keys ({KEY_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)"
# A key that is on its way out leaves no later than it would have.
RETIRE_KEYS = """
UPDATE signing_keys SET retires_at = $2
WHERE kid <> $1 AND (retires_at IS NULL OR retires_at > $2)
"""


async def list_waits(
    conn: Connection, keys: Sequence[bytes], *, now: datetime
) -> dict[bytes, datetime]:
    """Until when each of `keys` must wait that must."""
    return {row["key"]: row["blocked_until"] for row in await conn.fetch(LIST_WAITS, keys, now)}


async def count_failure(
    conn: Connection,
    key: bytes,
    *,
    now: datetime,
    forget_before: datetime,
    began_before: datetime | None,
) -> int:
    """One failure more; returns how many there are in a row."""
    failures: int = await conn.fetchval(COUNT_FAILURE, key, now, forget_before, began_before)
    return failures


async def block(conn: Connection, key: bytes, until: datetime) -> None:
    await conn.execute(BLOCK, key, until)


async def clear_throttle(conn: Connection, key: bytes) -> None:
    await conn.execute(CLEAR_THROTTLE, key)


async def clear_unless_waiting(
    conn: Connection, key: bytes, every: Sequence[bytes], *, now: datetime
) -> dict[bytes, datetime]:
    """Forget the failures of one key, unless some of `every` must wait: until when those must."""
    rows = await conn.fetch(CLEAR_UNLESS_WAITING, every, now, key)
    return {row["key"]: row["blocked_until"] for row in rows}


async def sweep_throttles(conn: Connection, *, before: datetime) -> None:
    """Forget failures that are long past."""
    await conn.execute(SWEEP_THROTTLES, before)


async def bind_tenant(conn: Connection, tenant_id: UUID) -> None:
    """Let rows and events that follow in this transaction belong to `tenant_id`."""
    await conn.execute(BIND, str(tenant_id))


async def lock_signing_keys(conn: Connection) -> None:
    """Two processes that start at once make one key between them."""
    await conn.execute(LOCK_KEYS)


async def list_signing_keys(conn: Connection, *, now: datetime) -> list[SigningKey]:
    """The keys whose tokens may still be around, oldest first."""
    return await list_rows(conn, SigningKey, LIST_KEYS, now)


async def insert_signing_key(conn: Connection, key: SigningKey) -> None:
    await conn.execute(INSERT_KEY, *values_of(key, KEY_COLUMNS))


async def retire_other_keys(conn: Connection, kid: str, *, retires_at: datetime) -> None:
    await conn.execute(RETIRE_KEYS, kid, retires_at)


async def set_savepoint(conn: Connection) -> None:
    """What follows can be undone without ending the transaction."""
    await conn.execute("SAVEPOINT before_sign_up")


async def undo_to_savepoint(conn: Connection) -> None:
    await conn.execute("ROLLBACK TO SAVEPOINT before_sign_up")
