"""Statements about API keys."""

from datetime import datetime
from uuid import UUID

from leanvibe_server.identity.models import ApiKey
from leanvibe_server.identity.repository.lineage import orphaned as is_orphaned
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import find_row, list_rows

ORPHANED = f"({is_orphaned('api_keys')} AND created_by <> user_id)"
COLUMNS = f"""tenant_id, id, user_id, name, prefix, scopes, created_at, last_used_at, expires_at,
    revoked_at, last_used_address, rate_limit_per_minute, allowed_networks, replaces, created_by,
    made_with, {ORPHANED} AS orphaned"""
INSERT = """
INSERT INTO api_keys (tenant_id, id, user_id, name, prefix, key_hash, scopes, created_at,
    expires_at, rate_limit_per_minute, allowed_networks, replaces, created_by, made_with)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""
LIST = f"""
SELECT {COLUMNS} FROM api_keys
WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) AND ($4::uuid IS NULL OR user_id = $4)
  AND CASE $5::text
      WHEN 'revoked' THEN revoked_at IS NOT NULL
      WHEN 'expired' THEN revoked_at IS NULL AND expires_at <= $6
      WHEN 'active' THEN revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $6)
      ELSE true END
  AND ($7::text IS NULL OR starts_with(prefix, $7))
  AND ($8::bool IS NULL OR $8 = {ORPHANED})
ORDER BY id LIMIT $3
"""
LOCK = f"SELECT {COLUMNS} FROM api_keys WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE"
FIND_SUCCESSOR = """
SELECT id FROM api_keys WHERE tenant_id = $1 AND replaces = $2 AND revoked_at IS NULL LIMIT 1
"""
FIND_FIRST_SUCCESSOR = f"""
SELECT {COLUMNS} FROM api_keys WHERE tenant_id = $1 AND replaces = $2 ORDER BY id LIMIT 1
"""
END_AT = "UPDATE api_keys SET expires_at = $3 WHERE tenant_id = $1 AND id = $2"
REVOKE = f"""
UPDATE api_keys SET revoked_at = coalesce(revoked_at, $3) WHERE tenant_id = $1 AND id = $2
RETURNING {COLUMNS}
"""
REVOKE_OF_USER = """
UPDATE api_keys SET revoked_at = $3
WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING id
"""


async def insert(conn: Connection, key: ApiKey, *, key_hash: bytes) -> None:
    await conn.execute(
        INSERT,
        key.tenant_id,
        key.id,
        key.user_id,
        key.name,
        key.prefix,
        key_hash,
        key.scopes,
        key.created_at,
        key.expires_at,
        key.rate_limit_per_minute,
        key.allowed_networks,
        key.replaces,
        key.created_by,
        key.made_with,
    )


async def list_keys(
    conn: Connection,
    tenant_id: UUID,
    *,
    after: UUID | None,
    limit: int,
    user_id: UUID | None,
    status: str | None,
    prefix: str | None,
    orphaned: bool | None,
    now: datetime,
) -> list[ApiKey]:
    return await list_rows(
        conn, ApiKey, LIST, tenant_id, after, limit, user_id, status, now, prefix, orphaned
    )


async def lock(conn: Connection, tenant_id: UUID, key_id: UUID) -> ApiKey | None:
    """The key; others who change it wait until this transaction ends."""
    return await find_row(conn, ApiKey, LOCK, tenant_id, key_id)


async def has_successor(conn: Connection, tenant_id: UUID, key_id: UUID) -> bool:
    """Whether a key was rotated and what replaced it still holds or has expired."""
    return await conn.fetchval(FIND_SUCCESSOR, tenant_id, key_id) is not None


async def find_first_successor(conn: Connection, tenant_id: UUID, key_id: UUID) -> ApiKey | None:
    """What replaced a key when it was rotated first, whatever became of it."""
    return await find_row(conn, ApiKey, FIND_FIRST_SUCCESSOR, tenant_id, key_id)


async def end_at(conn: Connection, tenant_id: UUID, key_id: UUID, moment: datetime) -> None:
    """Let a key expire at a moment."""
    await conn.execute(END_AT, tenant_id, key_id, moment)


async def revoke(
    conn: Connection, tenant_id: UUID, key_id: UUID, *, now: datetime
) -> ApiKey | None:
    return await find_row(conn, ApiKey, REVOKE, tenant_id, key_id, now)


async def revoke_of_user(
    conn: Connection, tenant_id: UUID, user_id: UUID, *, now: datetime
) -> list[UUID]:
    return [row["id"] for row in await conn.fetch(REVOKE_OF_USER, tenant_id, user_id, now)]
