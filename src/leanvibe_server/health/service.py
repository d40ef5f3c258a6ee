"""Use cases of health: how the service is for a tenant, and how a tenant is.

What a caller is told of other tenants is nothing: queues and quotas are the caller's own, the
database is that of their region, and numbers of traffic are those of a whole process.
"""

from typing import Literal
from uuid import UUID

from leanvibe_server.engine import service as engine
from leanvibe_server.entitlements.service import limit_of
from leanvibe_server.health import repository
from leanvibe_server.health.schemas import (
    AiHealth,
    ApiHealth,
    BillingHealth,
    CacheHealth,
    DatabaseHealth,
    HealthView,
    Metrics,
    QuotaHealth,
    Services,
    TenantHealth,
    TenantServices,
    Verdict,
)
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.kernel.traffic import TRAFFIC
from leanvibe_server.metering import rollup
from leanvibe_server.metering import service as metering
from leanvibe_server.metering.schemas import OrganizationUsage
from leanvibe_server.tenancy import service as tenancy

# Per cent of the last minute's requests, and of what the database read.
FEW_FAILURES = 5.0
WARM_CACHE = 80.0
# A place that is taken by a thing that is there is no fault; a supply that is used up stops work.
THINGS = ("users", "projects")
SUPPLIES = ("api_calls", "storage", "ai_requests")


async def describe(scope: Scope) -> HealthView:
    """How the service is, as the scope's tenant meets it. That this is asked says already that its
    database answers."""
    took_ms, hit_rate = (
        TRAFFIC.average_response_time_ms,
        await repository.cache_hit_rate(scope.conn),
    )
    api = ApiHealth(status=_verdict(TRAFFIC.error_rate < FEW_FAILURES), response_time_ms=took_ms)
    database = await _database(scope, scope.tenant_id)
    cache = CacheHealth(
        status=_verdict(hit_rate is None or hit_rate >= WARM_CACHE), hit_rate=hit_rate
    )
    engine_health = AiHealth(
        status=_verdict(not await engine.is_left_waiting(scope)),
        queue_depth=await metering.current_usage(scope, "concurrent_tasks"),
    )
    parts = (api, database, cache, engine_health)
    return HealthView(
        status=_verdict(all(part.status == "healthy" for part in parts)),
        timestamp=scope.now,
        services=Services(
            api=api,
            database=database,
            cache=cache,
            ai_services=engine_health,
            billing=BillingHealth(status="not_configured", stripe_connectivity="not_configured"),
        ),
        metrics=Metrics(
            requests_per_minute=TRAFFIC.requests_per_minute,
            average_response_time=took_ms,
            error_rate=TRAFFIC.error_rate,
            uptime_percentage=TRAFFIC.uptime_percentage,
        ),
    )


def _verdict(fine: bool) -> Verdict:
    return "healthy" if fine else "degraded"


async def describe_tenant(scope: Scope, tenant_id: UUID) -> TenantHealth:
    """How a tenant is that the caller may see: its own, one below it, or any for the platform.

    Raises: NotFound.
    """
    tenant = await tenancy.show_tenant(scope, tenant_id)
    quotas = _quotas(await rollup.describe_alone(scope, tenant))
    database = await _database(scope, tenant.id)
    full = any(quotas[supply].status == "exceeded" for supply in SUPPLIES)
    return TenantHealth(
        status=_standing(tenant.status, degraded=full or database.status != "healthy"),
        timestamp=scope.now,
        tenant_id=tenant.id,
        plan=tenant.plan,
        data_residency=tenant.data_residency,
        services=TenantServices(database=database),
        quotas=quotas,
    )


def _standing(
    status: str, *, degraded: bool
) -> Literal["healthy", "degraded", "suspended", "deleting"]:
    if status == "suspended":
        return "suspended"
    if status == "deleting":
        return "deleting"
    return "degraded" if degraded else "healthy"


def _quotas(usage: OrganizationUsage) -> dict[str, QuotaHealth]:
    return {
        quota: _quota(getattr(usage, rollup.NUMBERS[quota]), limit_of(usage.plan, quota))
        for quota in (*THINGS, *SUPPLIES)
    }


def _quota(used: int, limit: int) -> QuotaHealth:
    status: Literal["healthy", "warning", "exceeded"] = "healthy"
    if used >= limit:
        status = "exceeded"
    elif used >= metering.WARN_AT * limit:
        status = "warning"
    return QuotaHealth(current_usage=used, quota_limit=limit, status=status)


async def _database(scope: Scope, tenant_id: UUID) -> DatabaseHealth:
    database = scope.house.database
    region = await database.region_of(tenant_id)
    busy = database.is_exhausted(region)
    return DatabaseHealth(
        status=_verdict(not busy),
        region=region,
        connection_pool="exhausted" if busy else "optimal",
    )
