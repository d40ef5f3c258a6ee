"""Reading, exporting and checking the audit log."""

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import chain
from uuid import UUID

import msgspec

from leanvibe_server.audit import repository
from leanvibe_server.audit.events import AuditExported, AuditRead, AuditVerified
from leanvibe_server.audit.export import Fetch, csv_lines
from leanvibe_server.audit.repository import AuditFilter
from leanvibe_server.audit.verification import Verdict, verify_tenant
from leanvibe_server.kernel.access import Errand, Permission
from leanvibe_server.kernel.errors import NotFound, invalid_field
from leanvibe_server.kernel.events import Event, StoredEvent
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.platform import (
    PLATFORM_TENANT,
    Reason,
    across_tenants,
    ask_reachable,
    require_reason,
)
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
    user_id: UUID | None = None
    reason: str | None = None

    def in_area(self, area: str) -> "AuditQuestion":
        return replace(self, area=area)

    def told(self) -> dict[str, str]:
        """The filters in words, for the entry that says who read the log."""
        named = {name: value for name, value in asdict(self).items() if value is not None}
        apart = ("tenant_id", "reason")
        return {name: str(value) for name, value in named.items() if name not in apart}


@dataclass(frozen=True)
class Found:
    """Entries newest first, and the regions whose entries are missing because they are down."""

    entries: list[StoredEvent]
    unreachable: list[str]


async def list_entries(scope: Scope, question: AuditQuestion, page: PageRequest) -> Found:
    """Entries newest first, one more than the page so that the caller sees whether more follow.

    A tenant's reader sees the own tenant. A platform admin who says why sees the one named, or
    every tenant of the regions that answer; that is written to the platform's log and to that of
    each tenant shown.

    Raises: NotFound: the tenant named is not the reader's. Forbidden: no reason was given.
        InvalidRequest: the days end before they begin.
    """
    tenant_id = _whose(scope, question)
    wanted = _filter(question, tenant_id)
    if tenant_id == scope.tenant_id:
        own = await repository.list_entries(
            scope.conn, wanted, before=page.after, limit=page.limit + 1
        )
        return Found(own, [])
    reason = require_reason(question.reason)
    read = AuditRead(of_tenant_id=tenant_id, filters=question.told(), reason=reason)
    unreachable: list[str] = []
    fetch = await _beyond(scope, read, wanted, unreachable)
    return Found(await fetch(page.after, page.limit + 1), unreachable)


@dataclass(frozen=True)
class CsvExport:
    """The whole answer as lines of CSV, and the regions that were down before it began: their
    entries are missing. A region that goes down meanwhile is added while the lines are read."""

    lines: AsyncIterator[bytes]
    unreachable: list[str]


async def export_csv(scope: Scope, question: AuditQuestion) -> CsvExport:
    """The whole answer, read in transactions of their own as it leaves.

    Raises: NotFound: the tenant named is not the reader's. Forbidden: no reason was given.
        InvalidRequest: the days end before they begin.
    """
    tenant_id = _whose(scope, question)
    wanted = _filter(question, tenant_id)
    told = AuditExported(of_tenant_id=tenant_id, filters=question.told(), format="csv")
    if tenant_id == scope.tenant_id:
        await scope.emit(told)
        return CsvExport(csv_lines(partial(_fetch_own, scope.house, scope.tenant_id, wanted)), [])
    told = msgspec.structs.replace(told, reason=require_reason(question.reason))
    unreachable: list[str] = []
    if tenant_id is None:
        ask = partial(repository.is_tenant, tenant_id=PLATFORM_TENANT)
        _, down = await ask_reachable(scope.house.database, Reason.PLATFORM_AUDIT, ask)
        unreachable += down
    fetch = await _beyond(scope, told, wanted, unreachable)
    return CsvExport(csv_lines(fetch, unreachable), unreachable)


async def verify(errand: Errand, tenant_id: UUID | None, reason: str | None = None) -> Verdict:
    """Check the chain of the reader's tenant, or of the one a platform admin names.

    Raises: NotFound: the tenant named is not the reader's. Forbidden: no reason was given.
        InvalidRequest: the days end before they begin.
    """
    wanted = errand.tenant_id if tenant_id is None else tenant_id
    if wanted != errand.tenant_id:
        if Permission.AUDIT_READ_ALL not in errand.caller.permissions:
            raise NotFound("No such tenant.")
        reason = require_reason(reason)
    verdict = await verify_tenant(errand.house, wanted)
    async with errand.scope() as scope:
        event = AuditVerified(
            of_tenant_id=wanted,
            valid=verdict.valid,
            entries=verdict.entries,
            fault=None if verdict.fault is None else verdict.fault.kind,
            reason=reason if wanted != errand.tenant_id else None,
        )
        await scope.emit(event)
    if wanted != errand.tenant_id:
        await _tell_tenant(errand.caller, event, wanted)
    return verdict


def _whose(scope: Scope, question: AuditQuestion) -> UUID | None:
    """The tenant whose log is read; None stands for all, which a platform admin reads who names
    no tenant and says why."""
    tenant_id = question.tenant_id
    if Permission.AUDIT_READ_ALL in scope.permissions:
        return scope.tenant_id if tenant_id is None and question.reason is None else tenant_id
    if tenant_id not in (None, scope.tenant_id):
        raise NotFound("No such tenant.")
    return scope.tenant_id


async def _beyond(
    scope: Scope,
    event: AuditRead | AuditExported,
    wanted: AuditFilter,
    unreachable: list[str],
) -> Fetch:
    """How entries of other tenants are fetched, each tenant told before any of its own is shown.

    Regions that do not answer are added to `unreachable`.
    """
    await scope.emit(event)
    told = {scope.tenant_id}
    if wanted.tenant_id is not None:
        await _tell_tenant(scope, event, wanted.tenant_id)
        told.add(wanted.tenant_id)

    async def fetch(before: UUID | None, limit: int) -> list[StoredEvent]:
        entries = await _fetch_across(scope.house, wanted, before, limit, unreachable)
        for tenant_id in {entry.tenant_id for entry in entries} - told:
            await _tell_tenant(scope, event, tenant_id)
            told.add(tenant_id)
        return entries

    return fetch


async def _tell_tenant(scope: Scope, event: Event, tenant_id: UUID) -> None:
    """Write an event to the log of the tenant a platform admin looked at.

    Raises: NotFound: there is none.
    """
    async with across_tenants(scope.house.database, Reason.PLATFORM_AUDIT, tenant_id) as conn:
        if not await repository.is_tenant(conn, tenant_id):
            raise NotFound("No such tenant.")
        await replace(scope, conn=conn, tenant_id=tenant_id).emit(event)


async def _fetch_own(
    house: House, tenant_id: UUID, wanted: AuditFilter, before: UUID | None, limit: int
) -> list[StoredEvent]:
    async with house.database.tenant(tenant_id) as conn:
        return await repository.list_entries(conn, wanted, before=before, limit=limit)


async def _fetch_across(
    house: House,
    wanted: AuditFilter,
    before: UUID | None,
    limit: int,
    unreachable: list[str],
) -> list[StoredEvent]:
    """Entries of the region a tenant lives in, else of every region. Ids sort by time, so a page
    of the whole is among the first of each."""
    database, why = house.database, Reason.PLATFORM_AUDIT
    ask = partial(repository.list_entries, wanted=wanted, before=before, limit=limit)
    if wanted.tenant_id is not None:
        async with across_tenants(database, why, wanted.tenant_id) as conn:
            return await ask(conn)
    by_region, missing = await ask_reachable(database, why, ask)
    unreachable += [region for region in missing if region not in unreachable]
    return sorted(chain(*by_region), key=lambda entry: entry.id, reverse=True)[:limit]


def _filter(question: AuditQuestion, tenant_id: UUID | None) -> AuditFilter:
    first, last = question.start_date, question.end_date
    if first is not None and last is not None and last < first:
        raise invalid_field("end_date", "must not be before start_date")
    return AuditFilter(
        tenant_id=tenant_id,
        area=question.area,
        name=question.event_type,
        actor_id=question.actor_id,
        user_id=question.user_id,
        start_at=_midnight(question.start_date),
        end_at=_end_of(question.end_date),
    )


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time.min, UTC)


def _end_of(day: date | None) -> datetime | None:
    return None if day in (None, date.max) else _midnight(day + timedelta(days=1))
