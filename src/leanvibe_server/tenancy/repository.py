"""Every SQL statement of the tenancy room."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import find_row, list_rows, values_of
from leanvibe_server.tenancy.models import Tenant, TenantFilter

COLUMNS = """id, slug, organization_name, display_name, status, plan, data_residency,
    parent_tenant_id, admin_email, configuration, security, suspended_reason, trial_ends_at,
    created_at, updated_at"""
INSERT = f"""
INSERT INTO tenants ({COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""
READ = f"{COLUMNS}, deletes_at, suspended_by"
INSERT_ONCE = f"{INSERT} ON CONFLICT (id) DO NOTHING"
FIND = f"SELECT {READ} FROM tenants WHERE id = $1"
FIND_BY_SLUG = f"SELECT {READ} FROM tenants WHERE slug = $1"
LOCK = f"SELECT {READ} FROM tenants WHERE id = $1 FOR NO KEY UPDATE"
_WANTED = """
FROM tenants
WHERE ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR plan = $2)
  AND ($3::text IS NULL OR data_residency = $3)
  AND ($4::uuid IS NULL OR parent_tenant_id = $4)
  AND ($5::text IS NULL OR strpos(lower(organization_name || ' ' || display_name), $5) > 0
       OR strpos(slug, $5) > 0 OR strpos(lower(admin_email), $5) > 0)
  AND ($6::timestamptz IS NULL OR created_at >= $6)
  AND ($7::timestamptz IS NULL OR created_at < $7)
"""
LIST = f"""
SELECT {READ} {_WANTED} AND ($8::uuid IS NULL OR id < $8) ORDER BY id DESC LIMIT $9 OFFSET $10
"""
COUNT = f"SELECT count(*) {_WANTED}"
# The directory is in the home region's database only.
ENTER = """
INSERT INTO tenant_directory (tenant_id, slug, region, claimed_at, settled_at)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT (slug) DO NOTHING RETURNING tenant_id
"""
DELETE_ENTRY = "DELETE FROM tenant_directory WHERE tenant_id = $1"
FIND_REGION = """
SELECT coalesce(region, $2) FROM tenant_directory WHERE slug = $1 AND deleted_at IS NULL
"""
TAKEN_SLUGS = "SELECT slug FROM tenant_directory WHERE slug = $1 OR slug LIKE $1 || '-%'"
LIST_UNSETTLED = """
SELECT tenant_id, region FROM tenant_directory
WHERE region IS NOT NULL AND settled_at IS NULL AND claimed_at < $1 ORDER BY claimed_at LIMIT $2
"""
LIST_PRESENT = "SELECT id FROM tenants WHERE id = ANY($1)"
SETTLE = "UPDATE tenant_directory SET settled_at = $2 WHERE tenant_id = ANY($1)"
UPDATE_SETTINGS = f"""
UPDATE tenants SET display_name = $2, configuration = $3, updated_at = $4 WHERE id = $1
RETURNING {READ}
"""
UPDATE_STATUS = f"""
UPDATE tenants SET status = $2, suspended_reason = $3, deletes_at = $4, updated_at = $5,
    suspended_by = $6
WHERE id = $1 RETURNING {READ}
"""
UPDATE_PLAN = f"""
UPDATE tenants SET plan = $2, trial_ends_at = $3, updated_at = $4 WHERE id = $1
RETURNING {READ}
"""
# Whoever was put below it meanwhile goes, or moves away, before it, however they came there.
_DUE = """status = 'deleting' AND deletes_at <= $1
    AND NOT EXISTS (SELECT 1 FROM tenant_ancestors a WHERE a.ancestor_id = t.id)
    AND NOT EXISTS (SELECT 1 FROM tenants c WHERE c.parent_tenant_id = t.id)
    AND NOT EXISTS (SELECT 1 FROM legal_holds h WHERE h.tenant_id = t.id)
"""
LIST_DUE = f"SELECT {READ} FROM tenants t WHERE {_DUE} ORDER BY deletes_at LIMIT $2"
LOCK_WHOLE = "SELECT 1 FROM tenants WHERE id = $1 FOR UPDATE"
IS_DUE = f"SELECT EXISTS (SELECT 1 FROM tenants t WHERE t.id = $2 AND {_DUE})"
# A hold on the tenant holds everybody in it, and a hold on anybody holds the tenant.
FIND_HOLD = """
SELECT id FROM legal_holds
WHERE tenant_id = $1 AND ($2::uuid IS NULL OR user_id IS NULL OR user_id = $2) LIMIT 1
"""
DELETE_HOLDS = "DELETE FROM legal_holds WHERE tenant_id = $1"
# The tree is seen by the organisation itself; the rows of `tenants` below it are not.
HAS_CHILDREN = "SELECT EXISTS (SELECT 1 FROM tenant_ancestors WHERE ancestor_id = $1)"
# What stays of a tenant that is gone: that there was one, where, and until when.
BURY = """
UPDATE tenant_directory SET slug = 'deleted-' || tenant_id, deleted_at = $2
WHERE tenant_id = $1 AND deleted_at IS NULL
"""
FORGET_PEOPLE = "DELETE FROM remote_directory WHERE tenant_id = $1"
TABLES_OF_TENANTS = """
SELECT c.relname AS name, has_table_privilege(current_user, c.oid, 'DELETE') AS ours
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') AND NOT c.relispartition
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
WHERE a.attname = 'tenant_id' AND NOT a.attisdropped
  AND c.relname NOT IN ('tenant_directory', 'remote_directory')
ORDER BY c.relname
"""
UPDATE_SECURITY = "UPDATE tenants SET security = $2, updated_at = $3 WHERE id = $1"
DELETE = "DELETE FROM tenants WHERE id = $1"
REPLACE_CONTACT = """
UPDATE tenants t SET admin_email = coalesce(
    (SELECT u.email FROM users u WHERE u.tenant_id = t.id AND u.role = 'owner'
        AND u.status = 'active' AND lower(u.email) <> lower($2) ORDER BY u.id LIMIT 1), '')
WHERE t.id = $1 AND lower(t.admin_email) = lower($2)
"""
BIND = "SELECT set_config('app.tenant_id', $1, true)"


async def insert(conn: Connection, tenant: Tenant, *, once: bool = False) -> None:
    await conn.execute(INSERT_ONCE if once else INSERT, *values_of(tenant, COLUMNS))


async def find(conn: Connection, tenant_id: UUID) -> Tenant | None:
    return await find_row(conn, Tenant, FIND, tenant_id)


async def find_by_slug(conn: Connection, slug: str) -> Tenant | None:
    return await find_row(conn, Tenant, FIND_BY_SLUG, slug)


async def lock(conn: Connection, tenant_id: UUID) -> Tenant | None:
    """The tenant; others who change its standing wait until this transaction ends."""
    return await find_row(conn, Tenant, LOCK, tenant_id)


async def list_page(
    conn: Connection, *, wanted: TenantFilter, after: UUID | None, limit: int, offset: int
) -> list[Tenant]:
    return await list_rows(conn, Tenant, LIST, *_values(wanted), after, limit, offset)


async def count(conn: Connection, *, wanted: TenantFilter) -> int:
    number: int = await conn.fetchval(COUNT, *_values(wanted))
    return number


def _values(wanted: TenantFilter) -> tuple[Any, ...]:
    return (
        wanted.status,
        wanted.plan,
        wanted.region,
        wanted.parent_tenant_id,
        None if wanted.search is None else wanted.search.lower(),
        wanted.created_after,
        wanted.created_before,
    )


async def list_due(conn: Connection, *, before: datetime, limit: int) -> list[Tenant]:
    """Tenants of this database whose time to be restored is over."""
    return await list_rows(conn, Tenant, LIST_DUE, before, limit)


async def lock_due(conn: Connection, tenant_id: UUID, *, before: datetime) -> bool:
    """Whether nothing keeps the tenant from going. Whoever would add something that does, such as
    a hold or an organisation below it, waits from now on until this transaction ends."""
    await conn.execute(LOCK_WHOLE, tenant_id)
    return await is_due(conn, tenant_id, before=before)


async def is_due(conn: Connection, tenant_id: UUID, *, before: datetime) -> bool:
    """Whether a tenant is to go and nothing keeps it."""
    found: bool = await conn.fetchval(IS_DUE, before, tenant_id)
    return found


async def find_hold(conn: Connection, tenant_id: UUID, user_id: UUID | None) -> UUID | None:
    """A legal hold under which somebody is; with None, any in the tenant."""
    found: UUID | None = await conn.fetchval(FIND_HOLD, tenant_id, user_id)
    return found


async def delete_holds(conn: Connection, tenant_id: UUID) -> None:
    await conn.execute(DELETE_HOLDS, tenant_id)


async def has_children(conn: Connection, tenant_id: UUID) -> bool:
    found: bool = await conn.fetchval(HAS_CHILDREN, tenant_id)
    return found


async def bury(conn: Connection, tenant_id: UUID, *, now: datetime) -> None:
    """Leave of the directory's entry that there was a tenant, and forget its people."""
    await conn.execute(FORGET_PEOPLE, tenant_id)
    await conn.execute(BURY, tenant_id, now)


async def delete_rows(conn: Connection, tenant_id: UUID) -> list[str]:
    """Delete what a tenant owns in this database but its own row, as far as this login may; the
    tables that are left to the owner."""
    tables = await conn.fetch(TABLES_OF_TENANTS)
    for table in tables:
        if table["ours"]:
            await conn.execute(f'DELETE FROM "{table["name"]}" WHERE tenant_id = $1', tenant_id)
    return [table["name"] for table in tables if not table["ours"]]


async def update_plan(
    conn: Connection, tenant_id: UUID, *, plan: str, trial_ends_at: datetime | None, now: datetime
) -> Tenant | None:
    return await find_row(conn, Tenant, UPDATE_PLAN, tenant_id, plan, trial_ends_at, now)


async def enter(
    conn: Connection, tenant_id: UUID, slug: str, *, region: str | None, now: datetime
) -> bool:
    """Put a tenant in the directory; False when its slug is taken. No region: this database."""
    settled_at = now if region is None else None
    return await conn.fetchval(ENTER, tenant_id, slug, region, now, settled_at) is not None


async def delete_entry(conn: Connection, tenant_id: UUID) -> None:
    await conn.execute(DELETE_ENTRY, tenant_id)


async def find_region(conn: Connection, slug: str, *, home: str) -> str | None:
    region: str | None = await conn.fetchval(FIND_REGION, slug, home)
    return region


async def list_unsettled(conn: Connection, *, before: datetime, limit: int) -> dict[UUID, str]:
    """Tenants of other regions that were claimed and not seen there yet, with their regions."""
    rows = await conn.fetch(LIST_UNSETTLED, before, limit)
    return {row["tenant_id"]: row["region"] for row in rows}


async def list_present(conn: Connection, tenant_ids: Sequence[UUID]) -> list[UUID]:
    """Those of the tenants that are in this database."""
    return [row["id"] for row in await conn.fetch(LIST_PRESENT, tenant_ids)]


async def settle(conn: Connection, tenant_ids: Sequence[UUID], *, now: datetime) -> None:
    await conn.execute(SETTLE, tenant_ids, now)


async def list_taken_slugs(conn: Connection, stem: str) -> set[str]:
    return {row["slug"] for row in await conn.fetch(TAKEN_SLUGS, stem)}


async def update_settings(
    conn: Connection,
    tenant_id: UUID,
    *,
    display_name: str,
    configuration: dict[str, Any],
    now: datetime,
) -> Tenant | None:
    return await find_row(
        conn, Tenant, UPDATE_SETTINGS, tenant_id, display_name, configuration, now
    )


async def update_status(
    conn: Connection,
    tenant_id: UUID,
    *,
    status: str,
    reason: str | None,
    now: datetime,
    deletes_at: datetime | None = None,
    by: UUID | None = None,
) -> Tenant | None:
    """`by` is the organisation above that suspends it; None where the platform does."""
    return await find_row(
        conn, Tenant, UPDATE_STATUS, tenant_id, status, reason, deletes_at, now, by
    )


async def update_security(
    conn: Connection, tenant_id: UUID, security: dict[str, Any], *, now: datetime
) -> None:
    await conn.execute(UPDATE_SECURITY, tenant_id, security, now)


async def delete(conn: Connection, tenant_id: UUID) -> None:
    await conn.execute(DELETE, tenant_id)


async def bind(conn: Connection, tenant_id: UUID) -> None:
    """Let rows and events that follow in this transaction belong to `tenant_id`."""
    await conn.execute(BIND, str(tenant_id))


async def replace_contact(conn: Connection, tenant_id: UUID, email: str) -> int:
    """Put an owner's address where the tenant's contact was `email`. Returns how many rows."""
    answer: str = await conn.execute(REPLACE_CONTACT, tenant_id, email)
    return int(answer.rpartition(" ")[2])
