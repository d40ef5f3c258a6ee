"""Rows of people coming and going."""

from datetime import datetime
from uuid import UUID

import msgspec


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was invited. `state` is pending, expired, not_sent or accepted; `invited_by`
    sent the invitation, and has an address for as long as they are here."""

    user_id: UUID
    email: str
    username: str
    role: str
    state: str
    sent_at: datetime | None
    expires_at: datetime | None
    accepted_at: datetime | None
    invited_by: UUID | None
    invited_by_email: str | None


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whose access ends by itself."""

    tenant_id: UUID
    user_id: UUID
    email: str
    role: str
    expires_at: datetime
