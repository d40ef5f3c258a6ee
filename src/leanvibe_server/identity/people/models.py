"""Rows of people coming and going."""

from datetime import datetime
from uuid import UUID

import msgspec


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was invited and has not come yet. Without times, no link is out."""

    user_id: UUID
    email: str
    username: str
    role: str
    sent_at: datetime | None
    expires_at: datetime | None


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whose access ends by itself."""

    tenant_id: UUID
    user_id: UUID
    email: str
    role: str
    expires_at: datetime
