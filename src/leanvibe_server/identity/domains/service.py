"""Proving that an e-mail domain is the tenant's own, and asking whether it is."""

from leanvibe_server.identity.domains import repository as rows
from leanvibe_server.kernel.scope import Scope


async def owns_domain_of(scope: Scope, email: str) -> bool:
    """Whether the tenant has proved the domain of an address to be its own."""
    domain = email.rpartition("@")[2].lower()
    return await rows.is_verified(scope.conn, scope.tenant_id, domain)
