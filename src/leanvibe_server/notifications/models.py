"""Rows of the notifications room."""

from datetime import datetime
from uuid import UUID

import msgspec


class OutgoingMail(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a tenant; `sent_at` is None until it was handed over, and `failed_at` unless
    it was given up, for the reason in `failure`."""

    tenant_id: UUID
    id: UUID
    recipient: str
    subject: str
    body: str
    created_at: datetime
    sent_at: datetime | None
    failed_at: datetime | None
    failure: str | None


class OutgoingSms(msgspec.Struct, frozen=True, kw_only=True):
    """One text message of a tenant; number and text are sealed. It is not sent after
    `expires_at`, when it would be of no use."""

    tenant_id: UUID
    id: UUID
    recipient_sealed: bytes
    body_sealed: bytes
    created_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    failed_at: datetime | None
