"""Wire shapes of the tenancy room."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from leanvibe_server.kernel.schemas import Timestamp
from leanvibe_server.tenancy.models import Tenant


class TenantView(BaseModel):
    """A tenant as its administrators and the platform see it."""

    id: UUID
    organization_name: str
    display_name: str
    slug: str
    subdomain: str = Field(description="The same as `slug`")
    status: str
    is_active: bool
    plan: str
    data_residency: str
    parent_tenant_id: UUID | None
    configuration: dict[str, Any]
    created_at: Timestamp
    trial_ends_at: Timestamp | None

    @classmethod
    def of(cls, tenant: Tenant) -> "TenantView":
        return cls(**facts(tenant))


def facts(tenant: Tenant) -> dict[str, Any]:
    """What every print of a tenant says."""
    return {
        "id": tenant.id,
        "organization_name": tenant.organization_name,
        "display_name": tenant.display_name,
        "slug": tenant.slug,
        "subdomain": tenant.slug,
        "status": tenant.status,
        "is_active": not tenant.suspended,
        "plan": tenant.plan,
        "data_residency": tenant.data_residency,
        "parent_tenant_id": tenant.parent_tenant_id,
        "configuration": tenant.configuration,
        "created_at": tenant.created_at,
        "trial_ends_at": tenant.trial_ends_at,
    }


class TenantUpdate(BaseModel):
    """What an administrator may change of the own tenant."""

    display_name: str | None = Field(None, min_length=1, max_length=200)
    configuration: dict[str, Any] | None = Field(
        None, description="Sections such as `branding` and `features`; those not named stay"
    )


class Suspension(BaseModel):
    """Why a tenant is suspended. The tenant's admins read it."""

    reason: str = Field(min_length=1, max_length=500, examples=["Payment overdue"])
