"""A sign-in in the dashboard that waits for a second factor: the way to the question and back.

The token of the waiting sign-in stands in a cookie, sealed for the browser it was begun in, and
never in a page or an address.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from uuid import UUID

import msgspec
from fastapi import Response

from leanvibe_server.identity.mfa.demand import VALID_FOR
from leanvibe_server.identity.mfa.models import BACKUP_CODE, TOTP, WEBAUTHN
from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.kernel.errors import MfaRequired
from leanvibe_server.web.forgery import VISITOR_COOKIE, holder_of, holders_of
from leanvibe_server.web.page import Page, local_path

PATH = "/login/second-factor"
COOKIE = "lv_second_factor"
NAMES = {
    TOTP: "Authenticator app",
    WEBAUTHN: "Security key or passkey",
    "sms": "Code by SMS",
    "email": "Code by e-mail",
    BACKUP_CODE: "Backup code",
}
_NOWHERE = UUID(int=0)
_PLACE = ("web", "second_factor", _NOWHERE)


class Ticket(msgspec.Struct, frozen=True):
    """A waiting sign-in, the browser it waits in, and where to go afterwards."""

    token: str
    holder: str
    next_path: str
    made_at: datetime


def ask_second_factor(opened: Page, error: MfaRequired) -> Response:
    """Lead the browser to the question."""
    visit = opened.visit
    asked = opened.form.text("next") or opened.request.query_params.get("next")
    wanted = error.next_path or asked
    ticket = Ticket(
        error.details["mfa_token"], opened.holder, local_path(wanted), visit.house.clock.now()
    )
    sealed = visit.house.vault.seal(msgspec.json.encode(ticket), tenant_id=_NOWHERE, place=_PLACE)
    response = opened.go(PATH)
    opened.give_cookie(
        response,
        COOKIE,
        urlsafe_b64encode(sealed).decode(),
        max_age_s=int(VALID_FOR.total_seconds()),
    )
    if holder_of(visit) is None:
        opened.give_cookie(response, VISITOR_COOKIE, opened.holder)
    return response


def read_ticket(opened: Page) -> Ticket | None:
    """The sign-in this browser waits with; None when it is another's, over, or none."""
    vault = opened.visit.house.vault
    try:
        sealed = urlsafe_b64decode(opened.visit.cookies.get(COOKIE, ""))
        plain = vault.open(sealed, tenant_id=_NOWHERE, place=_PLACE)
    except (Undecipherable, binascii.Error, ValueError):
        return None
    ticket = msgspec.json.decode(plain, type=Ticket)
    fresh = opened.visit.house.clock.now() - ticket.made_at < VALID_FOR
    return ticket if fresh and ticket.holder in holders_of(opened.visit) else None
