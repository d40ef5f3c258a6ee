"""Statements about groups, their members and the roles these get."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from leanvibe_server.identity.groups.models import Group, Member
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import find_row, list_rows, values_of

COLUMNS = """tenant_id, id, name, description, external_id, role, version, created_at,
    updated_at"""
_COUNTED = f"""
SELECT {COLUMNS}, (SELECT count(*) FROM group_members m
    WHERE m.tenant_id = g.tenant_id AND m.group_id = g.id) AS members_count
FROM groups g WHERE tenant_id = $1
"""
INSERT = f"""
INSERT INTO groups ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
FIND = _COUNTED + "AND id = $2"
LOCK = f"SELECT {COLUMNS} FROM groups WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE"
LIST = _COUNTED + "AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3"
OF_PERSON = (
    _COUNTED
    + """
    AND id IN (SELECT group_id FROM group_members WHERE tenant_id = $1 AND user_id = $2)
    ORDER BY lower(name), id
"""
)
NAME_TAKEN = """
SELECT id FROM groups WHERE tenant_id = $1 AND lower(name) = lower($2) AND id <> $3
"""
FIND_BY_NAME = _COUNTED + "AND lower(name) = lower($2)"
# What a group gives on projects, and whether one of those is known to its members only.
GIVEN_ON_PROJECTS = """
SELECT g.role, bool_or(p.visibility = 'members') AS restricted
FROM project_groups g JOIN projects p ON p.tenant_id = g.tenant_id AND p.id = g.project_id
WHERE g.tenant_id = $1 AND g.group_id = $2 GROUP BY g.role
"""
COUNT = "SELECT count(*) FROM groups WHERE tenant_id = $1"
UPDATE = """
UPDATE groups SET name = $3, description = $4, external_id = $5, role = $6,
    version = version + 1, updated_at = $7
WHERE tenant_id = $1 AND id = $2
"""
TOUCH = """
UPDATE groups SET version = version + 1, updated_at = $3 WHERE tenant_id = $1 AND id = $2
"""
DELETE = "DELETE FROM groups WHERE tenant_id = $1 AND id = $2"
MEMBERS = """
SELECT m.user_id, u.email, u.username, m.added_at
FROM group_members m JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id
WHERE m.tenant_id = $1 AND m.group_id = $2 AND ($3::uuid IS NULL OR m.user_id > $3)
ORDER BY m.user_id LIMIT $4
"""
MEMBER_IDS = "SELECT user_id FROM group_members WHERE tenant_id = $1 AND group_id = $2"
# Who was deprovisioned is nobody's member any more.
UNKNOWN = """
SELECT w.id FROM unnest($2::uuid[]) AS w (id)
WHERE NOT EXISTS (
    SELECT 1 FROM users u LEFT JOIN scim_profiles p
        ON p.tenant_id = u.tenant_id AND p.user_id = u.id
    WHERE u.tenant_id = $1 AND u.id = w.id AND u.kind = 'person' AND p.deleted_at IS NULL)
LIMIT 1
"""
ADD = """
INSERT INTO group_members (tenant_id, group_id, user_id, added_at)
SELECT DISTINCT $1::uuid, $2::uuid, w.id, $4::timestamptz FROM unnest($3::uuid[]) AS w (id)
ON CONFLICT DO NOTHING RETURNING user_id
"""
REMOVE = """
DELETE FROM group_members
WHERE tenant_id = $1 AND group_id = $2 AND user_id = ANY ($3::uuid[]) RETURNING user_id
"""
LEAVE_ALL = """
DELETE FROM group_members WHERE tenant_id = $1 AND user_id = $2 RETURNING group_id
"""
ROLES_OF = """
SELECT DISTINCT held.role
FROM users u CROSS JOIN LATERAL unnest(u.further_roles || u.role || u.own_role) AS held (role)
WHERE u.tenant_id = $1 AND u.id = ANY ($2::uuid[]) AND u.role NOT IN ('owner', 'platform_admin')
    AND held.role IS NOT NULL
"""
# Roles the tenant made stand between a developer and a viewer: which comes first changes no right.
_RANK = """coalesce(
    array_position(ARRAY['admin', 'manager', 'developer', '', 'viewer', 'guest'], r), 4)"""
# A statement of its own: the next one then sees what others did to the memberships meanwhile.
LOCK_PEOPLE = """
SELECT id FROM users WHERE tenant_id = $1 AND id = ANY ($2::uuid[]) ORDER BY id
FOR NO KEY UPDATE
"""
# Rights add up: of all that somebody has, by themselves and by groups, the highest role stands in
# front, and what it does not imply counts beside it. A role that nobody chose for them counts only
# as long as no group gives one; who then leaves the last group that did keeps the less of both:
# leaving takes rights and never gives any. An end of access that somebody set stays through it all.
# Owners stay owners.
APPLY_ROLES = f"""
WITH wanted AS (
    SELECT u.id, u.role AS before, u.further_roles AS beside, coalesce(u.own_role, u.role) AS own,
        u.own_role IS NOT NULL AS was_given, u.role_is_usual AS usual, g.given
    FROM users u LEFT JOIN LATERAL (
        SELECT array_agg(DISTINCT g.role) AS given FROM group_members m
        JOIN groups g ON g.tenant_id = m.tenant_id AND g.id = m.group_id
        WHERE m.tenant_id = $1 AND m.user_id = u.id AND g.role IS NOT NULL) g ON true
    WHERE u.tenant_id = $1 AND u.id = ANY ($2::uuid[]) AND u.kind = 'person'
        AND u.role NOT IN ('owner', 'platform_admin')),
held AS (
    SELECT *, CASE WHEN given IS NOT NULL THEN CASE WHEN usual THEN given ELSE given || own END
        WHEN NOT (usual AND was_given) THEN ARRAY[own]
        WHEN own = 'guest' OR before NOT IN ('admin', 'manager', 'developer', 'viewer')
            THEN ARRAY['guest']
        WHEN 'viewer' IN (own, before) THEN ARRAY['viewer'] ELSE ARRAY[own] END AS roles
    FROM wanted),
ranked AS (
    SELECT *, (SELECT r FROM unnest(roles) r ORDER BY {_RANK}, r <> own, r LIMIT 1) AS after
    FROM held),
decided AS (
    SELECT *, ARRAY(SELECT DISTINCT r FROM unnest(roles) r WHERE r <> after AND ({_RANK} = 4
        OR after NOT IN ('admin', 'manager', 'developer', 'viewer', 'guest')) ORDER BY r) AS further
    FROM ranked)
UPDATE users u SET role = d.after, further_roles = d.further, updated_at = $3,
    end_reminded_at = NULL, own_role = CASE WHEN d.given IS NOT NULL THEN d.own END,
    own_expires_at = CASE WHEN d.given IS NULL THEN NULL
        WHEN d.was_given THEN u.own_expires_at ELSE u.expires_at END,
    expires_at = CASE WHEN d.given IS NULL AND d.was_given AND d.own = d.after THEN coalesce(
            u.own_expires_at, CASE WHEN d.after = 'guest' THEN coalesce(u.expires_at, $4) END)
        WHEN d.after = 'guest' THEN coalesce(u.expires_at, $4)
        WHEN d.before = 'guest' AND d.usual THEN NULL ELSE u.expires_at END
FROM decided d WHERE u.tenant_id = $1 AND u.id = d.id
    AND (d.before <> d.after OR d.beside <> d.further OR (d.given IS NOT NULL) <> d.was_given)
RETURNING u.id, d.before || d.beside AS before, d.after || d.further AS after
"""


async def insert(conn: Connection, group: Group) -> None:
    await conn.execute(INSERT, *values_of(group, COLUMNS))


async def find(conn: Connection, tenant_id: UUID, group_id: UUID) -> Group | None:
    return await find_row(conn, Group, FIND, tenant_id, group_id)


async def lock(conn: Connection, tenant_id: UUID, group_id: UUID) -> Group | None:
    """The group; others who change it or its members wait until this transaction ends."""
    return await find_row(conn, Group, LOCK, tenant_id, group_id)


async def list_page(
    conn: Connection, tenant_id: UUID, *, after: UUID | None, limit: int
) -> list[Group]:
    return await list_rows(conn, Group, LIST, tenant_id, after, limit)


async def list_of_person(conn: Connection, tenant_id: UUID, user_id: UUID) -> list[Group]:
    """The groups somebody is in, by name."""
    return await list_rows(conn, Group, OF_PERSON, tenant_id, user_id)


async def is_name_taken(conn: Connection, tenant_id: UUID, name: str, *, but: UUID) -> bool:
    return await conn.fetchval(NAME_TAKEN, tenant_id, name, but) is not None


async def find_by_name(conn: Connection, tenant_id: UUID, name: str) -> Group | None:
    return await find_row(conn, Group, FIND_BY_NAME, tenant_id, name)


async def list_given_on_projects(
    conn: Connection, tenant_id: UUID, group_id: UUID
) -> list[tuple[str, bool]]:
    """The roles a group has on projects; of each, whether on a restricted one."""
    rows = await conn.fetch(GIVEN_ON_PROJECTS, tenant_id, group_id)
    return [(row["role"], row["restricted"]) for row in rows]


async def count(conn: Connection, tenant_id: UUID) -> int:
    number: int = await conn.fetchval(COUNT, tenant_id)
    return number


async def update(conn: Connection, group: Group) -> None:
    """Write a group as it is from now on, under its next version."""
    await conn.execute(
        UPDATE,
        group.tenant_id,
        group.id,
        group.name,
        group.description,
        group.external_id,
        group.role,
        group.updated_at,
    )


async def touch(conn: Connection, tenant_id: UUID, group_id: UUID, *, now: datetime) -> None:
    """The members changed."""
    await conn.execute(TOUCH, tenant_id, group_id, now)


async def delete(conn: Connection, tenant_id: UUID, group_id: UUID) -> None:
    await conn.execute(DELETE, tenant_id, group_id)


async def list_members(
    conn: Connection, tenant_id: UUID, group_id: UUID, *, after: UUID | None, limit: int
) -> list[Member]:
    return await list_rows(conn, Member, MEMBERS, tenant_id, group_id, after, limit)


async def list_member_ids(conn: Connection, tenant_id: UUID, group_id: UUID) -> list[UUID]:
    return [row["user_id"] for row in await conn.fetch(MEMBER_IDS, tenant_id, group_id)]


async def find_unknown(conn: Connection, tenant_id: UUID, ids: Sequence[UUID]) -> UUID | None:
    """One of the ids that is no person of the tenant."""
    unknown: UUID | None = await conn.fetchval(UNKNOWN, tenant_id, list(ids))
    return unknown


async def add(conn: Connection, group: Group, ids: Sequence[UUID], *, now: datetime) -> list[UUID]:
    """Add people; returns those who were not in before."""
    rows = await conn.fetch(ADD, group.tenant_id, group.id, list(ids), now)
    return [row["user_id"] for row in rows]


async def remove(conn: Connection, group: Group, ids: Sequence[UUID]) -> list[UUID]:
    """Remove people; returns those who were in before."""
    rows = await conn.fetch(REMOVE, group.tenant_id, group.id, list(ids))
    return [row["user_id"] for row in rows]


async def leave_all(conn: Connection, tenant_id: UUID, user_id: UUID) -> list[UUID]:
    """Take somebody out of every group; returns these."""
    return [row["group_id"] for row in await conn.fetch(LEAVE_ALL, tenant_id, user_id)]


async def list_roles_of(conn: Connection, tenant_id: UUID, ids: Sequence[UUID]) -> list[str]:
    """The roles these people have, by groups and without, each once; owners aside, whose role no
    group changes."""
    return [row["role"] for row in await conn.fetch(ROLES_OF, tenant_id, list(ids))]


async def apply_roles(
    conn: Connection, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime, guests_until: datetime
) -> dict[UUID, tuple[str, str]]:
    """Give people the roles of their groups; returns whose changed, with before and after."""
    await conn.execute(LOCK_PEOPLE, tenant_id, list(ids))
    rows = await conn.fetch(APPLY_ROLES, tenant_id, list(ids), now, guests_until)
    told = [(row["id"], ", ".join(row["before"]), ", ".join(row["after"])) for row in rows]
    return {person: (before, after) for person, before, after in told if before != after}
