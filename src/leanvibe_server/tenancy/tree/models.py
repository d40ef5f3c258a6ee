"""Rows of organisations below others."""

from datetime import datetime
from uuid import UUID

import msgspec


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation as one above it sees it; `depth` is how far below it is, from 1."""

    id: UUID
    slug: str
    organization_name: str
    display_name: str
    status: str
    plan: str
    data_residency: str
    parent_tenant_id: UUID
    depth: int
    children: int
    created_at: datetime
    suspended_reason: str | None
    suspended_by: UUID | None
