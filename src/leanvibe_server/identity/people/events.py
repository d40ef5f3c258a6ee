"""What happens when people come and go."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from leanvibe_server.identity.events import AuthEvent


class UserDeleted(AuthEvent, frozen=True, kw_only=True):
    """`reason` is removed by an administrator, or left."""

    name: ClassVar[str] = "user.deleted"
    public: ClassVar[bool] = True
    ends_access: ClassVar[bool] = True
    user_id: UUID
    email: str
    role: str
    reason: str


class InvitationWithdrawn(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "invitation.withdrawn"
    user_id: UUID
    email: str


class AccessEnded(AuthEvent, frozen=True, kw_only=True):
    """The access of somebody who was to stay for a time only is over."""

    name: ClassVar[str] = "user.access_ended"
    ends_access: ClassVar[bool] = True
    user_id: UUID
    role: str
    expires_at: datetime


class AccessEnding(AuthEvent, frozen=True, kw_only=True):
    """Somebody was reminded that their access ends soon."""

    name: ClassVar[str] = "user.access_ending"
    user_id: UUID
    expires_at: datetime


class OwnershipTransferred(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "tenant.ownership_transferred"
    user_id: UUID
    from_user_id: UUID
    kept_role: str
