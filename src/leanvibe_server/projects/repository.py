"""Every SQL statement of the projects room."""

from collections.abc import Sequence
from uuid import UUID

from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import find_row, list_rows, values_of
from leanvibe_server.projects.models import Member, Membership, Project
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
# Of the projects that are restricted, those where somebody has none of the roles that count.
HIDDEN = """
SELECT p.id FROM projects p WHERE p.tenant_id = $1 AND p.visibility = 'members' AND NOT EXISTS (
    SELECT 1 FROM project_members m WHERE m.tenant_id = p.tenant_id AND m.project_id = p.id
        AND m.user_id = $2 AND m.role = ANY ($3))
"""
SHOWN = """
SELECT project_id AS id FROM project_members
WHERE tenant_id = $1 AND user_id = $2 AND role = ANY ($3)
"""
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
SELECT m.project_id, p.name AS project_name, p.visibility, m.role, m.created_at
FROM project_members m JOIN projects p ON p.tenant_id = m.tenant_id AND p.id = m.project_id
WHERE m.tenant_id = $1 AND m.user_id = $2 AND ($3::uuid IS NULL OR m.project_id > $3)
    AND ($5::uuid[] IS NULL OR m.project_id = ANY ($5)) AND m.project_id <> ALL ($6::uuid[])
ORDER BY m.project_id LIMIT $4
"""
PUT_MEMBER = f"""
INSERT INTO project_members ({MEMBER_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, project_id, user_id) DO UPDATE SET role = EXCLUDED.role
"""
DELETE_MEMBER = """
DELETE FROM project_members WHERE tenant_id = $1 AND project_id = $2 AND user_id = $3
"""
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
