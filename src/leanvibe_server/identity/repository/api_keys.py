"""Statements about API keys."""

from datetime import datetime
from uuid import UUID

from leanvibe_server.identity.models import ApiKey
from leanvibe_server.kernel.db import Connection

COLUMNS = """tenant_id, id, user_id, name, prefix, scopes, created_at, last_used_at, expires_at,
    revoked_at"""
INSERT = """
INSERT INTO api_keys (tenant_id, id, user_id, name, prefix, key_hash, scopes, created_at,
    expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
LIST = f"""
SELECT {COLUMNS} FROM api_keys
WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3
"""
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
    )


async def list_keys(
    conn: Connection, tenant_id: UUID, *, after: UUID | None, limit: int
) -> list[ApiKey]:
    return [ApiKey(**row) for row in await conn.fetch(LIST, tenant_id, after, limit)]


async def revoke(
    conn: Connection, tenant_id: UUID, key_id: UUID, *, now: datetime
) -> ApiKey | None:
    row = await conn.fetchrow(REVOKE, tenant_id, key_id, now)
    return None if row is None else ApiKey(**row)


async def revoke_of_user(
    conn: Connection, tenant_id: UUID, user_id: UUID, *, now: datetime
) -> list[UUID]:
    return [row["id"] for row in await conn.fetch(REVOKE_OF_USER, tenant_id, user_id, now)]
