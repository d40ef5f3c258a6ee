"""A page that is refused because its visitor proved themselves too long ago: the way to the
question and back, with what they had typed."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from urllib.parse import quote
from uuid import UUID

import msgspec
from fastapi import Request, Response

from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.web.forgery import FIELD, SAFE_METHODS
from leanvibe_server.web.page import Page

RESUME_WITHIN = timedelta(minutes=15)
_NOWHERE = UUID(int=0)
_PLACE = ("web", "interrupted_form", _NOWHERE)


class Interrupted(msgspec.Struct, frozen=True):
    """A form that was sent when the proof of identity was too old: whose, and what it held."""

    user_id: UUID
    path: str
    fields: dict[str, list[str]]
    sent_at: datetime


def ask_again(request: Request) -> Response:
    """Answer a refused page: a link leads to the question and back, a form is kept meanwhile."""
    opened: Page = request.state.page
    if request.method in SAFE_METHODS:
        query = f"?{request.url.query}" if request.url.query else ""
        here = f"{request.url.path}{query}"
        return opened.go(f"/step-up?next={quote(here, safe='/')}")
    values = {
        "next": "/",
        "ticket": _seal_ticket(opened, request.url.path),
        "has_password": True,
    }
    return opened.show("auth/step_up.html", http_status=403, **values)


def _seal_ticket(opened: Page, path: str) -> str:
    visit = opened.visit
    fields = {name: list(sent) for name, sent in opened.form.values.items() if name != FIELD}
    viewer = opened.shell["viewer"]
    kept = Interrupted(viewer.id, path, fields, visit.house.clock.now())
    sealed = visit.house.vault.seal(msgspec.json.encode(kept), tenant_id=_NOWHERE, place=_PLACE)
    return urlsafe_b64encode(sealed).decode()


def open_ticket(opened: Page, text: str, user_id: UUID) -> Interrupted | None:
    """The form behind a ticket, if it is this person's and not too old."""
    vault = opened.visit.house.vault
    try:
        plain = vault.open(urlsafe_b64decode(text), tenant_id=_NOWHERE, place=_PLACE)
    except (Undecipherable, binascii.Error, ValueError):
        return None
    kept = msgspec.json.decode(plain, type=Interrupted)
    fresh = opened.visit.house.clock.now() - kept.sent_at < RESUME_WITHIN
    return kept if fresh and kept.user_id == user_id else None
