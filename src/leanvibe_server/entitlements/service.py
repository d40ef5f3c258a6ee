"""Whether there is room under a limit of the plan."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from math import ceil

from leanvibe_server.entitlements.errors import QuotaExceeded
from leanvibe_server.entitlements.plans import PLANS, plan_of, upgrade_options
from leanvibe_server.kernel.clock import rfc3339
from leanvibe_server.kernel.errors import Forbidden, InvalidRequest, at_field, invalid_field
from leanvibe_server.kernel.scope import Scope

# Each kind of quota, the limit behind it, and how a message names it.
QUOTAS = {
    "users": ("max_users", "User"),
    "projects": ("max_projects", "Project"),
    "api_calls": ("max_api_calls_per_month", "Monthly API"),
    "storage": ("max_storage_mb", "Storage"),
    "ai_requests": ("max_ai_requests_per_day", "Daily AI request"),
    "concurrent_sessions": ("max_concurrent_sessions", "Session"),
    "concurrent_tasks": ("max_concurrent_tasks", "Concurrent task"),
}


def limit_of(plan: str, quota_type: str) -> int:
    """The limit of a plan, in the unit of the quota.

    Raises: InvalidRequest: there is no such quota.
    """
    if quota_type not in QUOTAS:
        raise invalid_field(
            "quota_type",
            f"no quota {quota_type!r}",
            f"There is no quota {quota_type!r}. Quotas are {', '.join(QUOTAS)}.",
        )
    limit: int = getattr(plan_of(plan).limits, QUOTAS[quota_type][0])
    return limit


def quota_exceeded(
    plan: str, quota_type: str, *, current: int, resets_at: datetime | None, now: datetime
) -> QuotaExceeded:
    """The refusal for a limit that is reached. A counter says when it begins anew; what is
    counted in place may have room again any moment."""
    wait_s = RETRY_COUNTED_S if resets_at is None else ceil((resets_at - now).total_seconds())
    return QuotaExceeded(
        f"{QUOTAS[quota_type][1]} quota exceeded",
        details={
            "quota_type": quota_type,
            "current_usage": current,
            "quota_limit": limit_of(plan, quota_type),
            "reset_date": None if resets_at is None else rfc3339(resets_at),
        },
        upgrade_options=upgrade_options(plan),
        headers={"Retry-After": str(wait_s), "X-RateLimit-Retry-After": str(wait_s)},
    )


RETRY_COUNTED_S = 30
LOCK_QUOTA = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"


async def require_room(
    scope: Scope,
    quota_type: str,
    *,
    count: Callable[[Scope], Awaitable[int]],
    amount: int = 1,
) -> None:
    """Refuse when `amount` more of a thing that is counted in place would pass the limit.

    Callers of one tenant and quota go through here one at a time, until each has committed, so
    that two at once cannot both take the last place.

    Raises: QuotaExceeded.
    """
    await scope.conn.execute(LOCK_QUOTA, f"{scope.tenant_id}/{quota_type}")
    current = await count(scope)
    if current + amount > limit_of(scope.plan, quota_type):
        raise quota_exceeded(scope.plan, quota_type, current=current, resets_at=None, now=scope.now)


FEATURE_NAMES = {
    "oidc": "Single sign-on by OpenID Connect",
    "saml": "Single sign-on by SAML",
    "scim": "Provisioning by SCIM",
}


def require_feature(plan: str, feature: str) -> None:
    """Refuse what the plan does not hold.

    Raises: Forbidden: with the plans that do hold it.
    """
    if feature in plan_of(plan).features:
        return
    having = [o for o in upgrade_options(plan) if feature in PLANS[o["plan"]].features]
    raise Forbidden(
        f"{FEATURE_NAMES[feature]} is not part of the plan {plan_of(plan).name}.",
        details={"feature": feature, "plan": plan},
        upgrade_options=having,
    )


def require_region(plan: str, region: str, *, home: str) -> None:
    """Refuse a region the plan does not hold. Every plan holds the home region.

    Raises: InvalidRequest: with the plans that do hold it.
    """
    if region == home or region in plan_of(plan).regions:
        return
    having = [o for o in upgrade_options(plan) if region in PLANS[o["plan"]].regions]
    raise InvalidRequest(
        f"The plan {plan_of(plan).name} does not hold the region {region}.",
        details=at_field("data_residency", f"{region} is not part of the plan {plan}")
        | {"plan_regions": list(plan_of(plan).regions)},
        upgrade_options=having,
    )
