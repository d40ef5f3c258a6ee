"""Rows of the identity room."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec


class User(msgspec.Struct, frozen=True, kw_only=True):
    """One person in one tenant. The same person elsewhere bears the same `account_id`.

    `kind` is person, or service for an account that programs alone use. `role` is the highest
    they have, `further_roles` count beside it. `own_role` is set while groups give roles: what
    they have by themselves.
    """

    tenant_id: UUID
    id: UUID
    account_id: UUID
    email: str
    username: str
    password_hash: str | None
    role: str
    status: str
    email_verified_at: datetime | None
    expires_at: datetime | None
    last_login_at: datetime | None
    created_at: datetime
    updated_at: datetime
    kind: str = "person"
    own_role: str | None = None
    further_roles: list[str] = []

    @property
    def roles(self) -> tuple[str, ...]:
        """Every role that counts: rights add up."""
        return (self.role, *self.further_roles)

    @property
    def own(self) -> str:
        """The role they have by themselves, whatever groups give."""
        return self.own_role or self.role

    @property
    def is_service(self) -> bool:
        """Whether this is a service account: it has no password and signs in nowhere."""
        return self.kind == "service"

    @property
    def active(self) -> bool:
        return self.status == "active"

    def may_sign_in(self, now: datetime) -> bool:
        """Whether the account is open at `now`."""
        return self.active and (self.expires_at is None or now < self.expires_at)


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A user who may be the one signing in, and the tenant they are in."""

    user: User
    tenant_slug: str
    tenant_name: str
    plan: str
    security: dict[str, Any]


class Terms(msgspec.Struct, frozen=True):
    """What a sign-in must know before it opens a session: the security settings of the tenant,
    and whether the person has set up a second factor."""

    security: dict[str, Any]
    has_factors: bool


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One sign-in: `kind` is token (API) or web (dashboard)."""

    tenant_id: UUID
    id: UUID
    user_id: UUID
    kind: str
    address: str | None
    user_agent: str | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    ended_reason: str | None
    amr: list[str]
    authenticated_at: datetime
    provider_id: UUID | None
    remote_session: str | None


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """How somebody proved who they are.

    `method` names the way in: password, passkey, oidc, saml, invitation or switch. `amr` are the
    methods of RFC 8176 (`pwd`, `otp`, `sms`, `hwk`, `mfa`, `fed` for a provider's word).
    `second_factor`: we checked a second factor ourselves, which no provider's `amr` can claim.
    `remote_session` is the provider's name for its session, which its logout names, or the user
    of another tenant whose session moved here, and
    `not_after` the end the provider sets. `proved_at` is when the proof was given, where that
    was not just now.
    """

    method: str
    amr: tuple[str, ...]
    provider_id: UUID | None = None
    remote_session: str | None = None
    not_after: datetime | None = None
    proved_at: datetime | None = None
    second_factor: bool = False


# The way in of a session that goes on in another organisation.
MOVED = "switch"
PASSWORD = Proof(method="password", amr=("pwd",))


class RefreshToken(msgspec.Struct, frozen=True, kw_only=True):
    """One link in the chain of a session's refresh tokens."""

    id: UUID
    session_id: UUID
    client_hash: bytes
    created_at: datetime
    used_at: datetime | None


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key for programs. Only the hash of its secret is kept.

    `allowed_networks` are CIDR blocks, empty for every address. `replaces` is the key this one
    was made from by rotation. `created_by` made it, with the key or client `made_with` if that was
    a program; `orphaned`: it goes on though they are here no more.
    """

    tenant_id: UUID
    id: UUID
    user_id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_address: str | None = None
    rate_limit_per_minute: int | None = None
    allowed_networks: list[str] = []
    replaces: UUID | None = None
    created_by: UUID | None = None
    made_with: UUID | None = None
    orphaned: bool = False


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """A link that lets its reader prove an e-mail address, and set a password."""

    tenant_id: UUID
    id: UUID
    user_id: UUID
    invited_by: UUID | None
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None


class SigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that signs access tokens, as stored; the private half is sealed."""

    kid: str
    algorithm: str
    private_key_sealed: bytes
    public_jwk: dict[str, str]
    created_at: datetime
    retires_at: datetime | None


class MailLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link in a mail: `purpose` is reset, verify or email, `email` the address it proves."""

    tenant_id: UUID
    id: UUID
    user_id: UUID
    purpose: str
    email: str
    created_at: datetime
    expires_at: datetime
