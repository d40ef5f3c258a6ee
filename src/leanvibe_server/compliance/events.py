"""What happens to people's data."""

from typing import ClassVar
from uuid import UUID

from leanvibe_server.kernel.events import Event


class PrivacyEvent(Event, frozen=True, kw_only=True):
    """News of the compliance room."""

    area: ClassVar[str] = "privacy"


class ExportRequested(PrivacyEvent, frozen=True, kw_only=True):
    """`user_id` None: all of the tenant."""

    name: ClassVar[str] = "privacy.export_requested"
    export_id: UUID
    user_id: UUID | None


class ExportReady(PrivacyEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "privacy.export_ready"
    export_id: UUID
    user_id: UUID | None
    size_bytes: int
    sha256: str


class ExportFailed(PrivacyEvent, frozen=True, kw_only=True):
    """An export could not be written, however often it was tried."""

    name: ClassVar[str] = "privacy.export_failed"
    export_id: UUID
    failure: str


class ExportDownloaded(PrivacyEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "privacy.export_downloaded"
    export_id: UUID
    user_id: UUID | None
    downloaded_by: UUID


class ExportExpired(PrivacyEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "privacy.export_expired"
    export_id: UUID
    reason: str


class PersonErased(PrivacyEvent, frozen=True, kw_only=True):
    """A person's data is gone; `rows` says how many rows of which table."""

    name: ClassVar[str] = "privacy.person_erased"
    ends_access: ClassVar[bool] = True
    erasure_id: UUID
    user_id: UUID
    rows: dict[str, int]


class ConsentRecorded(PrivacyEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "privacy.consent_recorded"
    user_id: UUID
    purpose: str
    purpose_version: str
    given: bool


class RetentionChanged(PrivacyEvent, frozen=True, kw_only=True):
    """`changed` maps a table to its days before and after."""

    name: ClassVar[str] = "privacy.retention_changed"
    changed: dict[str, tuple[int, int]]


class HoldPlaced(PrivacyEvent, frozen=True, kw_only=True):
    """Nothing of a person, or without `user_id` of the tenant, is erased until it is lifted."""

    name: ClassVar[str] = "privacy.hold_placed"
    hold_id: UUID
    user_id: UUID | None
    reason: str


class HoldLifted(PrivacyEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "privacy.hold_lifted"
    hold_id: UUID
    user_id: UUID | None
    reason: str
