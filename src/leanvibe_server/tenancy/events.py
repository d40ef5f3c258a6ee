"""What happens to tenants."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from leanvibe_server.kernel.events import Event


class TenantCreated(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "tenant.created"
    tenant_id: UUID
    slug: str
    organization_name: str
    plan: str


class TenantUpdated(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "tenant.updated"
    tenant_id: UUID
    changed: list[str]


class TenantSuspended(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "tenant.suspended"
    public: ClassVar[bool] = True
    ends_access: ClassVar[bool] = True
    tenant_id: UUID
    reason: str


class TenantPlanChanged(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "tenant.plan_changed"
    public: ClassVar[bool] = True
    tenant_id: UUID
    before: str
    after: str


class TenantTrialChanged(Event, frozen=True, kw_only=True):
    """Its trial ends at another time, or, without `ends_at`, is over."""

    name: ClassVar[str] = "tenant.trial_changed"
    public: ClassVar[bool] = True
    tenant_id: UUID
    ends_at: datetime | None


class TenantDeletionScheduled(Event, frozen=True, kw_only=True):
    """The tenant is read-only from now on and will be gone at `deletes_at`."""

    name: ClassVar[str] = "tenant.deletion_scheduled"
    public: ClassVar[bool] = True
    ends_access: ClassVar[bool] = True
    tenant_id: UUID
    deletes_at: datetime
    reason: str | None


class TenantRestored(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "tenant.restored"
    public: ClassVar[bool] = True
    tenant_id: UUID


class TenantDeleted(Event, frozen=True, kw_only=True):
    """Everything of a tenant is gone. Told in the platform's log: the tenant has none any more."""

    name: ClassVar[str] = "tenant.deleted"
    ends_access: ClassVar[bool] = True
    deleted_tenant_id: UUID
    region: str

    @property
    def ends_access_of(self) -> UUID:
        return self.deleted_tenant_id


class TenantReactivated(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "tenant.reactivated"
    tenant_id: UUID
