"""What the tenant uses, as meters."""

from dataclasses import dataclass

from leanvibe_server.kernel.scope import Scope
from leanvibe_server.metering import service as metering


@dataclass(frozen=True)
class Meter:
    """One quota: used of limit."""

    label: str
    used: int
    limit: int
    unit: str


async def meters(scope: Scope) -> list[Meter]:
    """Every quota of the plan and what of it is used."""
    usage = await metering.describe_usage(scope)
    tasks = await metering.check_quota(scope, "concurrent_tasks", 0)
    quotas = usage.quotas
    return [
        Meter("Tasks at once", tasks.current_usage, tasks.quota_limit, ""),
        Meter("AI requests today", usage.ai_requests_today, quotas["max_ai_requests_per_day"], ""),
        Meter(
            "API calls this month",
            usage.api_calls_this_month,
            quotas["max_api_calls_per_month"],
            "",
        ),
        Meter("Projects", usage.projects_count, quotas["max_projects"], ""),
        Meter("People", usage.users_count, quotas["max_users"], ""),
        Meter("Storage", usage.storage_used_mb, quotas["max_storage_mb"], " MiB"),
    ]
