"""Statements about SAML keys, requests under way, messages seen, and sessions."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from leanvibe_server.identity.federation.models import SsoProvider
from leanvibe_server.identity.federation.repository import COLUMNS as PROVIDER_COLUMNS
from leanvibe_server.identity.saml.models import SamlRequest, SamlSession, SpKey
from leanvibe_server.kernel.db import Connection

# A sign-in that waits for a second factor has no session yet.
KEEP_UNUSED = timedelta(days=1)
KEY_COLUMNS = """tenant_id, id, private_key_sealed, certificate, created_at, activated_at,
    retires_at"""
LIST_KEYS = f"""
SELECT {KEY_COLUMNS} FROM saml_keys
WHERE tenant_id = $1 AND (retires_at IS NULL OR retires_at > $2) ORDER BY created_at DESC, id DESC
"""
LOCK_KEYS = "SELECT pg_advisory_xact_lock(hashtextextended($1, 6))"
INSERT_KEY = f"INSERT INTO saml_keys ({KEY_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)"
ACTIVATE_KEY = "UPDATE saml_keys SET activated_at = $3 WHERE tenant_id = $1 AND id = $2"
RETIRE_KEYS = """
UPDATE saml_keys SET retires_at = $2
WHERE tenant_id = $1 AND activated_at IS NOT NULL AND retires_at IS NULL
"""
DELETE_KEY = "DELETE FROM saml_keys WHERE tenant_id = $1 AND id = $2"
REQUEST_COLUMNS = """tenant_id, id, provider_id, purpose, request_id, handle_hash, browser_hash,
    next_path, link_user_id, link_session_id, created_at, expires_at, consumed_at, ticket"""
INSERT_REQUEST = f"""
INSERT INTO saml_requests ({REQUEST_COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""
FIND_REQUEST = f"""
SELECT {REQUEST_COLUMNS} FROM saml_requests WHERE tenant_id = $1 AND handle_hash = $2
"""
CONSUME_REQUEST = """
UPDATE saml_requests SET consumed_at = $3
WHERE tenant_id = $1 AND id = $2 AND consumed_at IS NULL AND expires_at > $3 RETURNING id
"""
TAKE_TICKET = """
WITH answered AS (
    SELECT id, ticket FROM saml_requests
    WHERE tenant_id = $1 AND handle_hash = $2 AND link_user_id = $3 AND purpose = 'step_up'
        AND consumed_at IS NOT NULL AND ticket IS NOT NULL FOR UPDATE
)
UPDATE saml_requests r SET ticket = NULL FROM answered a
WHERE r.tenant_id = $1 AND r.id = a.id RETURNING a.ticket
"""
# Who comes second at the same time waits here for the first to commit, and then finds the row.
SEE_MESSAGE = """
INSERT INTO saml_messages (tenant_id, provider_id, message_id, expires_at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING message_id
"""
SESSION_COLUMNS = """tenant_id, provider_id, remote_session, name_id, name_format, name_qualifier,
    sp_name_qualifier, session_index, created_at"""
NOTE_SESSION = f"""
INSERT INTO saml_sessions ({SESSION_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (tenant_id, provider_id, remote_session) DO NOTHING
"""
SESSION_BEHIND = f"""
SELECT {", ".join("m." + name.strip() for name in SESSION_COLUMNS.split(","))}
FROM sessions s JOIN saml_sessions m
    ON m.tenant_id = s.tenant_id AND m.provider_id = s.provider_id
    AND m.remote_session = s.remote_session
WHERE s.tenant_id = $1 AND s.id = $2
"""
# A provider's name for a person is only one together with its format.
SESSIONS_OF_PERSON = """
SELECT m.remote_session, s.id FROM saml_sessions m LEFT JOIN sessions s
    ON s.tenant_id = m.tenant_id AND s.provider_id = m.provider_id
    AND s.remote_session = m.remote_session AND s.ended_at IS NULL
WHERE m.tenant_id = $1 AND m.provider_id = $2 AND m.name_id = $3
    AND ($4::text IS NULL OR m.name_format IS NULL OR m.name_format = $4)
    AND (cardinality($5::text[]) = 0 OR m.session_index = ANY($5))
ORDER BY s.id
"""
PROVIDER_BY_ISSUER = f"""
SELECT {PROVIDER_COLUMNS} FROM sso_providers
WHERE tenant_id = $1 AND protocol = 'saml' AND issuer = $2 ORDER BY NOT enabled, id LIMIT 1
"""
# Of the platform login only: what is over in every tenant.
SWEEP = """
WITH messages AS (DELETE FROM saml_messages WHERE expires_at < $1),
     keys AS (DELETE FROM saml_keys WHERE retires_at < $1)
DELETE FROM saml_requests WHERE expires_at < $1
"""
SWEEP_SESSIONS = """
DELETE FROM saml_sessions m WHERE created_at < $1 AND NOT EXISTS (
    SELECT 1 FROM sessions s WHERE s.tenant_id = m.tenant_id AND s.provider_id = m.provider_id
        AND s.remote_session = m.remote_session)
"""


async def lock_keys(conn: Connection, tenant_id: UUID) -> None:
    """Have those who make or change the tenant's keys come one after the other."""
    await conn.execute(LOCK_KEYS, str(tenant_id))


async def list_keys(conn: Connection, tenant_id: UUID, *, now: datetime) -> list[SpKey]:
    """The keys that are still of use, newest first."""
    return [SpKey(**row) for row in await conn.fetch(LIST_KEYS, tenant_id, now)]


async def insert_key(conn: Connection, key: SpKey) -> None:
    await conn.execute(
        INSERT_KEY,
        key.tenant_id,
        key.id,
        key.private_key_sealed,
        key.certificate,
        key.created_at,
        key.activated_at,
        key.retires_at,
    )


async def replace_current_key(
    conn: Connection, tenant_id: UUID, key_id: UUID, *, now: datetime, retires_at: datetime
) -> None:
    """Put a key to use; the one before it opens messages until it retires."""
    await conn.execute(RETIRE_KEYS, tenant_id, retires_at)
    await conn.execute(ACTIVATE_KEY, tenant_id, key_id, now)


async def delete_key(conn: Connection, tenant_id: UUID, key_id: UUID) -> None:
    await conn.execute(DELETE_KEY, tenant_id, key_id)


async def insert_request(conn: Connection, request: SamlRequest) -> None:
    await conn.execute(
        INSERT_REQUEST,
        request.tenant_id,
        request.id,
        request.provider_id,
        request.purpose,
        request.request_id,
        request.handle_hash,
        request.browser_hash,
        request.next_path,
        request.link_user_id,
        request.link_session_id,
        request.created_at,
        request.expires_at,
        request.consumed_at,
        request.ticket,
    )


async def find_request(conn: Connection, tenant_id: UUID, handle_hash: bytes) -> SamlRequest | None:
    row = await conn.fetchrow(FIND_REQUEST, tenant_id, handle_hash)
    return None if row is None else SamlRequest(**row)


async def consume_request(
    conn: Connection, tenant_id: UUID, request_id: UUID, *, now: datetime
) -> bool:
    """Use a request up; False when it had been, or its time is over."""
    return await conn.fetchval(CONSUME_REQUEST, tenant_id, request_id, now) is not None


async def take_ticket(
    conn: Connection, tenant_id: UUID, handle_hash: bytes, *, user_id: UUID
) -> str | None:
    """The form that waited for an answered request of that person; it is given out once."""
    found: str | None = await conn.fetchval(TAKE_TICKET, tenant_id, handle_hash, user_id)
    return found


async def see_message(
    conn: Connection, tenant_id: UUID, provider_id: UUID, message_id: str, *, expires_at: datetime
) -> bool:
    """Note that a message was taken; False when it had been."""
    found = await conn.fetchval(SEE_MESSAGE, tenant_id, provider_id, message_id, expires_at)
    return found is not None


async def note_session(conn: Connection, session: SamlSession) -> None:
    """Keep what a logout will have to name."""
    await conn.execute(
        NOTE_SESSION,
        session.tenant_id,
        session.provider_id,
        session.remote_session,
        session.name_id,
        session.name_format,
        session.name_qualifier,
        session.sp_name_qualifier,
        session.session_index,
        session.created_at,
    )


async def find_session_behind(
    conn: Connection, tenant_id: UUID, session_id: UUID
) -> SamlSession | None:
    """What the provider calls the session and the person of a session here."""
    row = await conn.fetchrow(SESSION_BEHIND, tenant_id, session_id)
    return None if row is None else SamlSession(**row)


async def list_sessions_of(
    conn: Connection,
    tenant_id: UUID,
    provider_id: UUID,
    *,
    name_id: str,
    name_format: str | None,
    indexes: Sequence[str],
) -> list[tuple[str, UUID | None]]:
    """The sessions of one person at a provider, of these indexes or all, each with the live
    session here, if there is one. Empty when the person never came with such a session."""
    rows = await conn.fetch(
        SESSIONS_OF_PERSON, tenant_id, provider_id, name_id, name_format, list(indexes)
    )
    return [(row["remote_session"], row["id"]) for row in rows]


async def find_provider_by_issuer(
    conn: Connection, tenant_id: UUID, issuer: str
) -> SsoProvider | None:
    """The SAML provider of that entity ID, an enabled one first."""
    row: Any = await conn.fetchrow(PROVIDER_BY_ISSUER, tenant_id, issuer)
    return None if row is None else SsoProvider(**row)


async def sweep(conn: Connection, *, now: datetime) -> None:
    """Forget what is over. Of the platform login only."""
    await conn.execute(SWEEP, now)
    await conn.execute(SWEEP_SESSIONS, now - KEEP_UNUSED)
