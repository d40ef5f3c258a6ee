"""What happens to identity providers and to the people linked to them."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from leanvibe_server.identity.events import AuthEvent


class ProviderCreated(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "sso_provider.created"
    provider_id: UUID
    provider_type: str
    provider_name: str
    issuer: str


class ProviderUpdated(AuthEvent, frozen=True, kw_only=True):
    """`changed` names fields only: their values may be secrets."""

    name: ClassVar[str] = "sso_provider.updated"
    ends_access: ClassVar[bool] = True
    provider_id: UUID
    changed: list[str]


class ProviderEnabled(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "sso_provider.enabled"
    provider_id: UUID


class ProviderDisabled(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "sso_provider.disabled"
    ends_access: ClassVar[bool] = True
    provider_id: UUID


class ProviderDeleted(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "sso_provider.deleted"
    ends_access: ClassVar[bool] = True
    provider_id: UUID
    provider_name: str
    issuer: str


class IdentityLinked(AuthEvent, frozen=True, kw_only=True):
    """`how` is created (with a new user), domain (by a verified e-mail domain) or user (by the
    signed-in user)."""

    name: ClassVar[str] = "identity.linked"
    user_id: UUID
    provider_id: UUID
    identity_id: UUID
    how: str


class IdentityUnlinked(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "identity.unlinked"
    user_id: UUID
    provider_id: UUID
    identity_id: UUID


class EndNears(AuthEvent, frozen=True, kw_only=True):
    """Something ends within `days` that single sign-on rests on; without a provider it is ours
    for all of them."""

    provider_id: UUID | None
    what: str
    ends_at: datetime
    days: int
