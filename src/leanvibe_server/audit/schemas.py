"""Wire shapes of the audit room."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from leanvibe_server.kernel.events import StoredEvent
from leanvibe_server.kernel.schemas import Timestamp


class AuditEntry(BaseModel):
    """One thing that happened. Entries are never changed or removed."""

    id: UUID
    tenant_id: UUID
    event_type: str = Field(examples=["user.login"])
    area: str = Field(description="auth, billing, tenant, project or task")
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
