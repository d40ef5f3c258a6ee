"""Statements about sign-ins under way and logout tokens that were used."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from leanvibe_server.identity.key_pairs import ENDS_AFTER
from leanvibe_server.identity.oidc.models import ClientKey, Flow, KeptToken
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import columns_of, find_row, list_rows, values_of

# Who leaves, or is asked for a second factor, has no session for so long at most.
KEEP_FOR = timedelta(minutes=15)
COLUMNS = """tenant_id, id, provider_id, state_hash, browser_hash, redirect_uri, next_path,
    link_user_id, link_session_id, created_at, expires_at, purpose, ticket"""
INSERT = f"""
INSERT INTO oidc_flows ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""
FIND = f"SELECT {COLUMNS} FROM oidc_flows WHERE tenant_id = $1 AND state_hash = $2"
DELETE = "DELETE FROM oidc_flows WHERE tenant_id = $1 AND id = $2 RETURNING id"
USE_LOGOUT = """
INSERT INTO oidc_logouts (tenant_id, provider_id, token_id, expires_at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING token_id
"""
KEY_COLUMNS = """tenant_id, id, provider_id, private_key_sealed, certificate, created_at,
    activated_at"""
_KEY_COLUMNS = columns_of("k", KEY_COLUMNS)
LIST_KEYS = f"""
SELECT {KEY_COLUMNS} FROM oidc_client_keys WHERE tenant_id = $1 AND provider_id = $2
ORDER BY activated_at DESC NULLS FIRST
"""
INSERT_KEY = f"INSERT INTO oidc_client_keys ({KEY_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)"
FORGET_CURRENT_KEY = """
DELETE FROM oidc_client_keys
WHERE tenant_id = $1 AND provider_id = $2 AND activated_at IS NOT NULL
"""
ACTIVATE_KEY = "UPDATE oidc_client_keys SET activated_at = $3 WHERE tenant_id = $1 AND id = $2"
# Of the platform login only: keys that providers are asked with in tenants that may.
KEYS_ENDING = f"""
SELECT {_KEY_COLUMNS}, p.name AS provider_name
FROM oidc_client_keys k JOIN tenants t ON t.id = k.tenant_id
    JOIN sso_providers p ON p.tenant_id = k.tenant_id AND p.id = k.provider_id
WHERE k.activated_at IS NOT NULL AND k.created_at < $3 AND p.enabled
    AND p.configuration #>> '{{settings,token_endpoint_auth_method}}' = $2
    AND t.plan = ANY($1) AND t.status <> 'deleting'
"""
KEPT_COLUMNS = """tenant_id, id, user_id, provider_id, remote_session, id_token_sealed,
    created_at"""
# Sealed under its own id, so the one before is no row to write into.
FORGET_KEPT = """
DELETE FROM oidc_id_tokens
WHERE tenant_id = $1 AND user_id = $2 AND provider_id = $3 AND remote_session = $4
"""
# Of two sign-ins of one person at once either token will do.
KEEP = f"""
INSERT INTO oidc_id_tokens ({KEPT_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING
"""
FIND_KEPT = f"SELECT {KEPT_COLUMNS} FROM oidc_id_tokens WHERE tenant_id = $1 AND id = $2"
FIND_KEPT_OF = """
SELECT id FROM oidc_id_tokens
WHERE tenant_id = $1 AND user_id = $2 AND provider_id = $3 AND remote_session = $4
"""
# Only of the platform login: of every tenant.
SWEEP_KEPT = """
DELETE FROM oidc_id_tokens t WHERE created_at < $1 AND NOT EXISTS (
    SELECT 1 FROM sessions s WHERE s.tenant_id = t.tenant_id AND s.user_id = t.user_id
        AND s.provider_id = t.provider_id AND s.expires_at > $1
        AND (s.ended_at IS NULL OR s.ended_at > $1))
"""
SWEEP_FLOWS = "DELETE FROM oidc_flows WHERE expires_at < $1"
SWEEP_LOGOUTS = "DELETE FROM oidc_logouts WHERE expires_at < $1"


async def insert(conn: Connection, flow: Flow) -> None:
    await conn.execute(INSERT, *values_of(flow, COLUMNS))


async def find(conn: Connection, tenant_id: UUID, state_hash: bytes) -> Flow | None:
    return await find_row(conn, Flow, FIND, tenant_id, state_hash)


async def use_up(conn: Connection, flow: Flow) -> bool:
    """Take a sign-in away; False when somebody else was first."""
    return await conn.fetchval(DELETE, flow.tenant_id, flow.id) is not None


async def use_logout_token(
    conn: Connection, tenant_id: UUID, provider_id: UUID, token_id: str, *, expires_at: datetime
) -> bool:
    """Note that a logout token was used; False when it had been before."""
    row = await conn.fetchval(USE_LOGOUT, tenant_id, provider_id, token_id, expires_at)
    return row is not None


async def sweep(conn: Connection, *, now: datetime) -> None:
    """Forget sign-ins that were never finished, logout tokens too old to come again, and ID tokens
    of those who left."""
    await conn.execute(SWEEP_FLOWS, now)
    await conn.execute(SWEEP_LOGOUTS, now)
    await conn.execute(SWEEP_KEPT, now - KEEP_FOR)


async def list_client_keys(conn: Connection, tenant_id: UUID, provider_id: UUID) -> list[ClientKey]:
    """The keys a provider knows us by: the next one first, then the one in use."""
    return await list_rows(conn, ClientKey, LIST_KEYS, tenant_id, provider_id)


async def list_client_keys_ending(
    conn: Connection, plans: Sequence[str], *, method: str, now: datetime
) -> list[tuple[ClientKey, str]]:
    """Keys in use whose certificates are old enough to end within months, each with the name of
    its provider, which is on and knows us by the `method`. Of the platform login only."""
    found = await conn.fetch(KEYS_ENDING, list(plans), method, now - ENDS_AFTER)
    return [(ClientKey(**row), name) for row, name in map(_apart, found)]


def _apart(row: Any) -> tuple[dict[str, Any], str]:
    """A key's columns, and the name of its provider."""
    columns = dict(row)
    return columns, columns.pop("provider_name")


async def insert_client_key(conn: Connection, key: ClientKey) -> None:
    await conn.execute(INSERT_KEY, *values_of(key, KEY_COLUMNS))


async def replace_client_key(conn: Connection, key: ClientKey, *, now: datetime) -> None:
    """Put the next key to use and forget the one before."""
    await conn.execute(FORGET_CURRENT_KEY, key.tenant_id, key.provider_id)
    await conn.execute(ACTIVATE_KEY, key.tenant_id, key.id, now)


async def replace_id_token(conn: Connection, kept: KeptToken) -> None:
    """Keep an ID token instead of the one before of the same session at the provider."""
    await conn.execute(
        FORGET_KEPT, kept.tenant_id, kept.user_id, kept.provider_id, kept.remote_session
    )
    await conn.execute(KEEP, *values_of(kept, KEPT_COLUMNS))


async def find_id_token(conn: Connection, tenant_id: UUID, token_id: UUID) -> KeptToken | None:
    return await find_row(conn, KeptToken, FIND_KEPT, tenant_id, token_id)


async def find_id_token_of(
    conn: Connection, tenant_id: UUID, user_id: UUID, provider_id: UUID, remote_session: str
) -> UUID | None:
    """The ID token kept of a person's session at a provider."""
    found: UUID | None = await conn.fetchval(
        FIND_KEPT_OF, tenant_id, user_id, provider_id, remote_session
    )
    return found
