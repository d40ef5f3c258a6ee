"""Statements about SAML keys, requests under way, messages seen, and sessions."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from leanvibe_server.identity.federation.models import SsoProvider
from leanvibe_server.identity.federation.repository import COLUMNS as PROVIDER_COLUMNS
from leanvibe_server.identity.key_pairs import ENDS_AFTER
from leanvibe_server.identity.saml.models import Reading, SamlRequest, SamlSession, SpKey
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import columns_of, find_row, list_rows, values_of

# A sign-in that waits for a second factor has no session yet.
KEEP_UNUSED = timedelta(days=1)
_PROVIDER_COLUMNS = columns_of("p", PROVIDER_COLUMNS)
KEY_COLUMNS = """tenant_id, id, private_key_sealed, certificate, created_at, activated_at,
    retires_at"""
_KEY_COLUMNS = columns_of("k", KEY_COLUMNS)
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
SELECT {columns_of("m", SESSION_COLUMNS)}
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
READING_COLUMNS = "tenant_id, provider_id, due_at, tried_at, read_at, failures, error"
FIND_READING = f"""
SELECT {READING_COLUMNS} FROM saml_readings WHERE tenant_id = $1 AND provider_id = $2
"""
KEEP_READING = f"""
INSERT INTO saml_readings ({READING_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant_id, provider_id) DO UPDATE SET due_at = excluded.due_at,
    tried_at = excluded.tried_at, read_at = excluded.read_at, failures = excluded.failures,
    error = excluded.error
"""
# Of the platform login only. Of several workers one gets each.
CLAIM_READINGS = """
INSERT INTO saml_readings (tenant_id, provider_id, due_at)
SELECT p.tenant_id, p.id, $2
FROM sso_providers p JOIN tenants t ON t.id = p.tenant_id
    LEFT JOIN saml_readings r ON r.tenant_id = p.tenant_id AND r.provider_id = p.id
WHERE p.protocol = 'saml' AND p.enabled AND t.plan = ANY($3) AND t.status <> 'deleting'
    AND p.configuration #>> '{settings,metadata_url}' IS NOT NULL
    AND coalesce(p.configuration #>> '{settings,refresh_metadata}', 'true') = 'true'
    AND (r.due_at IS NULL OR r.due_at <= $1)
ORDER BY r.due_at NULLS FIRST LIMIT $4
ON CONFLICT (tenant_id, provider_id) DO UPDATE SET due_at = excluded.due_at
    WHERE saml_readings.due_at <= $1
RETURNING tenant_id, provider_id
"""
# Of the platform login only: tenants that people may sign in to by SAML.
LIST_OF_ALL = f"""
SELECT {_PROVIDER_COLUMNS} FROM sso_providers p JOIN tenants t ON t.id = p.tenant_id
WHERE p.protocol = 'saml' AND p.enabled AND t.plan = ANY($1) AND t.status <> 'deleting'
    AND ($2::uuid IS NULL OR p.id > $2) ORDER BY p.id LIMIT $3
"""
KEYS_ENDING = f"""
SELECT {_KEY_COLUMNS} FROM saml_keys k JOIN tenants t ON t.id = k.tenant_id
WHERE k.activated_at IS NOT NULL AND k.retires_at IS NULL AND k.created_at < $2
    AND t.plan = ANY($1) AND t.status <> 'deleting' AND EXISTS (SELECT 1 FROM sso_providers p
        WHERE p.tenant_id = k.tenant_id AND p.protocol = 'saml' AND p.enabled)
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
    return await list_rows(conn, SpKey, LIST_KEYS, tenant_id, now)


async def insert_key(conn: Connection, key: SpKey) -> None:
    await conn.execute(INSERT_KEY, *values_of(key, KEY_COLUMNS))


async def replace_current_key(
    conn: Connection, tenant_id: UUID, key_id: UUID, *, now: datetime, retires_at: datetime
) -> None:
    """Put a key to use; the one before it opens messages until it retires."""
    await conn.execute(RETIRE_KEYS, tenant_id, retires_at)
    await conn.execute(ACTIVATE_KEY, tenant_id, key_id, now)


async def delete_key(conn: Connection, tenant_id: UUID, key_id: UUID) -> None:
    await conn.execute(DELETE_KEY, tenant_id, key_id)


async def insert_request(conn: Connection, request: SamlRequest) -> None:
    await conn.execute(INSERT_REQUEST, *values_of(request, REQUEST_COLUMNS))


async def find_request(conn: Connection, tenant_id: UUID, handle_hash: bytes) -> SamlRequest | None:
    return await find_row(conn, SamlRequest, FIND_REQUEST, tenant_id, handle_hash)


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
    await conn.execute(NOTE_SESSION, *values_of(session, SESSION_COLUMNS))


async def find_session_behind(
    conn: Connection, tenant_id: UUID, session_id: UUID
) -> SamlSession | None:
    """What the provider calls the session and the person of a session here."""
    return await find_row(conn, SamlSession, SESSION_BEHIND, tenant_id, session_id)


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
    return await find_row(conn, SsoProvider, PROVIDER_BY_ISSUER, tenant_id, issuer)


async def find_reading(conn: Connection, tenant_id: UUID, provider_id: UUID) -> Reading | None:
    return await find_row(conn, Reading, FIND_READING, tenant_id, provider_id)


async def keep_reading(conn: Connection, reading: Reading) -> None:
    """Keep how the last try went and when the next is due."""
    await conn.execute(KEEP_READING, *values_of(reading, READING_COLUMNS))


async def claim_readings(
    conn: Connection, plans: Sequence[str], *, now: datetime, until: datetime, limit: int
) -> list[tuple[UUID, UUID]]:
    """Tenant and provider of metadata that is due in tenants with one of the plans; due again at
    `until`, should nothing come of it. Of the platform login only."""
    rows = await conn.fetch(CLAIM_READINGS, now, until, list(plans), limit)
    return [(row["tenant_id"], row["provider_id"]) for row in rows]


async def list_providers_of_all(
    conn: Connection, plans: Sequence[str], *, after: UUID | None, limit: int
) -> list[SsoProvider]:
    """Enabled SAML providers of every tenant with one of the plans. Of the platform login only."""
    return await list_rows(conn, SsoProvider, LIST_OF_ALL, list(plans), after, limit)


async def list_keys_ending(conn: Connection, plans: Sequence[str], *, now: datetime) -> list[SpKey]:
    """Keys in use whose certificates are old enough to end within months, of every such tenant
    with a SAML provider that is on. Of the platform login only."""
    return await list_rows(conn, SpKey, KEYS_ENDING, list(plans), now - ENDS_AFTER)


async def sweep(conn: Connection, *, now: datetime) -> None:
    """Forget what is over. Of the platform login only."""
    await conn.execute(SWEEP, now)
    await conn.execute(SWEEP_SESSIONS, now - KEEP_UNUSED)
