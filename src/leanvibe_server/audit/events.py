"""What happens to the audit log itself."""

from typing import ClassVar
from uuid import UUID

from leanvibe_server.kernel.events import Event


class AuditEvent(Event, frozen=True, kw_only=True):
    """News of the audit log."""

    area: ClassVar[str] = "security"


class AuditRead(AuditEvent, frozen=True, kw_only=True):
    """A platform admin read the log of a tenant, or of all. Written to both logs."""

    name: ClassVar[str] = "audit.read"
    of_tenant_id: UUID | None
    filters: dict[str, str]
    reason: str


class AuditExported(AuditEvent, frozen=True, kw_only=True):
    """The log left the house as a file."""

    name: ClassVar[str] = "audit.exported"
    of_tenant_id: UUID | None
    filters: dict[str, str]
    format: str
    reason: str | None = None


class AuditVerified(AuditEvent, frozen=True, kw_only=True):
    """The chain over the log was checked; `fault` says what was found first, if anything."""

    name: ClassVar[str] = "audit.verified"
    of_tenant_id: UUID
    valid: bool
    entries: int
    fault: str | None
    reason: str | None = None
