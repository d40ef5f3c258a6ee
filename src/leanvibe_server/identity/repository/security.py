"""Statements about a tenant's security policy."""

from typing import Any
from uuid import UUID

from leanvibe_server.kernel.db import Connection

# Two admins who change it at once go one after the other, so that each sees the other's change.
LOCK_SECURITY = "SELECT security FROM tenants WHERE id = $1 FOR NO KEY UPDATE"
HAS_ENABLED_PROVIDER = """
SELECT EXISTS (SELECT FROM sso_providers WHERE tenant_id = $1 AND enabled)
"""


async def lock_security(conn: Connection, tenant_id: UUID) -> dict[str, Any]:
    """The policy as it is kept; others who change it wait until this transaction ends."""
    return dict(await conn.fetchval(LOCK_SECURITY, tenant_id) or {})


async def has_enabled_provider(conn: Connection, tenant_id: UUID) -> bool:
    """Whether somebody could sign in through an identity provider."""
    found: bool = await conn.fetchval(HAS_ENABLED_PROVIDER, tenant_id)
    return found
