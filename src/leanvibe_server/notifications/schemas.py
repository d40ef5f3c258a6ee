"""Shapes the notifications room hands out."""

from datetime import datetime

import msgspec


class SentMail(msgspec.Struct, frozen=True, kw_only=True):
    """One message as it was sent; `sent_at` is None while it waits, `failure` says why it was
    given up."""

    recipient: str
    subject: str
    body: str
    created_at: datetime
    sent_at: datetime | None
    failure: str | None
