"""Rows of the compliance room."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec


class Export(msgspec.Struct, frozen=True):
    """A file of personal data that was asked for; without `user_id` it holds all of the tenant."""

    tenant_id: UUID
    id: UUID
    user_id: UUID | None
    status: str
    requested_by: UUID | None
    requested_at: datetime
    ready_at: datetime | None
    expires_at: datetime
    size_bytes: int | None
    sha256: str | None
    file_key_sealed: bytes | None


class Erased(msgspec.Struct, frozen=True):
    """The proof that a person was erased."""

    tenant_id: UUID
    id: UUID
    user_id: UUID
    requested_by: UUID | None
    erased_at: datetime
    certificate: dict[str, Any]
    signature: str


class Consent(msgspec.Struct, frozen=True):
    """A consent that was given or withdrawn. The last one of a purpose counts."""

    tenant_id: UUID
    id: UUID
    user_id: UUID
    purpose: str
    version: str
    given: bool
    recorded_by: UUID | None
    recorded_at: datetime


class Hold(msgspec.Struct, frozen=True):
    """A legal hold: nothing of the person, or without `user_id` of the tenant, is erased while it
    stands. Lifted holds are gone from here; the log tells of them."""

    tenant_id: UUID
    id: UUID
    user_id: UUID | None
    reason: str
    placed_by: UUID | None
    placed_at: datetime
