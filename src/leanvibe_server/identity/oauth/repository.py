"""Statements about clients that ask for tokens, and the tokens they got."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from leanvibe_server.kernel.db import Connection


class Asking(msgspec.Struct, frozen=True):
    """A client that showed its secret, and the service account behind it."""

    tenant_id: UUID
    client_id: UUID
    scopes: list[str]
    expires_at: datetime | None
    revoked_at: datetime | None
    user_id: UUID
    role: str
    user_status: str
    user_expires_at: datetime | None
    username: str
    plan: str
    security: dict[str, Any]
    role_permissions: Sequence[str] | None

    @property
    def ends_at(self) -> datetime | None:
        """When client or account ends, whichever is first."""
        ends = [end for end in (self.expires_at, self.user_expires_at) if end is not None]
        return min(ends, default=None)

    def holds(self, now: datetime) -> bool:
        """Whether client and account may act at `now`."""
        return (
            self.revoked_at is None
            and self.user_status == "active"
            and (self.ends_at is None or now < self.ends_at)
        )


class Token(msgspec.Struct, frozen=True):
    """A token a client got. `holds` is what client and account say; `role` and, of one that the
    tenant made, `role_permissions` are what the account may do now."""

    id: UUID
    client_id: UUID
    user_id: UUID
    username: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    holds: bool
    role: str
    role_permissions: Sequence[str] | None


FIND_CLIENT = """
SELECT c.tenant_id, c.id, c.scopes, c.expires_at, c.revoked_at, u.id, u.role, u.status,
    u.expires_at, u.username, t.plan, t.security, r.permissions
FROM oauth_clients c
JOIN users u ON u.tenant_id = c.tenant_id AND u.id = c.service_account_id
JOIN tenants t ON t.id = c.tenant_id
LEFT JOIN roles r ON r.tenant_id = u.tenant_id AND r.name = u.role
WHERE c.tenant_id = $1 AND c.id = $2
  AND (c.secret_hash = $3 OR (c.previous_hash = $3 AND c.previous_until > $4))
"""
FIND_ACCOUNT_OF = """
SELECT service_account_id FROM oauth_clients WHERE tenant_id = $1 AND id = $2
"""
INSERT_ISSUED = """
INSERT INTO oauth_tokens (tenant_id, id, client_id, scopes, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""
USE_CLIENT = """
UPDATE oauth_clients SET last_used_at = $3, last_used_address = $4
WHERE tenant_id = $1 AND id IN (
    SELECT id FROM oauth_clients WHERE tenant_id = $1 AND id = $2 FOR UPDATE SKIP LOCKED)
"""
FIND_ISSUED = """
SELECT k.id, k.client_id, u.id, u.username, k.scopes, k.created_at, k.expires_at,
    k.revoked_at IS NULL AND c.revoked_at IS NULL AND u.status = 'active'
        AND k.expires_at > $3 AND (c.expires_at IS NULL OR c.expires_at > $3),
    u.role, r.permissions
FROM oauth_tokens k
JOIN oauth_clients c ON c.tenant_id = k.tenant_id AND c.id = k.client_id
JOIN users u ON u.tenant_id = c.tenant_id AND u.id = c.service_account_id
LEFT JOIN roles r ON r.tenant_id = u.tenant_id AND r.name = u.role
WHERE k.tenant_id = $1 AND k.id = $2
"""
REVOKE_ISSUED = """
UPDATE oauth_tokens SET revoked_at = $4
WHERE tenant_id = $1 AND id = $2 AND client_id = $3 AND revoked_at IS NULL RETURNING id
"""
# Only of the platform login: tokens of every tenant.
SWEEP_TOKENS = "DELETE FROM oauth_tokens WHERE expires_at < $1"


async def find_client(
    conn: Connection, tenant_id: UUID, client_id: UUID, secret_hash: bytes, *, now: datetime
) -> Asking | None:
    """The client whose secret this is."""
    row = await conn.fetchrow(FIND_CLIENT, tenant_id, client_id, secret_hash, now)
    return None if row is None else Asking(*row)


async def find_account_of(conn: Connection, tenant_id: UUID, client_id: UUID) -> UUID | None:
    """The service account of a client, whatever its secret is."""
    found: UUID | None = await conn.fetchval(FIND_ACCOUNT_OF, tenant_id, client_id)
    return found


async def insert_token(
    conn: Connection,
    asking: Asking,
    token_id: UUID,
    *,
    scopes: Sequence[str],
    now: datetime,
    expires_at: datetime,
    address: str,
) -> None:
    """Note a token that is about to be given, and that its client was used."""
    key = (asking.tenant_id, token_id, asking.client_id)
    await conn.execute(INSERT_ISSUED, *key, list(scopes), now, expires_at)
    await conn.execute(USE_CLIENT, asking.tenant_id, asking.client_id, now, address)


async def find_token(
    conn: Connection, tenant_id: UUID, token_id: UUID, *, now: datetime
) -> Token | None:
    row = await conn.fetchrow(FIND_ISSUED, tenant_id, token_id, now)
    return None if row is None else Token(*row)


async def revoke_token(conn: Connection, asking: Asking, token_id: UUID, *, now: datetime) -> bool:
    """End a token of the client that asks; False when it is none of its own, or over."""
    revoked = await conn.fetchval(REVOKE_ISSUED, asking.tenant_id, token_id, asking.client_id, now)
    return revoked is not None


async def sweep_tokens(conn: Connection, *, before: datetime) -> None:
    """Forget tokens that expired before a moment."""
    await conn.execute(SWEEP_TOKENS, before)
