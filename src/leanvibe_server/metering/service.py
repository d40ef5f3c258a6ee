"""Use cases of metering: the quota gate, usage, and what is left."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.entitlements.service import limit_of, quota_exceeded
from leanvibe_server.kernel import metrics
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.metering import repository
from leanvibe_server.metering.events import QuotaReached, QuotaWarned
from leanvibe_server.metering.periods import period_end, period_of
from leanvibe_server.metering.schemas import QuotaCheck, TenantInfo, UsageView
from leanvibe_server.tenancy.models import Tenant
from leanvibe_server.tenancy.schemas import TenantUpdate, facts
from leanvibe_server.tenancy.service import require_tenant, update_tenant

AI_REQUESTS = "ai_requests"
API_CALLS = "api_calls"
COUNTED = frozenset({AI_REQUESTS, API_CALLS})
WARN_AT = 0.9


async def reserve(scope: Scope, metric: str, amount: int = 1) -> None:
    """Take `amount` from a counter, or store nothing.

    Raises: QuotaExceeded: the limit would be passed.
    """
    now = scope.now
    period, limit = period_of(metric, now), limit_of(scope.plan, metric)
    used = await repository.reserve(
        scope.conn, scope.tenant_id, metric=metric, period=period, amount=amount, limit=limit
    )
    if used is None:
        current = await repository.used(scope.conn, scope.tenant_id, metric=metric, period=period)
        raise quota_exceeded(
            scope.plan, metric, current=current, resets_at=period_end(metric, now), now=now
        )
    await tell_thresholds(scope, metric, used=used, limit=limit)


async def release(scope: Scope, metric: str, *, reserved_at: datetime, amount: int = 1) -> None:
    """Give back what was taken for work that did not come to be."""
    await repository.release(
        scope.conn,
        scope.tenant_id,
        metric=metric,
        period=period_of(metric, reserved_at),
        amount=amount,
    )


async def record(
    scope: Scope,
    *,
    metric: str,
    quantity: Decimal | int,
    idempotency_key: str,
    task_id: UUID | None = None,
    event_id: UUID | None = None,
) -> bool:
    """Write one usage event for the bill; False when this key was written before."""
    return await repository.record(
        scope.conn,
        scope.tenant_id,
        usage_id=scope.new_id(),
        metric=metric,
        quantity=Decimal(quantity),
        idempotency_key=idempotency_key,
        task_id=task_id,
        event_id=event_id,
        now=scope.now,
    )


async def add(scope: Scope, metric: str, amount: int) -> int:
    """Count what has already happened; returns the new count."""
    period, limit = period_of(metric, scope.now), limit_of(scope.plan, metric)
    used = await repository.add(
        scope.conn, scope.tenant_id, metric=metric, period=period, amount=amount
    )
    await tell_thresholds(scope, metric, used=used, limit=limit)
    return used


async def tell_thresholds(scope: Scope, metric: str, *, used: int, limit: int) -> None:
    """Emit the warning at 90 % and the notice at 100 %, each once a period."""
    metrics.QUOTA_RATIO.labels(metric).set(used / limit)
    if used < WARN_AT * limit:
        return
    now = scope.now
    for exceeded, event in ((False, QuotaWarned), (True, QuotaReached)):
        if exceeded and used < limit:
            continue
        period = period_of(metric, now)
        if await repository.mark(
            scope.conn, scope.tenant_id, metric=metric, period=period, exceeded=exceeded, now=now
        ):
            await scope.emit(
                event(
                    quota_type=metric,
                    current_usage=used,
                    quota_limit=limit,
                    reset_date=period_end(metric, now),
                )
            )


async def current_usage(scope: Scope, quota_type: str) -> int:
    """How much of a quota the tenant uses now: a counter of this period, or a count of things."""
    if quota_type in COUNTED:
        period = period_of(quota_type, scope.now)
        return await repository.used(scope.conn, scope.tenant_id, metric=quota_type, period=period)
    gauge = scope.house.gauges.get(quota_type)
    return 0 if gauge is None else await gauge(scope)


async def describe_usage(scope: Scope) -> UsageView:
    """All usage of the tenant beside its limits."""
    return UsageView(
        tenant_id=scope.tenant_id,
        users_count=await current_usage(scope, "users"),
        projects_count=await current_usage(scope, "projects"),
        api_calls_this_month=await current_usage(scope, "api_calls"),
        storage_used_mb=await current_usage(scope, "storage"),
        ai_requests_today=await current_usage(scope, "ai_requests"),
        concurrent_sessions=await current_usage(scope, "concurrent_sessions"),
        quotas=plan_of(scope.plan).limits.quotas(),
        last_updated=scope.now,
    )


async def check_quota(scope: Scope, quota_type: str, amount: int) -> QuotaCheck:
    """Whether `amount` more would fit.

    Raises: InvalidRequest: there is no such quota.
    """
    limit = limit_of(scope.plan, quota_type)
    current = await current_usage(scope, quota_type)
    return QuotaCheck(
        quota_type=quota_type,
        available=current + amount <= limit,
        current_usage=current,
        quota_limit=limit,
        requested_amount=amount,
        remaining=max(0, limit - current),
    )


async def describe_tenant(scope: Scope) -> TenantInfo:
    """The own tenant with its limits and usage."""
    return await _describe(scope, await require_tenant(scope))


async def change_tenant(scope: Scope, change: TenantUpdate) -> TenantInfo:
    """Change name or configuration of the own tenant."""
    tenant = await update_tenant(
        scope, display_name=change.display_name, configuration=change.configuration
    )
    return await _describe(scope, tenant)


async def _describe(scope: Scope, tenant: Tenant) -> TenantInfo:
    usage = await describe_usage(scope)
    counts = usage.model_dump(exclude={"tenant_id", "quotas", "last_updated"})
    return TenantInfo(**facts(tenant), quotas=usage.quotas, current_usage=counts)
