"""Usage and quotas over HTTP."""

from typing import Annotated

from fastapi import Query

from leanvibe_server.kernel.access import Permission, may
from leanvibe_server.kernel.http import Router
from leanvibe_server.kernel.pagination import PageQuery
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.metering import rollup, service
from leanvibe_server.metering.schemas import QuotaCheck, SubtreeUsage, TenantInfo, UsageView
from leanvibe_server.tenancy.schemas import TenantUpdate

router = Router(tags=["Tenants"])


@router.get("/tenants/me/usage")
async def get_usage(scope: Annotated[Scope, may(Permission.USAGE_READ)]) -> UsageView:
    """What the tenant uses now, beside the limits of its plan."""
    return await service.describe_usage(scope)


@router.get("/tenants/me/organizations/usage")
async def get_usage_of_organizations(
    page: PageQuery, scope: Annotated[Scope, may(Permission.ORGANIZATION_MANAGE)]
) -> SubtreeUsage:
    """What your organisation and those below it use, each and in sum.

    Numbers only: nothing of the projects, people or tasks below is shown here.
    """
    return await rollup.describe_subtree(scope, page)


@router.get("/tenants/me/quota-check/{quota_type}")
async def check_quota(
    quota_type: str,
    scope: Annotated[Scope, may(Permission.USAGE_READ)],
    amount: Annotated[int, Query(ge=0, le=10**12, description="How much more is wanted")] = 1,
) -> QuotaCheck:
    """Whether `amount` more of a quota would fit, without taking any of it."""
    return await service.check_quota(scope, quota_type, amount)


@router.get("/tenants/me/info")
async def get_tenant_info(scope: Annotated[Scope, may(Permission.TENANT_READ)]) -> TenantInfo:
    """The tenant of this token: status, plan, limits and current use."""
    return await service.describe_tenant(scope)


@router.put("/tenants/me/info")
async def update_tenant_info(
    change: TenantUpdate, scope: Annotated[Scope, may(Permission.TENANT_UPDATE)]
) -> TenantInfo:
    """Change how the tenant is shown and configured."""
    return await service.change_tenant(scope, change)
