"""Home-realm discovery: by which way people with an address of a domain sign in.

The answer depends on the domain alone, so it tells nothing about whether somebody is here.
"""

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.identity.domains.schemas import Discovery, ProviderHint, WaysIn
from leanvibe_server.identity.domains.service import find_tenant_of
from leanvibe_server.identity.federation.entry import find_tenant_id
from leanvibe_server.identity.federation.service import list_enabled
from leanvibe_server.identity.policy import policy_from
from leanvibe_server.identity.visits import scope_in
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.platform import PLATFORM_TENANT
from leanvibe_server.kernel.request import Visit
from leanvibe_server.tenancy.service import require_tenant


async def ways_in(visit: Visit, asked: Discovery) -> WaysIn:
    """How people of an organisation sign in, which is named or has proved the address's domain:
    by its providers, else by password."""
    if asked.tenant is not None:
        found = await find_tenant_id(visit.house, asked.tenant.strip().lower())
    else:
        found = await find_tenant_of(visit.house, asked.email or "")
    # For one that nobody knows, an empty tenant is asked: that takes as long.
    tenant_id = found or PLATFORM_TENANT
    async with visit.house.database.tenant(tenant_id) as conn:
        scope = scope_in(visit, conn, tenant_id)
        providers = await list_enabled(scope)
        try:
            tenant = await require_tenant(scope)
        except NotFound:
            return WaysIn(methods=["password"], provider=None, providers=[])
    hints = [
        ProviderHint(slug=p.slug, name=p.name, type=p.type, tenant=tenant.slug)
        for p in providers
        if p.protocol in plan_of(tenant.plan).features
    ]
    if found is None or not hints:
        return WaysIn(methods=["password"], provider=None, providers=[])
    only = policy_from(tenant.security).sso_required
    return WaysIn(
        methods=["sso"] if only else ["sso", "password"], provider=hints[0], providers=hints
    )
