"""What was done, by whom, and whether the record still holds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from leanvibe._records import Record


class Actor(Record):
    """Who acted: a user, a key or the product itself."""

    kind: str
    id: str | None = None
    label: str | None = None


class AuditEntry(Record):
    """One thing that happened."""

    id: str
    tenant_id: str
    event_type: str
    area: str
    actor: Actor
    details: dict[str, Any]
    ip_address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    timestamp: datetime


class ChainFault(Record):
    """The first entry of the log that is not as it was sealed."""

    kind: str
    message: str
    position: int | None = None
    event_id: str | None = None


class ChainVerdict(Record):
    """Whether the log is what was written."""

    tenant_id: str
    valid: bool
    entries: int
    seals: int
    head: str | None = None
    fault: ChainFault | None = None
    checked_at: datetime
