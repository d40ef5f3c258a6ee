"""Rows of roles that tenants made."""

from datetime import datetime
from uuid import UUID

import msgspec


class MadeRole(msgspec.Struct, frozen=True, kw_only=True):
    """A role that a tenant built of permissions. Its name stands in the rows of its people."""

    tenant_id: UUID
    id: UUID
    name: str
    description: str
    permissions: list[str]
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime
