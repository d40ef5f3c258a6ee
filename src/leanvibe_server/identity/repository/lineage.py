"""Statements about which credential made which, and whose maker is gone."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from leanvibe_server.kernel.db import Connection


class Maker(msgspec.Struct, frozen=True):
    """A key or client that makes others, and what binds it."""

    id: UUID
    expires_at: datetime | None
    rate_limit_per_minute: int | None
    allowed_networks: list[str]


class Made(msgspec.Struct, frozen=True):
    """A credential: `kind` is key, client or token, `user_id` whom it acts as, if anybody."""

    kind: str
    id: UUID
    user_id: UUID | None
    name: str


FIND_KEY = """
SELECT id, expires_at, rate_limit_per_minute, allowed_networks FROM api_keys
WHERE tenant_id = $1 AND id = $2
"""
FIND_BEARING_CLIENT = """
SELECT c.id, c.expires_at, NULL::int, '{}'::text[] FROM oauth_tokens k
JOIN oauth_clients c ON c.tenant_id = k.tenant_id AND c.id = k.client_id
WHERE k.tenant_id = $1 AND k.id = $2
"""
# What was made with one of several, with what that made, and so on; and the successors of all that,
# but not those of the ones it begins with.
END_MADE = """
WITH RECURSIVE every AS (
    SELECT id, made_with, replaces FROM api_keys WHERE tenant_id = $1
    UNION ALL SELECT id, made_with, NULL FROM oauth_clients WHERE tenant_id = $1
    UNION ALL SELECT id, made_with, NULL FROM scim_tokens WHERE tenant_id = $1
), made AS (
    SELECT id FROM every WHERE made_with = ANY ($2::uuid[])
    UNION SELECT e.id FROM every e JOIN made m ON e.made_with = m.id OR e.replaces = m.id
), keys AS (
    UPDATE api_keys SET revoked_at = $3
    WHERE tenant_id = $1 AND id IN (SELECT id FROM made) AND revoked_at IS NULL
    RETURNING 'key' AS kind, id, user_id, name
), clients AS (
    UPDATE oauth_clients SET revoked_at = $3
    WHERE tenant_id = $1 AND id IN (SELECT id FROM made) AND revoked_at IS NULL
    RETURNING 'client' AS kind, id, service_account_id AS user_id, name
), tokens AS (
    UPDATE scim_tokens SET revoked_at = $3
    WHERE tenant_id = $1 AND id IN (SELECT id FROM made) AND revoked_at IS NULL
    RETURNING 'token' AS kind, id, NULL::uuid AS user_id, name
)
SELECT * FROM keys UNION ALL SELECT * FROM clients UNION ALL SELECT * FROM tokens
"""
HAND_OVER = """
WITH keys AS (
    UPDATE api_keys SET made_with = $3 WHERE tenant_id = $1 AND made_with = $2
), clients AS (
    UPDATE oauth_clients SET made_with = $3 WHERE tenant_id = $1 AND made_with = $2
)
UPDATE scim_tokens SET made_with = $3 WHERE tenant_id = $1 AND made_with = $2
"""
OF_ACCOUNT = """
SELECT id FROM api_keys WHERE tenant_id = $1 AND user_id = $2
UNION ALL SELECT id FROM oauth_clients WHERE tenant_id = $1 AND service_account_id = $2
"""
LEFT_BEHIND = """
SELECT 'key', id, user_id, name FROM api_keys WHERE tenant_id = $1 AND created_by = $2
    AND user_id <> $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3)
UNION ALL SELECT 'client', id, service_account_id, name FROM oauth_clients
    WHERE tenant_id = $1 AND created_by = $2 AND revoked_at IS NULL
    AND (expires_at IS NULL OR expires_at > $3)
UNION ALL SELECT 'token', id, NULL, name FROM scim_tokens WHERE tenant_id = $1
    AND created_by = $2 AND revoked_at IS NULL AND expires_at > $3
"""


def orphaned(table: str) -> str:
    """The condition that a credential goes on though who made it is here no more."""
    return f"""({table}.created_by IS NOT NULL AND {table}.revoked_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM users maker WHERE maker.tenant_id = {table}.tenant_id
        AND maker.id = {table}.created_by AND maker.status = 'active'))"""


async def find_key(conn: Connection, tenant_id: UUID, key_id: UUID) -> Maker | None:
    row = await conn.fetchrow(FIND_KEY, tenant_id, key_id)
    return None if row is None else Maker(*row)


async def find_client_of_token(conn: Connection, tenant_id: UUID, token_id: UUID) -> Maker | None:
    """The client that a token was issued to."""
    row = await conn.fetchrow(FIND_BEARING_CLIENT, tenant_id, token_id)
    return None if row is None else Maker(*row)


async def end_made_with(
    conn: Connection, tenant_id: UUID, makers: Sequence[UUID], *, now: datetime
) -> list[Made]:
    """Revoke what these credentials made, directly or not; what was not over already."""
    return [Made(*row) for row in await conn.fetch(END_MADE, tenant_id, list(makers), now)]


async def hand_over(conn: Connection, tenant_id: UUID, old: UUID, successor: UUID) -> None:
    """What a key made belongs to its successor from now on."""
    await conn.execute(HAND_OVER, tenant_id, old, successor)


async def list_of_account(conn: Connection, tenant_id: UUID, user_id: UUID) -> list[UUID]:
    """The keys and clients that act as an account."""
    return [row["id"] for row in await conn.fetch(OF_ACCOUNT, tenant_id, user_id)]


async def list_left_behind(
    conn: Connection, tenant_id: UUID, user_id: UUID, *, now: datetime
) -> list[Made]:
    """What somebody made that does not end with them."""
    return [Made(*row) for row in await conn.fetch(LEFT_BEHIND, tenant_id, user_id, now)]
