"""Statements about sessions and their refresh tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from leanvibe_server.identity.models import RefreshToken, Session
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import find_row, list_rows

SESSION_COLUMNS = """tenant_id, id, user_id, kind, address, user_agent, created_at, last_seen_at,
    expires_at, ended_at, ended_reason, amr, authenticated_at, provider_id, remote_session"""
INSERT_SESSION = """
INSERT INTO sessions (tenant_id, id, user_id, kind, cookie_hash, address, user_agent, created_at,
    last_seen_at, expires_at, amr, authenticated_at, provider_id, remote_session)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $14, $9, $10, $11, $12, $13)
"""
# In one statement: the session, its first refresh token where it has one, the time at the user,
# the device, noted once a day, whether it is a new one, and whether `$18` sessions or more were
# open before.
OPEN_SESSION = f"""
WITH opened AS ({INSERT_SESSION}), renewable AS (
    INSERT INTO refresh_tokens (tenant_id, id, session_id, token_hash, client_hash, created_at)
    SELECT $1, $15, $2, $16, $17, $8 WHERE $15::uuid IS NOT NULL
), seen AS (
    UPDATE users SET last_login_at = $8 WHERE tenant_id = $1 AND id = $3
), noted AS (
    INSERT INTO known_devices AS d (tenant_id, user_id, mark, first_seen_at, last_seen_at)
    VALUES ($1, $3, $19, $8, $8)
    ON CONFLICT (tenant_id, user_id, mark) DO UPDATE SET last_seen_at = $8
        WHERE d.last_seen_at < $8 - interval '1 day'
    RETURNING first_seen_at = $8 AS is_new
)
SELECT EXISTS (
    SELECT FROM sessions
    WHERE tenant_id = $1 AND user_id = $3 AND ended_at IS NULL AND expires_at > $8
    OFFSET $18 - 1) AS full, coalesce((SELECT is_new FROM noted), false) AS new_device
"""
# A session that a provider opened is over with the provider, whatever was going on meanwhile.
ENDED_AT = """CASE WHEN s.provider_id IS NULL OR EXISTS (SELECT 1 FROM sso_providers
        WHERE tenant_id = s.tenant_id AND id = s.provider_id AND enabled)
    THEN s.ended_at ELSE coalesce(s.ended_at, s.created_at) END"""
_FOUND = SESSION_COLUMNS.replace("ended_at,", f"{ENDED_AT} AS ended_at,", 1)
FIND_SESSION = f"SELECT {_FOUND} FROM sessions s WHERE s.tenant_id = $1 AND s.id = $2"
END_SESSION = """
UPDATE sessions SET ended_at = $3, ended_reason = $4
WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL RETURNING id
"""
END_SESSIONS_OF_USER = """
UPDATE sessions SET ended_at = $3, ended_reason = $4
WHERE tenant_id = $1 AND user_id = $2 AND ended_at IS NULL
    AND ($5::uuid IS NULL OR id <> $5) RETURNING id
"""
LIVE_SESSIONS = f"""
SELECT {SESSION_COLUMNS} FROM sessions
WHERE tenant_id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $3
ORDER BY created_at, id
"""
COUNT_LIVE = """
SELECT count(*) FROM sessions WHERE tenant_id = $1 AND ended_at IS NULL AND expires_at > $2
    AND last_seen_at > CASE kind WHEN 'web' THEN $3::timestamptz ELSE $5::timestamptz END
    AND created_at > CASE kind WHEN 'web' THEN $4::timestamptz ELSE $6::timestamptz END
"""
# The shorter of the product's limits and each tenant's own.
TALLY_LIVE = """
SELECT s.tenant_id, count(*) AS number FROM sessions s JOIN tenants t ON t.id = s.tenant_id
WHERE s.tenant_id = ANY ($1) AND s.ended_at IS NULL AND s.expires_at > $2
    AND s.last_seen_at > $2 - least(
        CASE s.kind WHEN 'web' THEN $3::interval ELSE $5::interval END,
        make_interval(mins => (t.security->>'session_idle_minutes')::int))
    AND s.created_at > $2 - least(
        CASE s.kind WHEN 'web' THEN $4::interval ELSE $6::interval END,
        make_interval(hours => (t.security->>'session_absolute_hours')::int))
GROUP BY s.tenant_id
"""
SEE_SESSION = "UPDATE sessions SET last_seen_at = $3 WHERE tenant_id = $1 AND id = $2"
ADD_AMR = """
UPDATE sessions SET amr = ARRAY(SELECT DISTINCT unnest(amr || $3::text[]))
WHERE tenant_id = $1 AND id = $2
"""
INSERT_REFRESH = """
INSERT INTO refresh_tokens (tenant_id, id, session_id, token_hash, client_hash, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""
REFRESH_COLUMNS = "id, session_id, client_hash, created_at, used_at"
LOCK_REFRESH = f"""
SELECT {REFRESH_COLUMNS} FROM refresh_tokens
WHERE tenant_id = $1 AND token_hash = $2 FOR NO KEY UPDATE
"""
USE_REFRESH = """
UPDATE refresh_tokens SET used_at = $3, client_hash = $4 WHERE tenant_id = $1 AND id = $2
"""
# A used token is kept as long as its session lives, so that a thief's copy is recognised.
# Only of the platform login: sessions of every tenant.
SWEEP_SESSIONS = "DELETE FROM sessions WHERE expires_at < $1 OR ended_at < $1"


@dataclass(frozen=True)
class Found:
    """What a sign-in finds: whether as many sessions as may be are open, and whether the person
    has not come from this device before."""

    full: bool
    new_device: bool


async def add_amr(conn: Connection, tenant_id: UUID, session_id: UUID, amr: Sequence[str]) -> None:
    """Note what else was proved in a session."""
    await conn.execute(ADD_AMR, tenant_id, session_id, list(amr))


def _values(session: Session, cookie_hash: bytes | None) -> tuple[Any, ...]:
    return (
        session.tenant_id,
        session.id,
        session.user_id,
        session.kind,
        cookie_hash,
        session.address,
        session.user_agent,
        session.created_at,
        session.expires_at,
        session.amr,
        session.authenticated_at,
        session.provider_id,
        session.remote_session,
        session.last_seen_at,
    )


async def insert_session(conn: Connection, session: Session, *, cookie_hash: bytes | None) -> None:
    await conn.execute(INSERT_SESSION, *_values(session, cookie_hash))


async def open_session(
    conn: Connection,
    session: Session,
    *,
    cookie_hash: bytes | None,
    token: RefreshToken | None,
    token_hash: bytes | None,
    limit: int,
    device_mark: bytes,
) -> Found:
    """Begin a session and note it as the user's last login, from that device; returns what was
    there before, of open sessions also those that have rested too long."""
    refresh = (None, None) if token is None else (token.id, token.client_hash)
    (row,) = await conn.fetch(
        OPEN_SESSION,
        *_values(session, cookie_hash),
        refresh[0],
        token_hash,
        refresh[1],
        limit,
        device_mark,
    )
    return Found(**row)


async def find_session(conn: Connection, tenant_id: UUID, session_id: UUID) -> Session | None:
    return await find_row(conn, Session, FIND_SESSION, tenant_id, session_id)


async def end_session(
    conn: Connection, tenant_id: UUID, session_id: UUID, *, reason: str, now: datetime
) -> bool:
    """End a session; False when it had ended before or never was."""
    return await conn.fetchval(END_SESSION, tenant_id, session_id, now, reason) is not None


async def end_sessions_of_user(
    conn: Connection,
    tenant_id: UUID,
    user_id: UUID,
    *,
    reason: str,
    now: datetime,
    keep: UUID | None = None,
) -> list[UUID]:
    rows = await conn.fetch(END_SESSIONS_OF_USER, tenant_id, user_id, now, reason, keep)
    return [row["id"] for row in rows]


async def list_live(
    conn: Connection, tenant_id: UUID, user_id: UUID, *, now: datetime
) -> list[Session]:
    """The sessions of a user that have not ended, oldest first."""
    return await list_rows(conn, Session, LIVE_SESSIONS, tenant_id, user_id, now)


async def count_live(
    conn: Connection,
    tenant_id: UUID,
    *,
    now: datetime,
    web: tuple[datetime, datetime],
    token: tuple[datetime, datetime],
) -> int:
    """How many sessions hold; `web` and `token` say when one of that kind must have been seen
    and have begun at the earliest."""
    count: int = await conn.fetchval(COUNT_LIVE, tenant_id, now, *web, *token)
    return count


async def tally_live(
    conn: Connection,
    tenant_ids: Sequence[UUID],
    *,
    now: datetime,
    web: tuple[timedelta, timedelta],
    token: tuple[timedelta, timedelta],
) -> dict[UUID, int]:
    """How many sessions hold in each of several tenants; `web` and `token` say how long one of
    that kind may rest and last at most."""
    found = await conn.fetch(TALLY_LIVE, list(tenant_ids), now, *web, *token)
    return {row["tenant_id"]: row["number"] for row in found}


async def see_session(
    conn: Connection, tenant_id: UUID, session_id: UUID, *, now: datetime
) -> None:
    await conn.execute(SEE_SESSION, tenant_id, session_id, now)


async def insert_refresh_token(
    conn: Connection,
    tenant_id: UUID,
    token: RefreshToken,
    *,
    token_hash: bytes,
) -> None:
    await conn.execute(
        INSERT_REFRESH,
        tenant_id,
        token.id,
        token.session_id,
        token_hash,
        token.client_hash,
        token.created_at,
    )


async def lock_refresh_token(
    conn: Connection, tenant_id: UUID, token_hash: bytes
) -> RefreshToken | None:
    """The token; a second presentation waits here until the first has been answered."""
    return await find_row(conn, RefreshToken, LOCK_REFRESH, tenant_id, token_hash)


async def use_refresh_token(
    conn: Connection, tenant_id: UUID, token_id: UUID, *, client_hash: bytes, now: datetime
) -> None:
    await conn.execute(USE_REFRESH, tenant_id, token_id, now, client_hash)


async def sweep_sessions(conn: Connection, *, before: datetime) -> None:
    """Forget sessions that ended before a moment, with their tokens."""
    await conn.execute(SWEEP_SESSIONS, before)
