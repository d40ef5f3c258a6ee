"""Wire shapes of the metering room."""

from uuid import UUID

from pydantic import BaseModel, Field

from leanvibe_server.kernel.schemas import Timestamp
from leanvibe_server.tenancy.schemas import TenantView


class UsageView(BaseModel):
    """What the tenant uses, and what its plan allows."""

    tenant_id: UUID
    users_count: int
    projects_count: int
    api_calls_this_month: int
    storage_used_mb: int = Field(description="MiB of repositories and results")
    ai_requests_today: int
    concurrent_sessions: int
    quotas: dict[str, int]
    last_updated: Timestamp


class QuotaCheck(BaseModel):
    """Whether a quota has room. `remaining` is the limit less the current use."""

    quota_type: str
    available: bool
    current_usage: int
    quota_limit: int
    requested_amount: int
    remaining: int


class TenantInfo(TenantView):
    """The own tenant with its limits and what it uses."""

    quotas: dict[str, int]
    current_usage: dict[str, int]
