"""What happens to tenants."""

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
    tenant_id: UUID
    reason: str


class TenantReactivated(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "tenant.reactivated"
    tenant_id: UUID
