"""What is kept about people, for how long, and on what ground."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from leanvibe._records import Record


class PrivacyExport(Record):
    """A ZIP of personal data that was asked for."""

    id: str
    kind: str
    user_id: str | None = None
    status: str
    requested_by: str | None = None
    requested_at: datetime
    ready_at: datetime | None = None
    expires_at: datetime
    size_bytes: int | None = None
    sha256: str | None = None
    download_url: str | None = None


class Erasure(Record):
    """The proof that a person was erased."""

    id: str
    user_id: str
    erased_at: datetime
    certificate: dict[str, Any]
    signature: str
    genuine: bool


class LegalHold(Record):
    """What must not be erased; without `user_id` it keeps everything of the tenant."""

    id: str
    user_id: str | None = None
    reason: str
    placed_by: str | None = None
    placed_at: datetime


class Consent(Record):
    """A consent that was given or withdrawn; the last one of a purpose counts."""

    id: str
    user_id: str
    purpose: str
    version: str
    given: bool
    recorded_at: datetime


class RetentionPeriod(Record):
    """How long the rows of a table are kept."""

    table: str
    purpose: str
    days: int
    default_days: int
    shortest_days: int
    longest_days: int


class RetentionPeriods(Record):
    """Every table whose rows are removed with age."""

    data: list[RetentionPeriod]


class ProcessingActivity(Record):
    """One purpose, and what is processed for it."""

    purpose: str
    legal_bases: list[str]
    data_categories: list[str]
    data_subjects: list[str]
    tables: list[str]
    retention: list[str]
    erasure: list[str]


class ProcessingRecord(Record):
    """The record of processing activities."""

    region: str
    recipients: list[str]
    security_measures: list[str]
    activities: list[ProcessingActivity]
