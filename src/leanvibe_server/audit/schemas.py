"""Wire shapes of the audit room."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from leanvibe_server.audit.verification import Verdict
from leanvibe_server.kernel.events import StoredEvent
from leanvibe_server.kernel.pagination import Page
from leanvibe_server.kernel.schemas import Timestamp


class AuditEntry(BaseModel):
    """One thing that happened. Entries are never changed or removed."""

    id: UUID
    tenant_id: UUID
    event_type: str = Field(examples=["user.login"])
    area: str = Field(description="auth, security, billing, tenant, project, task or privacy")
    actor: dict[str, Any] = Field(description="kind, id and label of who acted")
    details: dict[str, Any]
    ip_address: str | None
    user_agent: str | None
    request_id: str | None
    timestamp: Timestamp

    @classmethod
    def of(cls, event: StoredEvent) -> "AuditEntry":
        return cls(
            id=event.id,
            tenant_id=event.tenant_id,
            event_type=event.name,
            area=event.area,
            actor={"kind": event.actor_kind, "id": event.actor_id, "label": event.actor_label},
            details=event.payload,
            ip_address=event.address,
            user_agent=event.user_agent,
            request_id=event.request_id,
            timestamp=event.occurred_at,
        )


class AuditPage(Page[AuditEntry]):
    """Entries of the log, newest first."""

    unreachable_regions: list[str] = Field(
        description="Regions that do not answer now: the entries of their tenants are missing in "
        "a list over all tenants. Empty when the list is whole"
    )


class ChainFault(BaseModel):
    """The first entry that is not as it was sealed."""

    kind: str = Field(
        description="changed, removed, reordered, inserted, person_changed, person_removed "
        "or seal_broken"
    )
    message: str
    position: int | None = Field(description="Place in the chain, counted from 1")
    event_id: UUID | None


class ChainVerdict(BaseModel):
    """Whether the log is what was written."""

    tenant_id: UUID
    valid: bool
    entries: int = Field(description="Entries that were checked and hold")
    seals: int
    head: str | None = Field(description="Hash of the last seal, to be kept elsewhere if wished")
    fault: ChainFault | None
    checked_at: Timestamp

    @classmethod
    def of(cls, verdict: Verdict) -> "ChainVerdict":
        fault = verdict.fault
        return cls(
            tenant_id=verdict.tenant_id,
            valid=verdict.valid,
            entries=verdict.entries,
            seals=verdict.seals,
            head=None if verdict.head is None else verdict.head.hex(),
            fault=None
            if fault is None
            else ChainFault(
                kind=fault.kind,
                message=fault.message,
                position=fault.position,
                event_id=fault.event_id,
            ),
            checked_at=verdict.checked_at,
        )
