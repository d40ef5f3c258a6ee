"""Reading the audit log."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import chain
from uuid import UUID

from leanvibe_server.audit import repository
from leanvibe_server.audit.repository import AuditFilter
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.events import StoredEvent
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.platform import Reason, ask_regions
from leanvibe_server.kernel.scope import Scope


@dataclass(frozen=True)
class AuditQuestion:
    """What a reader asks for. Days are whole days of UTC, the last one included."""

    tenant_id: UUID | None = None
    event_type: str | None = None
    actor_id: UUID | None = None
    start_date: date | None = None
    end_date: date | None = None
    area: str | None = None

    def in_area(self, area: str) -> "AuditQuestion":
        return AuditQuestion(
            self.tenant_id, self.event_type, self.actor_id, self.start_date, self.end_date, area
        )


async def list_entries(
    scope: Scope, question: AuditQuestion, page: PageRequest
) -> list[StoredEvent]:
    """Entries newest first, one more than the page so that the caller sees whether more follow.

    A tenant's reader sees the own tenant; a platform admin every tenant, or the one named.

    Raises: NotFound: the tenant named is not the reader's.
    """
    if Permission.AUDIT_READ_ALL in scope.permissions:
        wanted = _filter(question, question.tenant_id)
        ask = partial(
            repository.list_entries, wanted=wanted, before=page.after, limit=page.limit + 1
        )
        by_region = await ask_regions(scope.house.database, Reason.PLATFORM_AUDIT, ask)
        # Ids sort by time, so a page of the whole is among the first of each region.
        newest = sorted(chain(*by_region), key=lambda entry: entry.id, reverse=True)
        return newest[: page.limit + 1]
    if question.tenant_id not in (None, scope.tenant_id):
        raise NotFound("No such tenant.")
    wanted = _filter(question, scope.tenant_id)
    return await repository.list_entries(
        scope.conn, wanted, before=page.after, limit=page.limit + 1
    )


def _filter(question: AuditQuestion, tenant_id: UUID | None) -> AuditFilter:
    return AuditFilter(
        tenant_id=tenant_id,
        area=question.area,
        name=question.event_type,
        actor_id=question.actor_id,
        start_at=_midnight(question.start_date),
        end_at=_end_of(question.end_date),
    )


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time.min, UTC)


def _end_of(day: date | None) -> datetime | None:
    return None if day in (None, date.max) else _midnight(day + timedelta(days=1))
