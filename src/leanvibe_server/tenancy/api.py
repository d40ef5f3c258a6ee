"""Tenants over HTTP: what the platform's administrators do."""

from typing import Annotated

from leanvibe_server.kernel.access import Permission, may
from leanvibe_server.kernel.errors import Conflict, NotFound
from leanvibe_server.kernel.http import PathId, Router, refuses
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy import service
from leanvibe_server.tenancy.schemas import Suspension, TenantDetail, TenantView

router = Router(tags=["Tenants"])

Administrator = Annotated[Scope, may(Permission.TENANT_ADMIN)]


@router.get("/tenants/{tenant_id}", responses=refuses(NotFound))
async def get_tenant(
    tenant_id: PathId, scope: Annotated[Scope, may(Permission.TENANT_READ)]
) -> TenantDetail:
    """The tenant of this token, or for its administrators one below it; platform administrators
    see any."""
    return await service.describe_tenant(scope, tenant_id)


@router.post("/tenants/{tenant_id}/suspend", responses=refuses(NotFound, Conflict))
async def suspend_tenant(
    tenant_id: PathId, suspension: Suspension, scope: Administrator
) -> TenantView:
    """Stop a tenant's writes. Reading and paying go on."""
    return TenantView.of(await service.suspend(scope, tenant_id, reason=suspension.reason))


@router.post("/tenants/{tenant_id}/reactivate", responses=refuses(NotFound))
async def reactivate_tenant(tenant_id: PathId, scope: Administrator) -> TenantView:
    """End a suspension."""
    return TenantView.of(await service.reactivate(scope, tenant_id))
