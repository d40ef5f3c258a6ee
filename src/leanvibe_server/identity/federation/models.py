"""Rows of identity providers and of the people linked to them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

OIDC, SAML = "oidc", "saml"
# Whom a provider's word gives an account.
Newcomers = Literal["anyone", "verified_domains", "nobody"]
ANYONE: Newcomers = "anyone"
VERIFIED_DOMAINS: Newcomers = "verified_domains"
# The role of who set the provider up, in its configuration: by itself it opens no account above.
CEILING = "ceiling"


class RoleRule(msgspec.Struct, frozen=True, kw_only=True):
    """Who has `value` among the values of `claim` at the provider gets `role` here."""

    claim: str
    value: str
    role: str


class SsoProvider(msgspec.Struct, frozen=True, kw_only=True):
    """One identity provider of one tenant.

    `type` is the preset (google, microsoft, okta, oidc or saml), `protocol` what it speaks and
    `slug` its name in addresses. `configuration` belongs to the protocol. `role_mapping` is
    `{"rules": [...]}`.
    """

    tenant_id: UUID
    id: UUID
    protocol: str
    type: str
    slug: str
    name: str
    enabled: bool
    issuer: str
    client_id: str | None
    client_secret_sealed: bytes | None
    configuration: dict[str, Any]
    default_role: str
    role_mapping: dict[str, Any]
    created_at: datetime
    updated_at: datetime

    @property
    def rules(self) -> list[RoleRule]:
        return msgspec.convert(self.role_mapping.get("rules", []), list[RoleRule])

    @property
    def ceiling(self) -> str | None:
        """The role of who set it up; None for the house itself."""
        role: str | None = self.configuration.get(CEILING)
        return role

    @property
    def settings(self) -> dict[str, Any]:
        """What an admin set beyond the common fields, in the protocol's own words."""
        found: dict[str, Any] = self.configuration.get("settings", {})
        return found

    @property
    def trusts_mfa(self) -> bool:
        """Whether the provider's word on a second factor counts here."""
        return self.settings.get("trust_mfa") is True


class FederatedIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """A person at a provider and the user they are here."""

    tenant_id: UUID
    id: UUID
    provider_id: UUID
    subject: str
    user_id: UUID
    email: str | None
    created_at: datetime
    last_login_at: datetime | None
