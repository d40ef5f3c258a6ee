"""What the tenant uses, as meters."""

from dataclasses import dataclass

from leanvibe_server.entitlements.plans import UNLIMITED
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.metering import service as metering
from leanvibe_server.metering.schemas import OrganizationUsage, UsageView

WARN_AT = 0.9
MIB_PER_GIB = 1024


@dataclass(frozen=True)
class Meter:
    """One quota: used of limit. `mib` ones count MiB, the others pieces."""

    label: str
    used: int
    limit: int
    mib: bool = False

    @property
    def endless(self) -> bool:
        return not self.mib and self.limit >= UNLIMITED

    @property
    def tone(self) -> str:
        """The class of the style sheet for how full it is."""
        if self.endless or self.used < WARN_AT * self.limit:
            return ""
        return "bad" if self.used >= self.limit else "warn"

    @property
    def used_text(self) -> str:
        return _storage(self.used) if self.mib else f"{self.used:,}"

    @property
    def limit_text(self) -> str:
        if self.endless:
            return "unlimited"
        return _storage(self.limit) if self.mib else f"{self.limit:,}"


def _storage(mib: int) -> str:
    if mib < MIB_PER_GIB:
        return f"{mib:,} MiB"
    return f"{mib / MIB_PER_GIB:,.1f} GiB".replace(".0 ", " ")


async def meters(scope: Scope) -> list[Meter]:
    """Every quota of the plan and what of it is used."""
    tasks = await metering.check_quota(scope, "concurrent_tasks", 0)
    at_once = Meter("Tasks at once", tasks.current_usage, tasks.quota_limit)
    return [at_once, *meters_of(await metering.describe_usage(scope))]


def meters_of(used: UsageView | OrganizationUsage) -> list[Meter]:
    """The quotas of an organisation, one's own or one below."""
    limits = used.quotas
    return [
        Meter("AI requests today", used.ai_requests_today, limits["max_ai_requests_per_day"]),
        Meter("API calls this month", used.api_calls_this_month, limits["max_api_calls_per_month"]),
        Meter("Projects", used.projects_count, limits["max_projects"]),
        Meter("People", used.users_count, limits["max_users"]),
        Meter("Storage", used.storage_used_mb, limits["max_storage_mb"], mib=True),
    ]
