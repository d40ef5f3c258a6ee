"""A page that is refused because its visitor proved themselves too long ago: the way to the
question and back, with what they had typed."""

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec
from fastapi import Request, Response

from leanvibe_server.identity.federation.models import SsoProvider
from leanvibe_server.identity.federation.stepping import list_ways
from leanvibe_server.identity.login import SignedIn
from leanvibe_server.identity.mfa.challenges import Asked
from leanvibe_server.identity.mfa.models import SENT
from leanvibe_server.identity.mfa.service import usable_factors
from leanvibe_server.identity.models import User
from leanvibe_server.identity.policy import policy_of
from leanvibe_server.identity.users import require_user
from leanvibe_server.identity.visits import scope_in
from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.web.forgery import FIELD, SAFE_METHODS
from leanvibe_server.web.page import Page
from leanvibe_server.web.second_factor import NAMES

RESUME_WITHIN = timedelta(minutes=15)
_NOWHERE = UUID(int=0)
_PLACE = ("web", "interrupted_form", _NOWHERE)


class Interrupted(msgspec.Struct, frozen=True):
    """A form that was sent when the proof of identity was too old: whose, and what it held."""

    user_id: UUID
    path: str
    fields: dict[str, list[str]]
    sent_at: datetime


async def ask_again(request: Request) -> Response:
    """Answer a refused page: a link leads to the question and back, a form is kept meanwhile."""
    opened: Page = request.state.page
    if request.method in SAFE_METHODS:
        query = f"?{request.url.query}" if request.url.query else ""
        here = f"{request.url.path}{query}"
        return opened.go(f"/step-up?next={quote(here, safe='/')}")
    visit = opened.visit
    await visit.close_transaction()
    tenant_id = opened.shell["tenant"].id
    ticket = _seal_ticket(opened, request.url.path)
    async with visit.house.database.tenant(tenant_id) as conn:
        scope = scope_in(visit, conn, tenant_id, actor=opened.shell["viewer"])
        values = await question(scope, next_path="/", ticket=ticket)
    return opened.show("auth/step_up.html", http_status=403, **values)


async def question(
    scope: Scope, *, next_path: str, ticket: str, wanted: str = "", asked: Asked | None = None
) -> dict[str, Any]:
    """What the page asks for: a second factor of the visitor if they have one, else the password.

    `wanted` is the method they chose; `asked` what was sent, or what a key is to sign.
    """
    user = await _find_visitor(scope)
    usable = None if user is None else await usable_factors(scope, user.id)
    methods = usable.methods if usable is not None else []
    has_any = usable is not None and usable.has_any
    method = wanted if wanted in methods else next(iter(methods), "")
    options = None if asked is None else asked.options
    return {
        "next": next_path,
        "ticket": ticket,
        "has_password": not has_any and user is not None and await _has_password(scope, user),
        "providers": [] if user is None else await _providers(scope, user, has_factor=has_any),
        "methods": [(name, NAMES[name]) for name in methods],
        "method": method,
        "sent": method in SENT,
        "asked": asked,
        "options": "" if options is None else json.dumps(options),
    }


async def _has_password(scope: Scope, user: User) -> bool:
    sso_only = (await policy_of(scope)).wants_provider(user.role)
    return user.password_hash is not None and not sso_only


async def _providers(scope: Scope, user: User, *, has_factor: bool) -> list[SsoProvider]:
    """Where the visitor can prove themselves anew: beside a second factor only where the provider
    checks one itself."""
    found = await list_ways(scope, user)
    return [one for one in found if not has_factor or one.trusts_mfa]


async def _find_visitor(scope: Scope) -> User | None:
    """Who asks; None for somebody who acts here from an organisation above."""
    try:
        return None if scope.actor.id is None else await require_user(scope, scope.actor.id)
    except NotFound:
        return None


def _seal_ticket(opened: Page, path: str) -> str:
    visit = opened.visit
    fields = {name: list(sent) for name, sent in opened.form.values.items() if name != FIELD}
    viewer = opened.shell["viewer"]
    kept = Interrupted(viewer.id, path, fields, visit.house.clock.now())
    sealed = visit.house.vault.seal(msgspec.json.encode(kept), tenant_id=_NOWHERE, place=_PLACE)
    return urlsafe_b64encode(sealed).decode()


def resume(opened: Page, proved: SignedIn, *, next_path: str, ticket: str) -> Response:
    """Go on under the new session, with the form that was interrupted or where its holder was."""
    secret = proved.opened.secret
    # The form is bound to the cookie that this answer brings.
    renewed = replace(opened, holder=secret)
    response = show_interrupted(renewed, proved.user.id, next_path=next_path, ticket=ticket)
    opened.begin_session(response, secret)
    return response


def show_interrupted(opened: Page, user_id: UUID, *, next_path: str, ticket: str) -> Response:
    """The form that was interrupted, to be sent once more, or the way to where its holder was."""
    interrupted = open_ticket(opened, ticket, user_id)
    if interrupted is None:
        return opened.go(next_path)
    return opened.show("auth/resume.html", form_path=interrupted.path, fields=interrupted.fields)


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
