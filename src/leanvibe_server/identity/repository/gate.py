"""What the gate must know of a caller, in one statement for each kind of credential."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from leanvibe_server.identity.repository.sessions import ENDED_AT
from leanvibe_server.kernel.db import Connection


class Standing(msgspec.Struct, frozen=True):
    """Who stands behind a credential, and whether it still holds.

    For a session `seen_at`, `expires_at` and `ended_at` are its own; for an API key they are its
    last use, its expiry and its revocation. `role_permissions` are those of the roles the tenant
    made itself; `project_roles` are the roles on projects, made ones with their permissions.
    `rate_limit` (calls a minute) and `networks` (CIDR blocks) narrow the credential itself. `amr`
    is how a session was proved, `provider_id` by whose word.
    """

    user_id: UUID
    email: str
    role: str
    user_status: str
    user_expires_at: datetime | None
    tenant_slug: str
    tenant_status: str
    plan: str
    credential_id: UUID
    kind: str
    seen_at: datetime | None
    expires_at: datetime | None
    ended_at: datetime | None
    scopes: Sequence[str] | None
    key_name: str | None
    authenticated_at: datetime | None
    security: dict[str, Any]
    created_at: datetime | None
    role_permissions: Sequence[str] | None
    project_roles: dict[str, list[str] | None] | None
    rate_limit: int | None
    networks: Sequence[str] | None
    amr: Sequence[str] | None
    provider_id: UUID | None
    further_roles: Sequence[str] = ()


class Below(msgspec.Struct, frozen=True):
    """An organisation below another, as far as the gate must know it."""

    status: str
    plan: str
    slug: str
    security: dict[str, Any]


_PERSON = """
SELECT u.id, u.email, u.role, u.status, u.expires_at, t.slug, t.status, t.plan,
"""
# Roles are looked up with every request, so a change holds from the next one on.
_GRANTS = """
    CASE WHEN u.further_roles = '{}' THEN r.permissions ELSE (
        SELECT array_agg(DISTINCT held.permission)
        FROM roles r, unnest(r.permissions) AS held (permission)
        WHERE r.tenant_id = u.tenant_id AND r.name = ANY (u.further_roles || u.role)) END,
    (SELECT jsonb_object_agg(m.role, to_jsonb(c.permissions)) FROM (
        SELECT role FROM project_members WHERE tenant_id = u.tenant_id AND user_id = u.id
        UNION SELECT g.role FROM group_members b
            JOIN project_groups g ON g.tenant_id = b.tenant_id AND g.group_id = b.group_id
            WHERE b.tenant_id = u.tenant_id AND b.user_id = u.id) m
     LEFT JOIN roles c ON c.tenant_id = u.tenant_id AND c.name = m.role)
"""
_ROLE = """
LEFT JOIN roles r ON r.tenant_id = u.tenant_id AND r.name = u.role
"""
_SESSION = (
    _PERSON
    + f"""
    s.id, s.kind, s.last_seen_at, s.expires_at, {ENDED_AT}, NULL::text[], NULL::text,
    s.authenticated_at, t.security, s.created_at,
"""
    + _GRANTS
    + """, NULL::int, NULL::text[], s.amr, s.provider_id, u.further_roles
FROM sessions s
JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
JOIN tenants t ON t.id = s.tenant_id
"""
    + _ROLE
)
BY_SESSION = _SESSION + "WHERE s.tenant_id = $1 AND s.id = $2 AND s.user_id = $3"
BY_COOKIE = _SESSION + "WHERE s.tenant_id = $1 AND s.cookie_hash = $2"
BY_API_KEY = (
    _PERSON
    + """
    k.id, 'key', k.last_used_at, k.expires_at, k.revoked_at, k.scopes, k.name,
    NULL::timestamptz, t.security, k.created_at,
"""
    + _GRANTS
    + """, k.rate_limit_per_minute, k.allowed_networks, NULL::text[], NULL::uuid, u.further_roles
FROM api_keys k
JOIN users u ON u.tenant_id = k.tenant_id AND u.id = k.user_id
JOIN tenants t ON t.id = k.tenant_id
"""
    + _ROLE
    + """
WHERE k.tenant_id = $1 AND k.key_hash = $2
"""
)
# Who stands behind a client's token is the service account; token, client and account must hold.
BY_CLIENT_TOKEN = (
    _PERSON
    + """
    k.id, 'client', k.last_seen_at, least(k.expires_at, c.expires_at),
    least(k.revoked_at, c.revoked_at), k.scopes, c.name,
    NULL::timestamptz, t.security, k.created_at,
"""
    + _GRANTS
    + """, NULL::int, NULL::text[], NULL::text[], NULL::uuid
FROM oauth_tokens k
JOIN oauth_clients c ON c.tenant_id = k.tenant_id AND c.id = k.client_id
JOIN users u ON u.tenant_id = c.tenant_id AND u.id = c.service_account_id
JOIN tenants t ON t.id = k.tenant_id
"""
    + _ROLE
    + """
WHERE k.tenant_id = $1 AND k.id = $2 AND u.id = $3
"""
)
# A provisioning token stands for nobody, and may do one thing.
BY_PROVISIONER = """
SELECT k.id, 'scim', 'scim', 'active', NULL::timestamptz, t.slug, t.status, t.plan,
    k.id, 'scim', k.last_used_at, k.expires_at, k.revoked_at, '{scim:manage}'::text[], k.name,
    NULL::timestamptz, t.security, k.created_at, '{scim:manage}'::text[], NULL::jsonb,
    NULL::int, NULL::text[], NULL::text[], NULL::uuid
FROM scim_tokens k JOIN tenants t ON t.id = k.tenant_id
WHERE k.tenant_id = $1 AND k.token_hash = $2
"""
# A request never waits for another that notes the same.
TOUCH_SESSION = """
UPDATE sessions SET last_seen_at = $3 WHERE tenant_id = $1 AND id IN (
    SELECT id FROM sessions WHERE tenant_id = $1 AND id = $2 FOR UPDATE SKIP LOCKED)
"""
TOUCH_API_KEY = """
UPDATE api_keys SET last_used_at = $3, last_used_address = $4 WHERE tenant_id = $1 AND id IN (
    SELECT id FROM api_keys WHERE tenant_id = $1 AND id = $2 FOR UPDATE SKIP LOCKED)
"""
TOUCH_CLIENT = """
UPDATE oauth_tokens SET last_seen_at = $3 WHERE tenant_id = $1 AND id IN (
    SELECT id FROM oauth_tokens WHERE tenant_id = $1 AND id = $2 FOR UPDATE SKIP LOCKED)
"""
TOUCH_PROVISIONER = """
UPDATE scim_tokens SET last_used_at = $3, last_used_address = $4 WHERE tenant_id = $1 AND id IN (
    SELECT id FROM scim_tokens WHERE tenant_id = $1 AND id = $2 FOR UPDATE SKIP LOCKED)
"""
TENANT_STANDING = "SELECT status, plan, slug FROM tenants WHERE id = $1"


# In a transaction of the organisation itself, which sees who is above it.
FIND_BELOW = """
SELECT t.status, t.plan, t.slug, t.security
FROM tenants t JOIN tenant_ancestors a ON a.tenant_id = t.id AND a.ancestor_id = $2
WHERE t.id = $1
"""
NOTE_VISIT = """
INSERT INTO delegated_visits (tenant_id, credential_id, day, home_tenant_id)
VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING tenant_id
"""


def _standing(row: Any) -> Standing | None:
    return None if row is None else Standing(*row)


async def find_by_session(
    conn: Connection, tenant_id: UUID, session_id: UUID, user_id: UUID
) -> Standing | None:
    return _standing(await conn.fetchrow(BY_SESSION, tenant_id, session_id, user_id))


async def find_by_client_token(
    conn: Connection, tenant_id: UUID, token_id: UUID, user_id: UUID
) -> Standing | None:
    return _standing(await conn.fetchrow(BY_CLIENT_TOKEN, tenant_id, token_id, user_id))


async def find_by_scim_token(
    conn: Connection, tenant_id: UUID, token_hash: bytes
) -> Standing | None:
    return _standing(await conn.fetchrow(BY_PROVISIONER, tenant_id, token_hash))


async def find_by_cookie(conn: Connection, tenant_id: UUID, token_hash: bytes) -> Standing | None:
    return _standing(await conn.fetchrow(BY_COOKIE, tenant_id, token_hash))


async def find_by_api_key(conn: Connection, tenant_id: UUID, token_hash: bytes) -> Standing | None:
    return _standing(await conn.fetchrow(BY_API_KEY, tenant_id, token_hash))


async def touch(
    conn: Connection,
    tenant_id: UUID,
    *,
    kind: str,
    credential_id: UUID,
    now: datetime,
    address: str,
) -> None:
    """Note when a session was last seen, or a key last used and from where."""
    if kind in ("key", "scim"):
        statement = TOUCH_API_KEY if kind == "key" else TOUCH_PROVISIONER
        await conn.execute(statement, tenant_id, credential_id, now, address)
    else:
        statement = TOUCH_CLIENT if kind == "client" else TOUCH_SESSION
        await conn.execute(statement, tenant_id, credential_id, now)


async def find_tenant_standing(conn: Connection, tenant_id: UUID) -> tuple[str, str, str] | None:
    """Status, plan and slug of a tenant."""
    row = await conn.fetchrow(TENANT_STANDING, tenant_id)
    return None if row is None else (row["status"], row["plan"], row["slug"])


async def find_below(conn: Connection, tenant_id: UUID, ancestor_id: UUID) -> Below | None:
    """The tenant, if `ancestor_id` is above it."""
    row = await conn.fetchrow(FIND_BELOW, tenant_id, ancestor_id)
    return None if row is None else Below(*row)


async def note_visit(
    conn: Connection, tenant_id: UUID, *, credential_id: UUID, day: date, home: UUID
) -> bool:
    """Note that somebody from above acts for the tenant; False when it was noted that day."""
    row = await conn.fetchval(NOTE_VISIT, tenant_id, credential_id, day, home)
    return row is not None
