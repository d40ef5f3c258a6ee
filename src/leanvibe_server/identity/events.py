"""What happens to people, sessions and keys."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from leanvibe_server.kernel.events import Event


class AuthEvent(Event, frozen=True, kw_only=True):
    """News of the identity room, shown in the authentication log."""

    area: ClassVar[str] = "auth"


class UserCreated(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "user.created"
    public: ClassVar[bool] = True
    user_id: UUID
    email: str
    role: str
    status: str


class UserUpdated(AuthEvent, frozen=True, kw_only=True):
    """`changed` maps a field to its value before and after."""

    name: ClassVar[str] = "user.updated"
    ends_access: ClassVar[bool] = True
    user_id: UUID
    changed: dict[str, tuple[str, str]]


class UserLoggedIn(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "user.login"
    public: ClassVar[bool] = True
    user_id: UUID
    email: str
    session_id: UUID
    method: str


class UserLoggedOut(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "user.logout"
    public: ClassVar[bool] = True
    ends_access: ClassVar[bool] = True
    user_id: UUID
    session_id: UUID


class LoginFailed(AuthEvent, frozen=True, kw_only=True):
    """`user_id` is None when nobody bears the address; it is then in the platform's log."""

    name: ClassVar[str] = "user.login_failed"
    user_id: UUID | None
    reason: str


class LoginRefused(AuthEvent, frozen=True, kw_only=True):
    """Somebody proved who they are, but the tenant's policy keeps them out."""

    name: ClassVar[str] = "user.login_refused"
    user_id: UUID
    method: str
    reason: str


class NewDeviceSeen(AuthEvent, frozen=True, kw_only=True):
    """Somebody signed in from a device that their account had not been seen on, and got a mail."""

    name: ClassVar[str] = "user.new_device"
    user_id: UUID
    session_id: UUID
    device: str


class SessionEnded(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "session.ended"
    ends_access: ClassVar[bool] = True
    user_id: UUID
    session_id: UUID
    reason: str


class SsoBypassed(AuthEvent, frozen=True, kw_only=True):
    """An owner signed in by `method` where the tenant asks for its identity provider."""

    name: ClassVar[str] = "sso.bypassed"
    user_id: UUID
    method: str


class RefreshReused(AuthEvent, frozen=True, kw_only=True):
    """A refresh token was shown that had been used: its session is ended."""

    name: ClassVar[str] = "refresh.reuse"
    user_id: UUID
    session_id: UUID


class TenantSwitched(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "tenant.switched"
    user_id: UUID
    session_id: UUID
    to_tenant_id: UUID


class InvitationSent(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "invitation.sent"
    user_id: UUID
    invited_by: UUID | None
    expires_at: datetime


class InvitationAccepted(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "invitation.accepted"
    user_id: UUID


class EmailVerified(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "user.email_verified"
    user_id: UUID


class ApiKeyCreated(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "api_key.created"
    key_id: UUID
    user_id: UUID
    key_name: str
    prefix: str
    scopes: list[str]
    expires_at: datetime | None


class ApiKeyRotated(AuthEvent, frozen=True, kw_only=True):
    """A key got a successor, and holds itself until `old_ends_at`."""

    name: ClassVar[str] = "api_key.rotated"
    key_id: UUID
    user_id: UUID
    replaces: UUID
    old_ends_at: datetime


class ApiKeyRevoked(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "api_key.revoked"
    ends_access: ClassVar[bool] = True
    key_id: UUID
    user_id: UUID
    reason: str


class CredentialsOrphaned(AuthEvent, frozen=True, kw_only=True):
    """Somebody has left; what they made for the organisation goes on, and they may know it."""

    name: ClassVar[str] = "credentials.orphaned"
    user_id: UUID
    keys: list[UUID]
    clients: list[UUID]
    tokens: list[UUID]


class BreakGlassUsed(AuthEvent, frozen=True, kw_only=True):
    """A platform admin looked into a tenant. Written to both logs before anything was shown."""

    name: ClassVar[str] = "break_glass.used"
    user_id: UUID
    into_tenant_id: UUID
    reason: str
    method: str
    path: str


class OrganizationEntered(AuthEvent, frozen=True, kw_only=True):
    """An administrator of an organisation above acts for this one. Written to both logs: once a
    session and day for reading, and before each change."""

    name: ClassVar[str] = "organization.entered"
    user_id: UUID
    from_tenant_id: UUID
    into_tenant_id: UUID
    method: str
    path: str


class TokenForged(AuthEvent, frozen=True, kw_only=True):
    """Something was shown as an access token that we never made. In the platform's log, at most
    once a minute for an address."""

    name: ClassVar[str] = "token.invalid"
    reason: str


class SigningKeyRotated(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "signing_key.rotated"
    kid: str
