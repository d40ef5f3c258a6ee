"""Wire shapes of the metering room."""

from uuid import UUID

from pydantic import BaseModel, Field

from leanvibe_server.kernel.pagination import Page
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


class UsageSum(BaseModel):
    """What one organisation uses, or several together."""

    users_count: int
    projects_count: int
    api_calls_this_month: int
    storage_used_mb: int = Field(description="MiB; each organisation's are rounded up")
    ai_requests_today: int
    concurrent_sessions: int


class OrganizationUsage(UsageSum):
    """What one organisation of a tree uses, beside the limits of its plan."""

    tenant_id: UUID
    slug: str
    display_name: str
    parent_tenant_id: UUID | None
    depth: int = Field(description="0 for your own, 1 for a child, and so on")
    status: str
    plan: str
    quotas: dict[str, int]


class SubtreeUsage(Page[OrganizationUsage]):
    """What your organisation and all below it use. `data` are those below, oldest first."""

    own: OrganizationUsage
    total: UsageSum = Field(description="Your own and all below it, on this page or not")
    organizations_count: int = Field(description="How many are below yours")
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
