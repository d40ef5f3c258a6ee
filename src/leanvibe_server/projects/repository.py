"""Every SQL statement of the projects room."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from leanvibe_server.kernel.db import Connection
from leanvibe_server.projects.models import Project

COLUMNS = """tenant_id, id, name, description, tech_stack, repository_url, hosted, default_branch,
    ai_assistance_level, configuration, credentials_sealed, is_default, created_by, created_at,
    updated_at"""
INSERT = f"""
INSERT INTO projects ({COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""
FIND = f"SELECT {COLUMNS} FROM projects WHERE tenant_id = $1 AND id = $2"
FIND_DEFAULT = f"SELECT {COLUMNS} FROM projects WHERE tenant_id = $1 AND is_default"
LOCK = "SELECT 1 FROM projects WHERE tenant_id = $1 AND id = $2 FOR UPDATE"
HOLD = "SELECT 1 FROM projects WHERE tenant_id = $1 AND id = $2 FOR KEY SHARE"
LIST = f"""
SELECT {COLUMNS} FROM projects WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2)
ORDER BY id DESC LIMIT $3
"""
COUNT = "SELECT count(*) FROM projects WHERE tenant_id = $1"
UPDATE = """
UPDATE projects SET name = $3, description = $4, tech_stack = $5, repository_url = $6,
    hosted = $7, default_branch = $8, ai_assistance_level = $9, configuration = $10,
    credentials_sealed = $11, updated_at = $12
WHERE tenant_id = $1 AND id = $2
"""
DELETE = "DELETE FROM projects WHERE tenant_id = $1 AND id = $2"
# The one look upwards: a foreign key leads here from tasks, and nothing else says who uses a row.
BUSY = """
SELECT count(*) FROM tasks WHERE tenant_id = $1 AND project_id = $2
    AND status IN ('queued', 'in_progress', 'awaiting_approval')
"""
ONE_DEFAULT = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"


def _project(row: Any) -> Project | None:
    return None if row is None else Project(**row)


async def insert(conn: Connection, project: Project) -> None:
    await conn.execute(
        INSERT,
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
        project.is_default,
        project.created_by,
        project.created_at,
        project.updated_at,
    )


async def find(conn: Connection, tenant_id: UUID, project_id: UUID) -> Project | None:
    return _project(await conn.fetchrow(FIND, tenant_id, project_id))


async def find_default(conn: Connection, tenant_id: UUID) -> Project | None:
    return _project(await conn.fetchrow(FIND_DEFAULT, tenant_id))


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
    conn: Connection, tenant_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[Project]:
    rows = await conn.fetch(LIST, tenant_id, after, limit)
    return [Project(**row) for row in rows]


async def count(conn: Connection, tenant_id: UUID) -> int:
    found: int = await conn.fetchval(COUNT, tenant_id)
    return found


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
        project.updated_at,
    )


async def delete(conn: Connection, tenant_id: UUID, project_id: UUID) -> None:
    await conn.execute(DELETE, tenant_id, project_id)
