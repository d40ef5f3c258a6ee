"""Statements about roles that tenants made, and who has them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from leanvibe_server.identity.roles.models import MadeRole
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import find_row, list_rows, values_of

COLUMNS = "tenant_id, id, name, description, permissions, created_by, created_at, updated_at"
INSERT = f"""
INSERT INTO roles ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant_id, name) DO NOTHING RETURNING id
"""
LIST = f"SELECT {COLUMNS} FROM roles WHERE tenant_id = $1 ORDER BY name"
FIND_BY_NAME = f"SELECT {COLUMNS} FROM roles WHERE tenant_id = $1 AND name = $2"
FIND = f"SELECT {COLUMNS} FROM roles WHERE tenant_id = $1 AND id = $2"
# Who gives a role to somebody holds it in share, so that it cannot be deleted at the same time.
HOLD = f"{FIND_BY_NAME} FOR KEY SHARE"
LOCK = f"{FIND} FOR UPDATE"
UPDATE = f"""
UPDATE roles SET description = $3, permissions = $4, updated_at = $5
WHERE tenant_id = $1 AND id = $2 RETURNING {COLUMNS}
"""
DELETE = "DELETE FROM roles WHERE tenant_id = $1 AND id = $2"
COUNT = "SELECT count(*) FROM roles WHERE tenant_id = $1"
USES = """
SELECT (SELECT count(*) FROM users
        WHERE tenant_id = $1 AND $2 = ANY (further_roles || role || own_role)) AS people,
       (SELECT count(*) FROM groups WHERE tenant_id = $1 AND role = $2) AS groups,
       (SELECT count(*) FROM project_members WHERE tenant_id = $1 AND role = $2)
            + (SELECT count(*) FROM project_groups WHERE tenant_id = $1 AND role = $2) AS members,
       (SELECT count(*) FROM sso_providers WHERE tenant_id = $1 AND (default_role = $2
            OR role_mapping @> jsonb_build_object('rules', jsonb_build_array(
                jsonb_build_object('role', $2::text))))) AS providers
"""
COUNT_PEOPLE = """
SELECT held.role, count(*) AS people
FROM users u CROSS JOIN LATERAL unnest(u.further_roles || u.role) AS held (role)
WHERE u.tenant_id = $1 GROUP BY held.role
"""
HOLDERS = """
SELECT id FROM users WHERE tenant_id = $1 AND $2 = ANY (further_roles || role || own_role)
"""
MOVE_GROUPS = """
UPDATE groups SET role = $3, version = version + 1, updated_at = $4
WHERE tenant_id = $1 AND role = $2
"""
# Whoever becomes a guest does not stay one for ever.
MOVE_PEOPLE = """
UPDATE users SET role = $3, updated_at = $4,
    expires_at = CASE WHEN $3 = 'guest' AND kind = 'person' THEN coalesce(expires_at, $5)
        ELSE expires_at END
WHERE tenant_id = $1 AND role = $2
"""
MOVE_OWN = "UPDATE users SET own_role = $3 WHERE tenant_id = $1 AND own_role = $2"
MOVE_MEMBERS = "UPDATE project_members SET role = $3 WHERE tenant_id = $1 AND role = $2"
MOVE_PROJECT_GROUPS = """
UPDATE project_groups SET role = $3 WHERE tenant_id = $1 AND role = $2
"""
MOVE_PROVIDERS = """
UPDATE sso_providers SET default_role = $3 WHERE tenant_id = $1 AND default_role = $2
"""
MOVE_RULES = """
UPDATE sso_providers SET role_mapping = jsonb_set(role_mapping, '{rules}', (
    SELECT jsonb_agg(CASE WHEN rule ->> 'role' = $2 THEN
        rule || jsonb_build_object('role', $3::text) ELSE rule END ORDER BY place)
    FROM jsonb_array_elements(role_mapping -> 'rules') WITH ORDINALITY AS r (rule, place)))
WHERE tenant_id = $1 AND role_mapping @> jsonb_build_object('rules', jsonb_build_array(
    jsonb_build_object('role', $2::text)))
"""


async def insert(conn: Connection, role: MadeRole) -> bool:
    """Add a role; False when the name is taken."""
    made = await conn.fetchval(INSERT, *values_of(role, COLUMNS))
    return made is not None


async def list_roles(conn: Connection, tenant_id: UUID) -> list[MadeRole]:
    return await list_rows(conn, MadeRole, LIST, tenant_id)


async def count(conn: Connection, tenant_id: UUID) -> int:
    found: int = await conn.fetchval(COUNT, tenant_id)
    return found


async def find(conn: Connection, tenant_id: UUID, role_id: UUID) -> MadeRole | None:
    return await find_row(conn, MadeRole, FIND, tenant_id, role_id)


async def hold(conn: Connection, tenant_id: UUID, name: str) -> MadeRole | None:
    """The role, which nobody can delete before this transaction ends."""
    return await find_row(conn, MadeRole, HOLD, tenant_id, name)


async def lock(conn: Connection, tenant_id: UUID, role_id: UUID) -> MadeRole | None:
    """The role, which nobody else changes or gives until this transaction ends."""
    return await find_row(conn, MadeRole, LOCK, tenant_id, role_id)


async def update(
    conn: Connection,
    role: MadeRole,
    *,
    description: str,
    permissions: Sequence[str],
    now: datetime,
) -> MadeRole | None:
    return await find_row(
        conn, MadeRole, UPDATE, role.tenant_id, role.id, description, list(permissions), now
    )


async def delete(conn: Connection, role: MadeRole) -> None:
    await conn.execute(DELETE, role.tenant_id, role.id)


async def count_uses(conn: Connection, tenant_id: UUID, name: str) -> dict[str, int]:
    """How many people, groups, members of projects and identity providers go by a role."""
    row = await conn.fetchrow(USES, tenant_id, name)
    return dict(row) if row is not None else {}


async def count_people(conn: Connection, tenant_id: UUID) -> dict[str, int]:
    """How many people have each role."""
    rows = await conn.fetch(COUNT_PEOPLE, tenant_id)
    return {row["role"]: row["people"] for row in rows}


async def move(
    conn: Connection, tenant_id: UUID, name: str, *, to: str, now: datetime, guests_until: datetime
) -> list[UUID]:
    """Give everybody and everything that goes by one role another; returns whom it concerns."""
    holders = [row["id"] for row in await conn.fetch(HOLDERS, tenant_id, name)]
    await conn.execute(MOVE_PEOPLE, tenant_id, name, to, now, guests_until)
    await conn.execute(MOVE_OWN, tenant_id, name, to)
    await conn.execute(MOVE_GROUPS, tenant_id, name, to, now)
    await conn.execute(MOVE_MEMBERS, tenant_id, name, to)
    await conn.execute(MOVE_PROJECT_GROUPS, tenant_id, name, to)
    await conn.execute(MOVE_PROVIDERS, tenant_id, name, to)
    await conn.execute(MOVE_RULES, tenant_id, name, to)
    return holders
