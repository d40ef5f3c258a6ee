"""Pages for looking back: the audit log, and in development the mail that was sent."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from fastapi import Response

from leanvibe_server.audit import service
from leanvibe_server.audit.api import csv_response
from leanvibe_server.audit.service import AuditQuestion
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.events import StoredEvent
from leanvibe_server.kernel.pagination import page_of
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.notifications.schemas import SentMail
from leanvibe_server.notifications.service import list_outbox
from leanvibe_server.web.formats import time_text, to_datetime
from leanvibe_server.web.makers import names_of
from leanvibe_server.web.page import ErrandPage, Page, ScopedPage, errand_page, known_page, page
from leanvibe_server.web.paging import page_links, page_request
from leanvibe_server.web.routes import PageRouter
from leanvibe_server.web.task_view import flat_lines

router = PageRouter()

READ = page(Permission.AUDIT_READ)
ANYONE = known_page()
VERIFY = errand_page(Permission.AUDIT_READ)
TEMPLATE = "settings/audit.html"
AREAS = (
    ("", "All"),
    ("auth", "Sign-in and people"),
    ("security", "Keys and log"),
    ("privacy", "Privacy"),
    ("billing", "Billing"),
    ("project", "Projects"),
    ("task", "Tasks"),
    ("tenant", "Organisation"),
)
# Of no use to a reader of the log: what only a program follows, and what the event's name says.
_LEFT_OUT = frozenset({"Progress percentage", "Current step", "Status", "Error"})
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MAX_REASON = 500
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_LINK = re.compile(r"https?://[^\s<>]+")


@dataclass(frozen=True)
class EntryLine:
    """One entry of the log as the table shows it."""

    name: str
    actor_kind: str
    actor_label: str | None
    summary: str
    address: str | None
    occurred_at: datetime

    @classmethod
    def of(cls, event: StoredEvent, names: Mapping[UUID, str]) -> "EntryLine":
        payload = {
            name: _readable(one, names) for name, one in event.payload.items() if one is not None
        }
        # Who is named beside it as the actor or by an address is not named twice.
        named = (event.actor_label, payload.get("email"))
        told = (
            f"{label.lower().removesuffix(' id')}: {text}"
            for label, text in flat_lines(payload)
            if label not in _LEFT_OUT
            and not _ID.fullmatch(text)
            and not (label.endswith(" id") and text in named)
        )
        return cls(
            name=event.name,
            actor_kind=event.actor_kind,
            actor_label=event.actor_label,
            summary="; ".join(told),
            address=event.address,
            occurred_at=event.occurred_at,
        )


@dataclass(frozen=True)
class Part:
    """A piece of a mail; one with a path is a link within this installation."""

    text: str
    path: str = ""


@dataclass(frozen=True)
class MailView:
    """One mail, its links ready to follow."""

    recipient: str
    subject: str
    created_at: datetime
    sent_at: datetime | None
    failure: str | None
    lines: list[list[Part]]

    @classmethod
    def of(cls, mail: SentMail, base_url: str) -> "MailView":
        lines = [_parts(line, base_url) for line in mail.body.rstrip().split("\n")]
        return cls(mail.recipient, mail.subject, mail.created_at, mail.sent_at, mail.failure, lines)


def _readable(value: Any, names: Mapping[UUID, str]) -> Any:
    """A value of an entry with people by their addresses, its times in words, and a dash for what
    is not there, as in what a setting was and is."""
    if isinstance(value, dict):
        return {_readable(key, names): _readable(one, names) for key, one in value.items()}
    if isinstance(value, list | tuple):
        shown = [_readable(one, names) for one in value]
        known = [one for one in shown if not _is_id(one)]
        nameless = len(shown) - len(known)
        return [*known, f"{nameless} {'more' if known else 'in all'}"] if nameless else known
    if _is_id(value):
        return names.get(UUID(value), value)
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return time_text(to_datetime(value))
    return "–" if value is None else value


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _ids_in(value: Any) -> Iterator[UUID]:
    """Every id a payload names, whoever or whatever it is of."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple):
        for one in value:
            yield from _ids_in(one)
    elif _is_id(value):
        yield UUID(value)


async def _lines(scope: Scope, events: list[StoredEvent]) -> list[EntryLine]:
    """The entries as the table shows them, the people they are about by their addresses."""
    names = await names_of(scope, (one for event in events for one in _ids_in(event.payload)))
    return [EntryLine.of(event, names) for event in events]


def _parts(line: str, base_url: str) -> list[Part]:
    """The line in pieces. Links of ours stay on whatever address this page was opened by."""
    parts: list[Part] = []
    at = 0
    for link in _LINK.finditer(line):
        parts.append(Part(line[at : link.start()]))
        own = link[0].startswith(f"{base_url}/")
        parts.append(Part(link[0], urlsplit(link[0]).path if own else ""))
        at = link.end()
    return [*parts, Part(line[at:])]


@router.get("/audit")
async def show_audit(opened: Annotated[ScopedPage, READ]) -> Response:
    """What happened in the tenant; a platform admin who says why sees another tenant's, or all."""
    kept = _wanted(opened)
    request = page_request(opened, limit=50)
    shown: dict[str, Any] = {"areas": AREAS, "area": kept["area"], "kept": kept}
    with opened.refusing(TEMPLATE, entries=[], unreachable=[], csv_path="", **shown):
        found = await service.list_entries(opened.scope, _question(kept), request)
    listed = page_of(found.entries, request, _as_it_is, lambda event: event.id)
    query = urlencode({name: text for name, text in kept.items() if text})
    return opened.show(
        TEMPLATE,
        entries=await _lines(opened.scope, listed.data),
        unreachable=found.unreachable,
        csv_path=f"/audit.csv?{query}" if query else "/audit.csv",
        person=await _person(opened.scope, kept["user_id"]),
        **shown,
        **page_links(opened, listed, **kept),
    )


async def _person(scope: Scope, user_id: str) -> str | None:
    """Whose entries alone are listed, while they are known here."""
    return (await names_of(scope, [UUID(user_id)])).get(UUID(user_id)) if user_id else None


@router.get("/audit.csv")
async def download_audit(opened: Annotated[ScopedPage, READ]) -> Response:
    """The whole log, or what the filters leave of it, as CSV."""
    return csv_response(await service.export_csv(opened.scope, _question(_wanted(opened))))


@router.get("/audit/verify")
async def verify_audit(opened: Annotated[ErrandPage, VERIFY]) -> Response:
    """Check the chain over the log."""
    verdict = await service.verify(opened.errand, None)
    return opened.show("settings/audit_verify.html", verdict=verdict)


def _wanted(opened: ScopedPage) -> dict[str, str]:
    """What the address asks for; what is no such thing asks for nothing."""
    asked = opened.request.query_params
    beyond = opened.may(Permission.AUDIT_READ_ALL)
    area = asked.get("area", "")
    return {
        "area": area if area in dict(AREAS) else "",
        "event_type": _word(asked.get("event_type", "")),
        "start_date": _day(asked.get("start_date", "")),
        "end_date": _day(asked.get("end_date", "")),
        "user_id": _id(asked.get("user_id", "")),
        "tenant_id": _id(asked.get("tenant_id", "")) if beyond else "",
        "reason": _word(asked.get("reason", ""), MAX_REASON) if beyond else "",
    }


def _question(kept: dict[str, str]) -> AuditQuestion:
    return AuditQuestion(
        area=kept["area"] or None,
        event_type=kept["event_type"] or None,
        start_date=date.fromisoformat(kept["start_date"]) if kept["start_date"] else None,
        end_date=date.fromisoformat(kept["end_date"]) if kept["end_date"] else None,
        user_id=UUID(kept["user_id"]) if kept["user_id"] else None,
        tenant_id=UUID(kept["tenant_id"]) if kept["tenant_id"] else None,
        reason=kept["reason"] or None,
    )


def _word(text: str, longest: int = 100) -> str:
    return text.strip()[:longest] if text.isprintable() else ""


def _id(text: str) -> str:
    return text if _ID.fullmatch(text) else ""


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return ""


def _as_it_is(event: Any) -> Any:
    return event


@router.get("/dev/outbox")
async def show_outbox(opened: Annotated[Page, ANYONE]) -> Response:
    """The mail of a development installation, for whoever sits at this machine."""
    house = opened.visit.house
    if opened.visit.address not in ("127.0.0.1", "::1"):
        raise NotFound("There is nothing at this path.")
    mails = await list_outbox(house)
    shown = [MailView.of(mail, house.settings.base_url) for mail in mails]
    return opened.show("settings/outbox.html", mails=shown)
