"""Pages before and after a session: sign in, sign up, accept an invitation, sign out."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from fastapi import Response

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.identity import invitations, sessions, signup
from leanvibe_server.identity.account import emails
from leanvibe_server.identity.login import device_token_of, open_web_session
from leanvibe_server.identity.oidc import leaving
from leanvibe_server.identity.passwords import MIN_LENGTH
from leanvibe_server.identity.saml import logout as saml_logout
from leanvibe_server.identity.saml import service as saml
from leanvibe_server.identity.schemas import Acceptance, LinkToken, LoginRequest, NewUser
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.kernel.errors import AppError, Forbidden
from leanvibe_server.web.forms import Faults, Form, fill
from leanvibe_server.web.page import Answered, Page, ScopedPage, local_path, open_page, page
from leanvibe_server.web.routes import PageRouter

router = PageRouter()

LEAVING_COOKIE = "lv_leaving"

ANYONE = open_page()
SELF = page(Permission.SELF)
PASSWORD_HINT = f"At least {MIN_LENGTH} characters. A sentence is easy to keep in mind."
CHOOSE_WITHIN = timedelta(minutes=5)
NO_TENANT = UUID(int=0)


class _Ticket(msgspec.Struct, frozen=True):
    """A password on its way through the question which organisation is meant."""

    password: str
    made_at: datetime
    holder: str


def _seal_ticket(opened: Page, password: str) -> str:
    """The password, sealed for this visitor, so that it need not be typed twice."""
    ticket = _Ticket(password, opened.visit.house.clock.now(), opened.holder)
    sealed = opened.visit.house.vault.seal(
        msgspec.json.encode(ticket), tenant_id=NO_TENANT, place=_PLACE
    )
    return urlsafe_b64encode(sealed).decode()


def _open_ticket(opened: Page, text: str) -> str:
    """The password behind a ticket; empty when it is none of this visitor's, or too old."""
    vault = opened.visit.house.vault
    try:
        plain = vault.open(urlsafe_b64decode(text), tenant_id=NO_TENANT, place=_PLACE)
    except (Undecipherable, binascii.Error, ValueError):
        return ""
    ticket = msgspec.json.decode(plain, type=_Ticket)
    fresh = opened.visit.house.clock.now() - ticket.made_at < CHOOSE_WITHIN
    return ticket.password if fresh and ticket.holder == opened.holder else ""


_PLACE = ("web", "sign_in_ticket", NO_TENANT)


@router.get("/login")
async def show_login(opened: Annotated[Page, ANYONE]) -> Response:
    """The sign-in form."""
    return opened.show("auth/login.html", **_login_values(opened, opened.request.query_params))


@router.post("/login")
async def sign_in(opened: Annotated[Page, ANYONE]) -> Response:
    """Begin a session. Who fits in several organisations is asked which is meant."""
    form = opened.form
    password = form.secret("password") or _open_ticket(opened, form.secret("ticket"))
    try:
        request = fill(
            LoginRequest,
            {
                "email": form.text("email"),
                "password": password or None,
                "tenant_id": form.optional("tenant_id"),
            },
        )
        cookie, user = await open_web_session(opened.visit, request)
    except AppError as error:
        raise _refuse_login(opened, error, password) from error
    response = opened.go(local_path(form.text("next")), toast="signed-in")
    opened.begin_session(response, cookie)
    opened.know_device(response, device_token_of(opened.visit.house, user))
    return response


def _refuse_login(opened: Page, error: AppError, password: str) -> Answered:
    values = _login_values(opened, {"next": opened.form.text("next")})
    if choices := error.details.get("tenants"):
        values |= {"choices": choices, "ticket": _seal_ticket(opened, password)}
        faults, status = Faults(), 200
    else:
        faults, status = Faults.of(error), error.status
    response = opened.show("auth/login.html", http_status=status, **values, faults=faults)
    for name, value in error.headers.items():
        response.headers[name] = value
    return Answered(response, keeps_writes=error.keeps_writes)


def _login_values(opened: Page, wanted: Any) -> dict[str, Any]:
    return {
        "next": local_path(wanted.get("next")),
        "choices": [],
        "ticket": "",
        "signup_open": opened.visit.house.settings.signup_open,
    }


@router.get("/signup")
async def show_signup(opened: Annotated[Page, ANYONE]) -> Response:
    """The sign-up form, where sign-up is open."""
    signup.require_open(opened.visit)
    return opened.show("auth/signup.html", **_signup_values())


@router.post("/signup")
async def sign_up(opened: Annotated[Page, ANYONE]) -> Response:
    """Make an account with an organisation of its own."""
    with opened.refusing("auth/signup.html", **_signup_values()):
        await signup.sign_up(opened.visit, fill(NewUser, _new_user(opened.form)))
    return opened.show(
        "auth/message.html",
        heading="Check your mail",
        drawing="mail",
        message="We sent you a link that confirms your address. You can sign in right away.",
        action="",
    )


def _new_user(form: Form) -> dict[str, Any]:
    return {
        "email": form.text("email"),
        "username": form.optional("username"),
        "password": form.secret("password"),
    }


def _signup_values() -> dict[str, Any]:
    return {"password_hint": PASSWORD_HINT, "trial_days": plan_of(signup.PLAN).trial_days}


@router.get("/invitations/{token}")
async def show_invitation(token: str, opened: Annotated[Page, ANYONE]) -> Response:
    """The form in which an invited person sets a password."""
    return opened.show("auth/invitation.html", **await _invitation(opened, token))


async def _invitation(opened: Page, token: str) -> dict[str, Any]:
    """What the form shows. Raises: Answered: the link leads nowhere."""
    invited = await invitations.find_invited(opened.visit, token)
    if invited is None:
        raise Answered(
            opened.show(
                "auth/message.html",
                http_status=404,
                heading="This invitation is over",
                drawing="mail",
                message="It was used, was withdrawn or has expired. If you have set a password, "
                "sign in; if not, ask whoever invited you to send it again.",
                action="",
            ),
            keeps_writes=False,
        )
    name = opened.form.optional("username") or invited.username
    return {"invited": invited, "name": name, "password_hint": PASSWORD_HINT}


@router.post("/invitations/{token}")
async def accept_invitation(token: str, opened: Annotated[Page, ANYONE]) -> Response:
    """Set the password."""
    with opened.refusing("auth/invitation.html", **await _invitation(opened, token)):
        acceptance = fill(
            Acceptance,
            {
                "token": token,
                "password": opened.form.secret("password"),
                "username": opened.form.optional("username"),
            },
        )
        await invitations.accept(opened.visit, acceptance)
    return opened.go("/login", toast="password-set")


@router.get("/verify-email/{token}")
async def show_verification(opened: Annotated[Page, ANYONE]) -> Response:
    """A question first: programs that look into mail follow links, but press no buttons."""
    return opened.show(
        "auth/message.html",
        heading="Confirm your address",
        drawing="mail",
        message="One press, and the address is confirmed as yours.",
        action="Confirm address",
    )


@router.post("/verify-email/{token}")
async def verify_email(token: str, opened: Annotated[Page, ANYONE]) -> Response:
    """Note that the address is proved."""
    await emails.verify_email(opened.visit, fill(LinkToken, {"token": token}))
    return opened.go("/login", toast="email-verified")


@router.post("/logout")
async def sign_out(opened: Annotated[ScopedPage, SELF]) -> Response:
    """End the session, and the one at the identity provider it came from, where that can be."""
    session_id = opened.scope.actor.session_id
    parcel = None if session_id is None else await saml_logout.begin(opened.scope, session_id)
    where, ticket = await _signed_out(opened)
    await sessions.log_out(opened.scope)
    response: Response = opened.go(where, toast="signed-out")
    if ticket is not None:
        within_s = int(leaving.LEAVE_WITHIN.total_seconds())
        opened.give_cookie(response, LEAVING_COOKIE, ticket, max_age_s=within_s)
    if parcel is not None:
        response = saml.onward(parcel)
    opened.end_session(response)
    return response


async def _signed_out(opened: ScopedPage) -> tuple[str, str | None]:
    """The page that follows: one that tells of the session at the provider, if there is one, and
    the ticket to end that."""
    session_id = opened.scope.actor.session_id
    if session_id is None:
        return "/login", None
    found = await leaving.find_provider_of(opened.scope, session_id)
    if found is None:
        return "/login", None
    provider, ticket = found
    query = urlencode({"tenant": opened.shell["tenant"].slug, "provider": provider.slug})
    return f"{leaving.SIGNED_OUT}?{query}", ticket


@router.post("/theme")
async def choose_theme(opened: Annotated[Page, ANYONE]) -> Response:
    """Light or dark, for browsers without JavaScript; with it no request is made."""
    response = opened.go(local_path(opened.form.text("next")))
    if not opened.set_theme(response, opened.form.text("theme")):
        raise Forbidden("There is no such appearance.")
    return response
