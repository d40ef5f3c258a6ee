"""Rows of groups."""

from datetime import datetime
from uuid import UUID

import msgspec


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Some people of the tenant. `role` is what membership gives them; None gives none.

    `version` grows with each change of the group or its members.
    """

    tenant_id: UUID
    id: UUID
    name: str
    description: str
    external_id: str | None
    role: str | None
    version: int
    created_at: datetime
    updated_at: datetime
    members_count: int = 0


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody in a group."""

    user_id: UUID
    email: str
    username: str
    added_at: datetime
