"""Statements about who is above whom.

`tenant_ancestors` holds every organisation with each one above it, so that who is below, and
whether a move would close a circle, is one look at an index.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import list_rows
from leanvibe_server.tenancy.tree.models import Node

# Whoever changes the tree waits here for the one before, so that two moves at once cannot close a
# circle that neither of them saw. Moves are rare, and readers do not wait.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('tree of organisations', 0))"
IS_BELOW = """
SELECT EXISTS (SELECT 1 FROM tenant_ancestors WHERE tenant_id = $1 AND ancestor_id = $2)
"""
COUNT_BELOW = "SELECT count(*) FROM tenant_ancestors WHERE ancestor_id = $1"
LARGEST_ABOVE = """
SELECT max(size) FROM (
    SELECT (SELECT count(*) FROM tenant_ancestors b WHERE b.ancestor_id = a.id) AS size
    FROM (SELECT ancestor_id AS id FROM tenant_ancestors WHERE tenant_id = $1
          UNION ALL SELECT $1::uuid) a
) sizes
"""
PLACE = """
INSERT INTO tenant_ancestors (tenant_id, ancestor_id, depth)
SELECT $1::uuid, ancestor_id, depth + 1 FROM tenant_ancestors WHERE tenant_id = $2
UNION ALL SELECT $1::uuid, $2::uuid, 1
"""
CUT = """
DELETE FROM tenant_ancestors
WHERE tenant_id IN (SELECT $1::uuid UNION ALL
                    SELECT tenant_id FROM tenant_ancestors WHERE ancestor_id = $1)
  AND ancestor_id IN (SELECT ancestor_id FROM tenant_ancestors WHERE tenant_id = $1)
"""
GRAFT = """
INSERT INTO tenant_ancestors (tenant_id, ancestor_id, depth)
SELECT below.id, above.id, below.depth + above.depth + 1
FROM (SELECT $1::uuid AS id, 0 AS depth UNION ALL
      SELECT tenant_id, depth FROM tenant_ancestors WHERE ancestor_id = $1) below,
     (SELECT $2::uuid AS id, 0 AS depth UNION ALL
      SELECT ancestor_id, depth FROM tenant_ancestors WHERE tenant_id = $2) above
"""
SET_PARENT = "UPDATE tenants SET parent_tenant_id = $2, updated_at = $3 WHERE id = $1"
BELOW = """
SELECT tenant_id FROM tenant_ancestors WHERE ancestor_id = $1 ORDER BY depth, tenant_id LIMIT $2
"""
ABOVE = "SELECT ancestor_id FROM tenant_ancestors WHERE tenant_id = $1"
# The setting that the policies of a subtree go by.
NAME_SUBTREE = "SELECT set_config('app.subtree', $1, true)"
# Each part is made once: the planner takes a subtree for a few rows, and would count the children
# anew for every row of the page.
LIST = """
WITH page AS MATERIALIZED (
    SELECT t.id, t.slug, t.organization_name, t.display_name, t.status, t.plan,
        t.data_residency, t.parent_tenant_id, below.depth, t.created_at, t.suspended_reason,
        t.suspended_by
    FROM tenant_ancestors below JOIN tenants t ON t.id = below.tenant_id
    WHERE below.ancestor_id = $1 AND below.depth <= $3 AND t.id = ANY ($2)
        AND ($4::uuid IS NULL OR t.id > $4)
        AND ($6::text IS NULL OR t.display_name ILIKE $6 OR t.slug ILIKE $6)
    ORDER BY t.id LIMIT $5
), children AS MATERIALIZED (
    SELECT parent_tenant_id AS id, count(*) AS number FROM tenants WHERE id = ANY ($2) GROUP BY 1
)
SELECT page.*, coalesce(children.number, 0) AS children
FROM page LEFT JOIN children ON children.id = page.id ORDER BY page.id
"""


async def lock(conn: Connection) -> None:
    """Take turns with others who change the tree, until this transaction ends."""
    await conn.execute(LOCK)


async def is_below(conn: Connection, tenant_id: UUID, ancestor_id: UUID) -> bool:
    found: bool = await conn.fetchval(IS_BELOW, tenant_id, ancestor_id)
    return found


async def list_ids_above(conn: Connection, tenant_id: UUID) -> list[UUID]:
    return [row["ancestor_id"] for row in await conn.fetch(ABOVE, tenant_id)]


async def count_below(conn: Connection, tenant_id: UUID) -> int:
    found: int = await conn.fetchval(COUNT_BELOW, tenant_id)
    return found


async def count_largest(conn: Connection, tenant_id: UUID) -> int:
    """How many organisations are below the topmost one above `tenant_id`, or below it itself."""
    found: int = await conn.fetchval(LARGEST_ABOVE, tenant_id)
    return found


async def place(conn: Connection, tenant_id: UUID, parent_id: UUID) -> None:
    """Note everybody above a new organisation."""
    await conn.execute(PLACE, tenant_id, parent_id)


async def move(conn: Connection, tenant_id: UUID, parent_id: UUID | None, *, now: datetime) -> None:
    """Take an organisation with all below it from where it is, and put it elsewhere."""
    await conn.execute(CUT, tenant_id)
    if parent_id is not None:
        await conn.execute(GRAFT, tenant_id, parent_id)
    await conn.execute(SET_PARENT, tenant_id, parent_id, now)


async def open_subtree(conn: Connection, tenant_id: UUID, *, limit: int) -> list[UUID]:
    """Let this transaction read of the organisations below, nearest first; returns their ids."""
    named = await list_ids_below(conn, tenant_id, limit=limit)
    await conn.execute(NAME_SUBTREE, ",".join(map(str, named)))
    return named


async def list_ids_below(conn: Connection, tenant_id: UUID, *, limit: int) -> list[UUID]:
    """The organisations below one, nearest first."""
    return [row["tenant_id"] for row in await conn.fetch(BELOW, tenant_id, limit)]


async def close_subtree(conn: Connection) -> None:
    await conn.execute(NAME_SUBTREE, "")


async def list_page(
    conn: Connection,
    tenant_id: UUID,
    *,
    named: Sequence[UUID],
    depth: int,
    after: UUID | None,
    limit: int,
    pattern: str | None,
) -> list[Node]:
    return await list_rows(conn, Node, LIST, tenant_id, list(named), depth, after, limit, pattern)
