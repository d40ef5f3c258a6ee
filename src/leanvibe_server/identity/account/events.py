"""What happens to accounts."""

from typing import ClassVar
from uuid import UUID

from leanvibe_server.identity.events import AuthEvent


class PasswordResetRequested(AuthEvent, frozen=True, kw_only=True):
    """A link to set a new password was mailed to the bearer of the address."""

    name: ClassVar[str] = "user.password_reset_requested"
    user_id: UUID


class PasswordChanged(AuthEvent, frozen=True, kw_only=True):
    """`method` is change, reset or invitation."""

    name: ClassVar[str] = "user.password_changed"
    user_id: UUID
    method: str


class EmailChangeRequested(AuthEvent, frozen=True, kw_only=True):
    """The old address holds until the new one is proved."""

    name: ClassVar[str] = "user.email_change_requested"
    user_id: UUID
    new_email: str


class EmailChanged(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "user.email_changed"
    user_id: UUID
    old_email: str
    new_email: str


class SteppedUp(AuthEvent, frozen=True, kw_only=True):
    """Somebody proved once more who they are; the session goes on under a new name."""

    name: ClassVar[str] = "session.stepped_up"
    ends_access: ClassVar[bool] = True
    user_id: UUID
    session_id: UUID
    previous_session_id: UUID
    method: str
