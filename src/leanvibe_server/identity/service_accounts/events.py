"""What happens to service accounts and their clients."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from leanvibe_server.identity.events import AuthEvent


class ServiceAccountCreated(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "service_account.created"
    user_id: UUID
    account_name: str
    role: str


class ServiceAccountUpdated(AuthEvent, frozen=True, kw_only=True):
    """`changed` maps a field to its value before and after."""

    name: ClassVar[str] = "service_account.updated"
    ends_access: ClassVar[bool] = True
    user_id: UUID
    changed: dict[str, tuple[str, str]]


class ServiceAccountDeleted(AuthEvent, frozen=True, kw_only=True):
    """The account is gone, with its keys, clients and tokens."""

    name: ClassVar[str] = "service_account.deleted"
    ends_access: ClassVar[bool] = True
    user_id: UUID
    account_name: str


class OAuthClientCreated(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "oauth_client.created"
    client_id: UUID
    user_id: UUID
    client_name: str
    scopes: list[str]
    expires_at: datetime | None


class OAuthClientRotated(AuthEvent, frozen=True, kw_only=True):
    """A client got a new secret; the one before holds until `old_ends_at`."""

    name: ClassVar[str] = "oauth_client.rotated"
    client_id: UUID
    user_id: UUID
    old_ends_at: datetime


class OAuthClientRevoked(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "oauth_client.revoked"
    ends_access: ClassVar[bool] = True
    client_id: UUID
    user_id: UUID
    reason: str
