"""Tenants: what they are, may use, and did use."""

from __future__ import annotations

from datetime import datetime

from leanvibe._records import Record


class UpgradeOption(Record):
    """A plan that would lift the limit; `monthly_price` in cents."""

    plan: str
    monthly_price: int
    benefits: list[str]


class Organization(Record):
    """An organisation below one's own; `depth` is how far below."""

    id: str
    slug: str
    organization_name: str
    display_name: str
    status: str
    plan: str
    data_residency: str
    parent_tenant_id: str
    depth: int
    children_count: int
    created_at: datetime
    suspended_reason: str | None = None
    suspended_by_tenant_id: str | None = None


class UsageSum(Record):
    """What one organisation uses, or several together."""

    users_count: int
    projects_count: int
    api_calls_this_month: int
    storage_used_mb: float
    ai_requests_today: int
    concurrent_sessions: int


class OrganizationUsage(UsageSum):
    """What one organisation of a tree uses; `depth` 0 is one's own."""

    tenant_id: str
    slug: str
    display_name: str
    parent_tenant_id: str | None = None
    depth: int
    status: str
    plan: str
    quotas: Record


class SubtreeUsage(Record):
    """What one's own organisation and all below it use: `total` of all, `data` one page of those
    below."""

    own: OrganizationUsage
    total: UsageSum
    organizations_count: int
    data: list[OrganizationUsage]
    has_more: bool
    next_cursor: str | None = None
    last_updated: datetime


class SecurityPolicy(Record):
    """What a tenant asks of passwords, factors, sessions and addresses; None: the product's own."""

    password_min_length: int
    password_history: int
    session_idle_minutes: int | None = None
    session_absolute_hours: int | None = None
    max_sessions: int | None = None
    allowed_networks: list[str]
    mfa_required: bool
    mfa_methods: list[str]
    sso_required: bool
    your_address: str | None = None


class Tenant(Record):
    """An organisation and its plan; `info` adds its limits and what it uses."""

    id: str
    organization_name: str
    display_name: str
    slug: str
    status: str
    is_active: bool
    plan: str
    data_residency: str
    parent_tenant_id: str | None = None
    configuration: Record
    quotas: Record | None = None
    current_usage: Record | None = None
    created_at: datetime
    trial_ends_at: datetime | None = None
    deletes_at: datetime | None = None


class TenantDetail(Tenant):
    """One tenant, with how many people it has, and why it is suspended."""

    user_count: int
    suspended_reason: str | None = None


class Health(Record):
    """How the service is; `services` and `metrics` as the server tells them."""

    status: str
    timestamp: datetime
    services: Record
    metrics: Record


class TenantHealth(Record):
    """How one tenant is, and how full its quotas are."""

    status: str
    timestamp: datetime
    tenant_id: str
    plan: str
    data_residency: str
    services: Record
    quotas: Record


class TenantUsage(Record):
    """What the tenant has used of what its plan allows."""

    tenant_id: str
    users_count: int
    projects_count: int
    api_calls_this_month: int
    storage_used_mb: float
    ai_requests_today: int
    concurrent_sessions: int
    quotas: Record
    last_updated: datetime


class QuotaCheck(Record):
    """Whether an amount still fits into a quota."""

    quota_type: str
    available: bool
    current_usage: int
    quota_limit: int
    requested_amount: int
    remaining: int


class DataKey(Record):
    """One version of the key that seals the tenant's secrets; never the key itself."""

    version: int
    status: str
    wrapped_by: str
    created_at: datetime
    retired_at: datetime | None = None
    destroyed_at: datetime | None = None


class DataKeys(Record):
    """Every version, newest first."""

    data: list[DataKey]


class BillingUsage(Record):
    """The use of the current billing period; money in the currency's minor unit."""

    usage_metrics: Record
    projected_cost: int
    currency: str

    @property
    def api_calls(self) -> int:
        """API calls in this period."""
        return int(self.usage_metrics["api_calls"])
