"""Statements about the e-mail domains of tenants."""

from datetime import datetime
from uuid import UUID

from leanvibe_server.identity.domains.models import Domain
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import find_row, list_rows, values_of

COLUMNS = """tenant_id, id, domain, challenge, created_at, verified_at, checked_at,
    missing_since"""
INSERT = f"INSERT INTO domains ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
FIND = f"SELECT {COLUMNS} FROM domains WHERE tenant_id = $1 AND id = $2"
LOCK = f"{FIND} FOR NO KEY UPDATE"
FIND_NAMED = f"SELECT {COLUMNS} FROM domains WHERE tenant_id = $1 AND domain = $2"
LIST = f"""
SELECT {COLUMNS} FROM domains
WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3
"""
COUNT = "SELECT count(*) FROM domains WHERE tenant_id = $1"
IS_VERIFIED = """
SELECT EXISTS (SELECT 1 FROM domains
    WHERE tenant_id = $1 AND domain = $2 AND verified_at IS NOT NULL)
"""
NOTE_CHECK = f"""
UPDATE domains SET verified_at = $3, checked_at = $4, missing_since = $5
WHERE tenant_id = $1 AND id = $2
RETURNING {COLUMNS}
"""
DELETE = "DELETE FROM domains WHERE tenant_id = $1 AND id = $2"
# Only of the platform login: before a tenant is known, and to keep one domain to one tenant.
FIND_OWNER = "SELECT tenant_id FROM domains WHERE domain = $1 AND verified_at IS NOT NULL"
LIST_VERIFIED = f"""
SELECT {COLUMNS} FROM domains WHERE verified_at IS NOT NULL AND checked_at < $1
ORDER BY checked_at LIMIT $2
"""


async def insert(conn: Connection, domain: Domain) -> None:
    await conn.execute(INSERT, *values_of(domain, COLUMNS))


async def find(conn: Connection, tenant_id: UUID, domain_id: UUID) -> Domain | None:
    return await find_row(conn, Domain, FIND, tenant_id, domain_id)


async def lock(conn: Connection, tenant_id: UUID, domain_id: UUID) -> Domain | None:
    return await find_row(conn, Domain, LOCK, tenant_id, domain_id)


async def find_named(conn: Connection, tenant_id: UUID, domain: str) -> Domain | None:
    return await find_row(conn, Domain, FIND_NAMED, tenant_id, domain)


async def list_page(
    conn: Connection, tenant_id: UUID, *, after: UUID | None, limit: int
) -> list[Domain]:
    return await list_rows(conn, Domain, LIST, tenant_id, after, limit)


async def count(conn: Connection, tenant_id: UUID) -> int:
    found: int = await conn.fetchval(COUNT, tenant_id)
    return found


async def is_verified(conn: Connection, tenant_id: UUID, domain: str) -> bool:
    found: bool = await conn.fetchval(IS_VERIFIED, tenant_id, domain)
    return found


async def note_check(conn: Connection, domain: Domain) -> Domain | None:
    """Keep what a look at the record found."""
    return await find_row(
        conn,
        Domain,
        NOTE_CHECK,
        domain.tenant_id,
        domain.id,
        domain.verified_at,
        domain.checked_at,
        domain.missing_since,
    )


async def delete(conn: Connection, tenant_id: UUID, domain_id: UUID) -> None:
    await conn.execute(DELETE, tenant_id, domain_id)


async def find_owner(conn: Connection, domain: str) -> UUID | None:
    """The tenant that has proved a domain."""
    found: UUID | None = await conn.fetchval(FIND_OWNER, domain)
    return found


async def list_verified(conn: Connection, *, checked_before: datetime, limit: int) -> list[Domain]:
    """Proved domains of every tenant whose record was not looked at lately."""
    return await list_rows(conn, Domain, LIST_VERIFIED, checked_before, limit)
