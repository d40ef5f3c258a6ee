"""What an operator checks about the audit logs."""

import asyncio
from uuid import UUID

from leanvibe_server import wiring
from leanvibe_server.audit.chain import forget_head, list_logs
from leanvibe_server.audit.verification import Verdict, verify_tenant
from leanvibe_server.kernel.config import Settings
from leanvibe_server.launch.errors import LaunchError


def verify(settings: Settings, tenant_id: UUID | None, *, accept_restored: bool) -> list[Verdict]:
    """Check the log of one tenant, or of each."""
    return asyncio.run(_verify(settings, tenant_id, accept_restored=accept_restored))


async def _verify(
    settings: Settings, tenant_id: UUID | None, *, accept_restored: bool
) -> list[Verdict]:
    house = await wiring.open_house(settings)
    try:
        logs = await list_logs(house)
        if tenant_id is not None and tenant_id not in logs:
            raise LaunchError(f"There is no tenant {tenant_id}.")
        tenants = logs if tenant_id is None else [tenant_id]
        if accept_restored:
            for one in tenants:
                await forget_head(house, one)
        return [await verify_tenant(house, one) for one in tenants]
    finally:
        await house.database.close()
