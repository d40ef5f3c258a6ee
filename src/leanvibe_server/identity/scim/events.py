"""What provisioning does."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from leanvibe_server.identity.events import AuthEvent


class ScimTokenCreated(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "scim_token.created"
    token_id: UUID
    token_name: str
    expires_at: datetime


class ScimTokenRevoked(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "scim_token.revoked"
    token_id: UUID
    reason: str


class UserProvisioned(AuthEvent, frozen=True, kw_only=True):
    """A provisioning client changed what is known of a person; names of the fields only."""

    name: ClassVar[str] = "user.provisioned"
    user_id: UUID
    fields: list[str]


class UserDeprovisioned(AuthEvent, frozen=True, kw_only=True):
    """A provisioning client took a person out: disabled, sessions and keys ended."""

    name: ClassVar[str] = "user.deprovisioned"
    ends_access: ClassVar[bool] = True
    user_id: UUID
