"""Statements about the e-mail domains of tenants."""

from uuid import UUID

from leanvibe_server.kernel.db import Connection

IS_VERIFIED = """
SELECT EXISTS (SELECT 1 FROM domains
    WHERE tenant_id = $1 AND domain = $2 AND verified_at IS NOT NULL)
"""


async def is_verified(conn: Connection, tenant_id: UUID, domain: str) -> bool:
    found: bool = await conn.fetchval(IS_VERIFIED, tenant_id, domain)
    return found
