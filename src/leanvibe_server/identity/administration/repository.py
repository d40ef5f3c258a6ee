"""Statements about whole tenants."""

from uuid import UUID

from leanvibe_server.kernel.db import Connection

OWNER_ADDRESSES = """
SELECT email FROM users WHERE tenant_id = $1 AND role = 'owner' AND status = 'active' ORDER BY id
"""


async def list_owner_addresses(conn: Connection, tenant_id: UUID) -> list[str]:
    """Where the owners of a tenant get mail."""
    return [row["email"] for row in await conn.fetch(OWNER_ADDRESSES, tenant_id)]
