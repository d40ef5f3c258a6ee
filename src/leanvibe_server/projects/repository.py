"""Every SQL statement of the projects room."""

from collections.abc import Sequence
from uuid import UUID

from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import find_row, list_rows, values_of
from leanvibe_server.projects.models import GroupOnProject, Member, Membership, Project
from leanvibe_server.projects.schemas import Sight

COLUMNS = """tenant_id, id, name, description, tech_stack, repository_url, hosted, default_branch,
    ai_assistance_level, configuration, credentials_sealed, is_default, visibility, created_by,
    created_at, updated_at"""
INSERT = f"""
INSERT INTO projects ({COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""
FIND = f"SELECT {COLUMNS} FROM projects WHERE tenant_id = $1 AND id = $2"
FIND_DEFAULT = f"SELECT {COLUMNS} FROM projects WHERE tenant_id = $1 AND is_default"
LOCK = "SELECT 1 FROM projects WHERE tenant_id = $1 AND id = $2 FOR UPDATE"
HOLD = "SELECT 1 FROM projects WHERE tenant_id = $1 AND id = $2 FOR KEY SHARE"
LIST = f"""
SELECT {COLUMNS} FROM projects WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2)
    AND ($4::uuid[] IS NULL OR id = ANY ($4)) AND id <> ALL ($5::uuid[])
    AND ($6::text IS NULL OR name ILIKE $6)
ORDER BY id DESC LIMIT $3
"""
# What somebody has on projects by themselves, and by the groups they are in.
_HELD = """(
    SELECT project_id, role FROM project_members WHERE tenant_id = $1 AND user_id = $2
    UNION ALL SELECT g.project_id, g.role FROM group_members b
        JOIN project_groups g ON g.tenant_id = b.tenant_id AND g.group_id = b.group_id
        WHERE b.tenant_id = $1 AND b.user_id = $2) held"""
# Of the projects that are restricted, those where somebody has none of the roles that count.
HIDDEN = f"""
SELECT id FROM projects WHERE tenant_id = $1 AND visibility = 'members'
    AND id NOT IN (SELECT project_id FROM {_HELD} WHERE role = ANY ($3))
"""
SHOWN = f"SELECT DISTINCT project_id AS id FROM {_HELD} WHERE role = ANY ($3)"
HELD_ON = f"SELECT DISTINCT role FROM {_HELD} WHERE project_id = $3"
MEMBER_COLUMNS = "tenant_id, project_id, user_id, role, added_by, created_at"
FIND_MEMBER = f"""
SELECT {MEMBER_COLUMNS} FROM project_members
WHERE tenant_id = $1 AND project_id = $2 AND user_id = $3
"""
LIST_MEMBERS = f"""
SELECT {MEMBER_COLUMNS} FROM project_members
WHERE tenant_id = $1 AND project_id = $2 AND ($3::uuid IS NULL OR user_id > $3)
ORDER BY user_id LIMIT $4
"""
LIST_MEMBERSHIPS = """
SELECT m.project_id, p.name AS project_name, p.visibility, min(m.created_at) AS created_at,
    min(m.role) FILTER (WHERE m.group_id IS NULL) AS role,
    coalesce(jsonb_agg(jsonb_build_object('group_id', m.group_id, 'group_name', m.group_name,
        'role', m.role) ORDER BY m.group_name) FILTER (WHERE m.group_id IS NOT NULL), '[]')
        AS by_groups
FROM (
    SELECT project_id, role, created_at, NULL::uuid AS group_id, NULL AS group_name
    FROM project_members WHERE tenant_id = $1 AND user_id = $2
    UNION ALL
    SELECT g.project_id, g.role, greatest(g.created_at, b.added_at), g.group_id, n.name
    FROM group_members b
    JOIN project_groups g ON g.tenant_id = b.tenant_id AND g.group_id = b.group_id
    JOIN groups n ON n.tenant_id = b.tenant_id AND n.id = b.group_id
    WHERE b.tenant_id = $1 AND b.user_id = $2) m
JOIN projects p ON p.tenant_id = $1 AND p.id = m.project_id
WHERE ($3::uuid IS NULL OR m.project_id > $3)
    AND ($5::uuid[] IS NULL OR m.project_id = ANY ($5)) AND m.project_id <> ALL ($6::uuid[])
GROUP BY m.project_id, p.name, p.visibility ORDER BY m.project_id LIMIT $4
"""
PUT_MEMBER = f"""
INSERT INTO project_members ({MEMBER_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, project_id, user_id) DO UPDATE SET role = EXCLUDED.role
"""
DELETE_MEMBER = """
DELETE FROM project_members WHERE tenant_id = $1 AND project_id = $2 AND user_id = $3
"""
_GROUPS_NAMED = """
SELECT m.tenant_id, m.project_id, m.group_id, m.role, m.added_by, m.created_at,
    p.name AS project_name, p.visibility, g.name AS group_name
FROM project_groups m
JOIN projects p ON p.tenant_id = m.tenant_id AND p.id = m.project_id
JOIN groups g ON g.tenant_id = m.tenant_id AND g.id = m.group_id
WHERE m.tenant_id = $1
"""
FIND_GROUP = f"{_GROUPS_NAMED} AND m.project_id = $2 AND m.group_id = $3"
GROUPS_OF_PROJECT = f"""
{_GROUPS_NAMED} AND m.project_id = $2 AND ($3::uuid IS NULL OR m.group_id > $3)
ORDER BY m.group_id LIMIT $4
"""
PROJECTS_OF_GROUP = f"""
{_GROUPS_NAMED} AND m.group_id = $2 AND ($3::uuid IS NULL OR m.project_id > $3)
    AND ($5::uuid[] IS NULL OR m.project_id = ANY ($5)) AND m.project_id <> ALL ($6::uuid[])
ORDER BY m.project_id LIMIT $4
"""
GROUP_COLUMNS = "tenant_id, project_id, group_id, role, added_by, created_at"
PUT_GROUP = f"""
INSERT INTO project_groups ({GROUP_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, project_id, group_id) DO UPDATE SET role = EXCLUDED.role
"""
DELETE_GROUP = (
    "DELETE FROM project_groups WHERE tenant_id = $1 AND project_id = $2 AND group_id = $3"
)
TALLY = """
SELECT tenant_id, count(*) AS number FROM projects WHERE tenant_id = ANY ($1) GROUP BY tenant_id
"""
COUNT = "SELECT count(*) FROM projects WHERE tenant_id = $1"
UPDATE = """
UPDATE projects SET name = $3, description = $4, tech_stack = $5, repository_url = $6,
    hosted = $7, default_branch = $8, ai_assistance_level = $9, configuration = $10,
    credentials_sealed = $11, visibility = $12, updated_at = $13
WHERE tenant_id = $1 AND id = $2
"""
DELETE = "DELETE FROM projects WHERE tenant_id = $1 AND id = $2"
# The one look upwards: a foreign key leads here from tasks, and nothing else says who uses a row.
BUSY = """
SELECT count(*) FROM tasks WHERE tenant_id = $1 AND project_id = $2
    AND status IN ('queued', 'in_progress', 'awaiting_approval')
"""
ONE_DEFAULT = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"


async def insert(conn: Connection, project: Project) -> None:
    await conn.execute(INSERT, *values_of(project, COLUMNS))


async def find(conn: Connection, tenant_id: UUID, project_id: UUID) -> Project | None:
    return await find_row(conn, Project, FIND, tenant_id, project_id)


async def find_default(conn: Connection, tenant_id: UUID) -> Project | None:
    return await find_row(conn, Project, FIND_DEFAULT, tenant_id)


async def wait_for_default(conn: Connection, tenant_id: UUID) -> None:
    """Take turns with others who are about to make the tenant's default project."""
    await conn.execute(ONE_DEFAULT, f"{tenant_id}/default project")


async def lock(conn: Connection, tenant_id: UUID, project_id: UUID) -> None:
    """Keep others from changing the project, or adding tasks, until this transaction ends."""
    await conn.execute(LOCK, tenant_id, project_id)


async def hold(conn: Connection, tenant_id: UUID, project_id: UUID) -> None:
    """Keep the project from being deleted until this transaction ends."""
    await conn.execute(HOLD, tenant_id, project_id)


async def list_page(
    conn: Connection,
    tenant_id: UUID,
    *,
    after: UUID | None,
    limit: int,
    sight: Sight,
    pattern: str | None = None,
) -> Sequence[Project]:
    return await list_rows(
        conn, Project, LIST, tenant_id, after, limit, sight.shown, sight.hidden, pattern
    )


async def count(conn: Connection, tenant_id: UUID) -> int:
    found: int = await conn.fetchval(COUNT, tenant_id)
    return found


async def tally(conn: Connection, tenant_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many projects each of several tenants has."""
    rows = await conn.fetch(TALLY, list(tenant_ids))
    return {row["tenant_id"]: row["number"] for row in rows}


async def count_unfinished_tasks(conn: Connection, tenant_id: UUID, project_id: UUID) -> int:
    found: int = await conn.fetchval(BUSY, tenant_id, project_id)
    return found


async def update(conn: Connection, project: Project) -> None:
    await conn.execute(
        UPDATE,
        project.tenant_id,
        project.id,
        project.name,
        project.description,
        project.tech_stack,
        project.repository_url,
        project.hosted,
        project.default_branch,
        project.ai_assistance_level,
        project.configuration,
        project.credentials_sealed,
        project.visibility,
        project.updated_at,
    )


async def delete(conn: Connection, tenant_id: UUID, project_id: UUID) -> None:
    await conn.execute(DELETE, tenant_id, project_id)


async def list_hidden(
    conn: Connection, tenant_id: UUID, user_id: UUID | None, roles: Sequence[str]
) -> list[UUID]:
    """The restricted projects on which somebody has none of the roles."""
    rows = await conn.fetch(HIDDEN, tenant_id, user_id, list(roles))
    return [row["id"] for row in rows]


async def list_shown(
    conn: Connection, tenant_id: UUID, user_id: UUID | None, roles: Sequence[str]
) -> list[UUID]:
    """The projects on which somebody has one of the roles."""
    rows = await conn.fetch(SHOWN, tenant_id, user_id, list(roles))
    return [row["id"] for row in rows]


async def find_member(
    conn: Connection, tenant_id: UUID, project_id: UUID, user_id: UUID | None
) -> Member | None:
    return await find_row(conn, Member, FIND_MEMBER, tenant_id, project_id, user_id)


async def list_roles_on(
    conn: Connection, tenant_id: UUID, project_id: UUID, user_id: UUID | None
) -> list[str]:
    """The roles somebody has on a project, by themselves and by groups."""
    return [row["role"] for row in await conn.fetch(HELD_ON, tenant_id, user_id, project_id)]


async def list_memberships(
    conn: Connection,
    tenant_id: UUID,
    user_id: UUID,
    sight: Sight,
    *,
    after: UUID | None,
    limit: int,
) -> list[Membership]:
    """The roles of somebody on projects, of those in sight."""
    return await list_rows(
        conn,
        Membership,
        LIST_MEMBERSHIPS,
        tenant_id,
        user_id,
        after,
        limit,
        sight.shown,
        sight.hidden,
    )


async def list_members(
    conn: Connection, tenant_id: UUID, project_id: UUID, *, after: UUID | None, limit: int
) -> list[Member]:
    return await list_rows(conn, Member, LIST_MEMBERS, tenant_id, project_id, after, limit)


async def put_member(conn: Connection, member: Member) -> None:
    await conn.execute(PUT_MEMBER, *values_of(member, MEMBER_COLUMNS))


async def delete_member(conn: Connection, tenant_id: UUID, project_id: UUID, user_id: UUID) -> None:
    await conn.execute(DELETE_MEMBER, tenant_id, project_id, user_id)


async def find_group(
    conn: Connection, tenant_id: UUID, project_id: UUID, group_id: UUID
) -> GroupOnProject | None:
    return await find_row(conn, GroupOnProject, FIND_GROUP, tenant_id, project_id, group_id)


async def list_groups(
    conn: Connection, tenant_id: UUID, project_id: UUID, *, after: UUID | None, limit: int
) -> list[GroupOnProject]:
    return await list_rows(
        conn, GroupOnProject, GROUPS_OF_PROJECT, tenant_id, project_id, after, limit
    )


async def list_projects_of_group(
    conn: Connection,
    tenant_id: UUID,
    group_id: UUID,
    sight: Sight,
    *,
    after: UUID | None,
    limit: int,
) -> list[GroupOnProject]:
    """The roles of a group, on those of the projects that are in sight."""
    bounds = (tenant_id, group_id, after, limit, sight.shown, sight.hidden)
    return await list_rows(conn, GroupOnProject, PROJECTS_OF_GROUP, *bounds)


async def put_group(conn: Connection, given: GroupOnProject) -> None:
    await conn.execute(PUT_GROUP, *values_of(given, GROUP_COLUMNS))


async def delete_group(conn: Connection, tenant_id: UUID, project_id: UUID, group_id: UUID) -> None:
    await conn.execute(DELETE_GROUP, tenant_id, project_id, group_id)
