"""Rows of the audit room."""

from datetime import datetime
from uuid import UUID

import msgspec


class Seal(msgspec.Struct, frozen=True):
    """A stretch of the chain: `hash` is that of its last entry, over all before it."""

    tenant_id: UUID
    seq: int
    first_position: int
    last_position: int
    first_event_id: UUID
    last_event_id: UUID
    count: int
    previous_hash: bytes
    hash: bytes
    sealed_at: datetime


class Entry(msgspec.Struct, frozen=True):
    """One event's place in the chain."""

    position: int
    event_id: UUID
    row_hash: bytes
    chain_hash: bytes
