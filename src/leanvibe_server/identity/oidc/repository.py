"""Statements about sign-ins under way and logout tokens that were used."""

from datetime import datetime
from uuid import UUID

from leanvibe_server.identity.oidc.models import ClientKey, Flow
from leanvibe_server.kernel.db import Connection

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
# Only of the platform login: of every tenant.
SWEEP_FLOWS = "DELETE FROM oidc_flows WHERE expires_at < $1"
SWEEP_LOGOUTS = "DELETE FROM oidc_logouts WHERE expires_at < $1"


async def insert(conn: Connection, flow: Flow) -> None:
    await conn.execute(
        INSERT,
        flow.tenant_id,
        flow.id,
        flow.provider_id,
        flow.state_hash,
        flow.browser_hash,
        flow.redirect_uri,
        flow.next_path,
        flow.link_user_id,
        flow.link_session_id,
        flow.created_at,
        flow.expires_at,
        flow.purpose,
        flow.ticket,
    )


async def find(conn: Connection, tenant_id: UUID, state_hash: bytes) -> Flow | None:
    row = await conn.fetchrow(FIND, tenant_id, state_hash)
    return None if row is None else Flow(**row)


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
    """Forget sign-ins that were never finished, and logout tokens too old to come again."""
    await conn.execute(SWEEP_FLOWS, now)
    await conn.execute(SWEEP_LOGOUTS, now)


async def list_client_keys(conn: Connection, tenant_id: UUID, provider_id: UUID) -> list[ClientKey]:
    """The keys a provider knows us by: the next one first, then the one in use."""
    return [ClientKey(**row) for row in await conn.fetch(LIST_KEYS, tenant_id, provider_id)]


async def insert_client_key(conn: Connection, key: ClientKey) -> None:
    await conn.execute(
        INSERT_KEY,
        key.tenant_id,
        key.id,
        key.provider_id,
        key.private_key_sealed,
        key.certificate,
        key.created_at,
        key.activated_at,
    )


async def replace_client_key(conn: Connection, key: ClientKey, *, now: datetime) -> None:
    """Put the next key to use and forget the one before."""
    await conn.execute(FORGET_CURRENT_KEY, key.tenant_id, key.provider_id)
    await conn.execute(ACTIVATE_KEY, key.tenant_id, key.id, now)
