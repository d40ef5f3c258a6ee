"""Wire shapes of organisations below others."""

from uuid import UUID

from pydantic import BaseModel, Field

from leanvibe_server.kernel.schemas import RowView, Timestamp
from leanvibe_server.tenancy.tree.models import Node


class OrganizationView(RowView):
    """An organisation below yours. To act for it, send its id as `X-Tenant-ID`."""

    id: UUID
    slug: str
    organization_name: str
    display_name: str
    status: str
    plan: str
    data_residency: str
    parent_tenant_id: UUID
    depth: int = Field(description="1 for a child, 2 for a child of a child, and so on")
    children_count: int
    created_at: Timestamp
    suspended_reason: str | None
    suspended_by_tenant_id: UUID | None = Field(
        description="Which organisation above suspended it; null where the platform did"
    )

    @classmethod
    def of(cls, node: Node) -> "OrganizationView":
        return cls.from_row(
            node, children_count=node.children, suspended_by_tenant_id=node.suspended_by
        )


class NewParent(BaseModel):
    """Where an organisation goes."""

    parent_tenant_id: UUID | None = Field(
        description="Your own organisation or one below it; null, for platform administrators: none"
    )
