"""Rows of provisioning."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec


class ScimToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token for a provisioning client. Only the hash of its secret is kept.

    `created_by` made it, with the key or client `made_with` if that was a program; `orphaned`: it
    goes on though they are here no more.
    """

    tenant_id: UUID
    id: UUID
    name: str
    prefix: str
    created_by: UUID | None
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    last_used_address: str | None
    made_with: UUID | None
    orphaned: bool = False


class Provisioned(msgspec.Struct, frozen=True, kw_only=True):
    """A person as a provisioning client sees them: the user, and what the client said of them.

    `attributes` is None for somebody who came otherwise and whom no client has changed yet.
    """

    tenant_id: UUID
    id: UUID
    email: str
    username: str
    role: str
    further_roles: list[str]
    status: str
    created_at: datetime
    updated_at: datetime
    user_name: str | None
    external_id: str | None
    attributes: dict[str, Any] | None
    profile_updated_at: datetime | None

    @property
    def name(self) -> str:
        """What the client knows the person by."""
        return self.user_name or self.email

    @property
    def active(self) -> bool:
        return self.status != "disabled"

    @property
    def last_modified(self) -> datetime:
        return max(self.updated_at, self.profile_updated_at or self.updated_at)


class Membership(msgspec.Struct, frozen=True):
    """A group somebody is in, or somebody who is in a group: whose, and of what name."""

    owner_id: UUID
    id: UUID
    name: str
