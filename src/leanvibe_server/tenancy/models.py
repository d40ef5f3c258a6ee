"""Rows of the tenancy room."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """One customer organisation. `plan` is the slug of what it may use; `suspended_by` is the
    organisation above that suspended it, and None where the platform did."""

    id: UUID
    slug: str
    organization_name: str
    display_name: str
    status: str
    plan: str
    data_residency: str
    parent_tenant_id: UUID | None
    admin_email: str
    configuration: dict[str, Any]
    security: dict[str, Any]
    suspended_reason: str | None
    trial_ends_at: datetime | None
    created_at: datetime
    updated_at: datetime
    deletes_at: datetime | None = None
    suspended_by: UUID | None = None

    @property
    def suspended(self) -> bool:
        return self.status == "suspended"

    @property
    def deleting(self) -> bool:
        """Whether it is to be deleted at `deletes_at`."""
        return self.status == "deleting"


class TenantFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which tenants are asked for. `search` is part of a name, a slug or the admin's e-mail."""

    status: str | None = None
    plan: str | None = None
    region: str | None = None
    parent_tenant_id: UUID | None = None
    search: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
