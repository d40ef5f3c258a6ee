"""Health over HTTP, for callers with credentials."""

from typing import Annotated

from leanvibe_server.health import service
from leanvibe_server.health.schemas import HealthView, TenantHealth
from leanvibe_server.kernel.access import Permission, may
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.http import PathId, Router, refuses
from leanvibe_server.kernel.scope import Scope

router = Router(prefix="/health", tags=["Health"])


@router.get("")
async def get_health(scope: Annotated[Scope, may(Permission.USAGE_READ)]) -> HealthView:
    """How the service is, as your tenant meets it.

    The database is that of your region, and the queue holds your own tasks. `/health` without
    `/v1` is for load balancers, needs no token and says less.
    """
    return await service.describe(scope)


@router.get("/tenant/{tenant_id}", responses=refuses(NotFound))
async def get_tenant_health(
    tenant_id: PathId, scope: Annotated[Scope, may(Permission.ORGANIZATION_MANAGE)]
) -> TenantHealth:
    """How your tenant is, or one below it: where it lives and how full its quotas are. Platform
    administrators ask for any."""
    return await service.describe_tenant(scope, tenant_id)
