"""Wire shapes of the compliance room."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints

from leanvibe_server.compliance import exports
from leanvibe_server.compliance.models import Erased, Export
from leanvibe_server.compliance.processing import Activity, Record
from leanvibe_server.compliance.retention import Period
from leanvibe_server.kernel.certificates import is_genuine
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.pagination import Whole
from leanvibe_server.kernel.schemas import OneLine, RowView, Timestamp, counted
from leanvibe_server.kernel.scope import Scope

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500),
    Field(description="Kept in the audit log", examples=["Smith v. Acme, 2026-114"]),
    OneLine,
]


class NewExport(BaseModel):
    """Whose data to export."""

    user_id: UUID | None = Field(None, description="One person; left out: the whole organisation")


class ExportView(RowView):
    """A file of personal data that was asked for."""

    id: UUID
    kind: str = Field(description="person or tenant")
    user_id: UUID | None
    status: str = Field(description="queued, ready, failed or expired")
    requested_by: UUID | None
    requested_at: Timestamp
    ready_at: Timestamp | None
    expires_at: Timestamp = Field(description="When the file is removed")
    size_bytes: int | None
    sha256: str | None
    download_url: str | None = Field(
        description="For you, for a quarter of an hour; ask for the export again to get a new one"
    )

    @classmethod
    def of(cls, export: Export, scope: Scope) -> "ExportView":
        kind = "tenant" if export.user_id is None else "person"
        return cls.from_row(export, kind=kind, download_url=exports.link_of(scope, export))


class NewHold(BaseModel):
    """What to keep from being erased, and why."""

    user_id: UUID | None = Field(None, description="One person; left out: the whole organisation")
    reason: Reason


class HoldLift(BaseModel):
    """Why what was kept may go again."""

    reason: Reason


class HoldView(RowView):
    """A legal hold that stands."""

    id: UUID
    user_id: UUID | None = Field(description="null: the whole organisation")
    reason: str
    placed_by: UUID | None
    placed_at: Timestamp


class NewErasure(BaseModel):
    """Whom to erase."""

    user_id: UUID


class ErasureView(RowView):
    """The proof that a person was erased."""

    id: UUID
    user_id: UUID = Field(description="What is left of the person: a pseudonym")
    erased_at: Timestamp
    certificate: dict[str, Any] = Field(description="What was erased and what was kept, by table")
    signature: str = Field(description="HMAC-SHA256 of this installation")
    genuine: bool = Field(description="Whether the certificate is as it was signed")

    @classmethod
    def of(cls, erased: Erased, house: House) -> "ErasureView":
        genuine = is_genuine(house, erased.certificate, erased.signature)
        return cls.from_row(erased, genuine=genuine)


class NewConsent(BaseModel):
    """A consent, given or withdrawn."""

    purpose: Words = Field(max_length=100, examples=["product news"])
    version: Words = Field(max_length=50, examples=["2026-03"])
    given: bool = True


class ConsentView(RowView):
    """A consent as it was recorded; the last one of a purpose counts."""

    id: UUID
    user_id: UUID
    purpose: str
    version: str
    given: bool
    recorded_at: Timestamp


class PeriodView(BaseModel):
    """How long the rows of a table are kept."""

    table: str
    purpose: str
    days: int
    default_days: int
    shortest_days: int
    longest_days: int

    @classmethod
    def of(cls, period: Period) -> "PeriodView":
        return cls(
            table=period.table.table,
            purpose=period.table.purpose,
            days=period.days,
            default_days=period.kept.days,
            shortest_days=period.kept.shortest,
            longest_days=period.kept.longest,
        )


class Periods(Whole[PeriodView]):
    """Every table whose rows are removed with age."""

    @classmethod
    def of(cls, periods: list[Period]) -> "Periods":
        return cls(data=[PeriodView.of(period) for period in periods])


class PeriodChange(BaseModel):
    """New periods in days, by table."""

    days: dict[str, Annotated[int, BeforeValidator(counted)]] = Field(
        examples=[{"event_personal": 365}]
    )


class ActivityView(BaseModel):
    """One purpose, and what is processed for it."""

    purpose: str
    legal_bases: list[str]
    data_categories: list[str]
    data_subjects: list[str]
    tables: list[str]
    retention: list[str]
    erasure: list[str]

    @classmethod
    def of(cls, activity: Activity) -> "ActivityView":
        return cls(
            purpose=activity.purpose,
            legal_bases=activity.bases,
            data_categories=activity.categories,
            data_subjects=["people of the organisation"],
            tables=activity.tables,
            retention=activity.retention,
            erasure=activity.erasure,
        )


class RecordView(BaseModel):
    """The record of processing activities."""

    region: str
    recipients: list[str]
    security_measures: list[str]
    activities: list[ActivityView]

    @classmethod
    def of(cls, record: Record) -> "RecordView":
        return cls(
            region=record.region,
            recipients=record.recipients,
            security_measures=record.measures,
            activities=[ActivityView.of(one) for one in record.activities],
        )
