"""Pages of a sign-in beyond the password: the second factor, setting one up, and passkeys."""

import json
from typing import Annotated, Any

from fastapi import Response
from fastapi.responses import JSONResponse

from leanvibe_server.identity.login import device_token_of
from leanvibe_server.identity.mfa import challenges, passkeys, setup, totp
from leanvibe_server.identity.mfa.challenges import Asked, Waiting
from leanvibe_server.identity.mfa.models import METHODS, SENT, TOTP, WEBAUTHN
from leanvibe_server.identity.mfa.service import Answer
from leanvibe_server.identity.mfa.setup import Begun
from leanvibe_server.identity.models import User
from leanvibe_server.identity.policy import policy_of
from leanvibe_server.identity.sessions import WEB, OpenedSession
from leanvibe_server.kernel.errors import AppError, InvalidRequest, MfaRequired
from leanvibe_server.web.forms import Faults
from leanvibe_server.web.page import Answered, Page, SignInNeeded, local_path, open_page
from leanvibe_server.web.routes import PageRouter
from leanvibe_server.web.second_factor import (
    COOKIE,
    NAMES,
    PATH,
    Ticket,
    ask_second_factor,
    read_ticket,
)

router = PageRouter()

ANYONE = open_page()
MAX_CREDENTIAL = 20_000
VERIFY = f"{PATH}/verify"


@router.get(PATH)
async def show(opened: Annotated[Page, ANYONE]) -> Response:
    """Ask for the second factor, or have one set up."""
    _, waiting = await _require(opened)
    if waiting.challenge.enrolling:
        return opened.show("auth/mfa_begin.html", **await _offered(opened, waiting))
    wanted = opened.request.query_params.get("method", "")
    return opened.show("auth/second_factor.html", **await _values(waiting, wanted, None))


@router.post(PATH)
async def answer(opened: Annotated[Page, ANYONE]) -> Response:
    """Send a code or ask a key, or check what was given."""
    ticket, waiting = await _require(opened)
    form, method = opened.form, opened.form.text("method")
    shown = await _values(waiting, method, None)
    with opened.refusing("auth/second_factor.html", **shown):
        if form.text("do") == "ask":
            asked = await challenges.ask(waiting, method)
            return opened.show("auth/second_factor.html", **await _values(waiting, method, asked))
        given = Answer(method or None, form.text("code"), read_credential(form.text("credential")))
        return _enter(opened, ticket, await challenges.complete(waiting, given))


@router.post(f"{PATH}/setup")
async def begin_setup(opened: Annotated[Page, ANYONE]) -> Response:
    """Begin to set up a factor, where the organisation asks for one."""
    _, waiting = await _require(opened)
    form = opened.form
    with opened.refusing("auth/mfa_begin.html", **await _offered(opened, waiting)):
        method = require_method(form.text("method"))
        who = await setup.enter(opened.visit, waiting.token, kind=WEB)
        begun = await setup.begin(who, method, phone=form.optional("phone"), name=None)
    template, values = setup_page(begun, who.user, confirm_path=VERIFY, cancel_path=PATH)
    return opened.show(template, **values)


@router.post(VERIFY)
async def finish_setup(opened: Annotated[Page, ANYONE]) -> Response:
    """Confirm the factor, and go on to the dashboard."""
    ticket, waiting = await _require(opened)
    form = opened.form
    method = form.text("method") or TOTP
    if method == WEBAUTHN:
        template, values = "auth/mfa_begin.html", await _offered(opened, waiting)
    else:
        template, values = again_page(method, confirm_path=VERIFY, cancel_path=PATH)
    with opened.refusing(template, **values):
        require_method(method)
        who = await setup.enter(opened.visit, waiting.token, kind=WEB)
        credential = read_credential(form.text("credential")) if method == WEBAUTHN else None
        done = await setup.confirm(who, method, code=form.text("code"), credential=credential)
    if done is None:
        raise SignInNeeded("Sign in again.")
    return _enter(opened, ticket, done)


def require_method(name: str) -> str:
    """A factor that can be set up. Raises: InvalidRequest: there is none of that name."""
    if name not in METHODS:
        raise InvalidRequest("There is no such second factor.")
    return name


def setup_page(
    begun: Begun, user: User, *, confirm_path: str, cancel_path: str
) -> tuple[str, dict[str, Any]]:
    """The page on which a factor that was begun is confirmed, and its values."""
    method = begun.factor.method
    template, values = again_page(method, confirm_path=confirm_path, cancel_path=cancel_path)
    values |= {"codes": begun.codes}
    if method == TOTP:
        drawn = totp.qr_code(begun.secret, account=user.email)
        return template, values | {"secret": begun.secret, "qr": drawn}
    if method in SENT:
        return template, values | {"sent_to": begun.factor.label}
    return template, values | {"options": json.dumps(begun.options or {})}


def again_page(method: str, *, confirm_path: str, cancel_path: str) -> tuple[str, dict[str, Any]]:
    """As `setup_page`, after a wrong code: what was shown once is not shown again."""
    values = {"codes": None, "confirm_path": confirm_path, "cancel_path": cancel_path}
    if method == TOTP:
        return "auth/mfa_setup.html", values | {"secret": "", "qr": ""}
    return "auth/mfa_confirm.html", values | {"method": method, "sent_to": "", "options": ""}


async def _offered(opened: Page, waiting: Waiting) -> dict[str, Any]:
    """What the organisation lets a newcomer choose from."""
    async with waiting.errand.scope() as scope:
        allowed = (await policy_of(scope)).mfa_methods
    sends = opened.visit.house.settings.sends_sms != "none"
    return {"offered": [name for name in METHODS if name in allowed and (name != "sms" or sends)]}


@router.post("/login/passkey/options")
async def offer_passkey(opened: Annotated[Page, ANYONE]) -> Response:
    """What a passkey is to sign, for the script of the sign-in page."""
    token, options = await passkeys.offer(opened.visit, kind=WEB, browser=opened.holder)
    return JSONResponse({"token": token, "options": options})


@router.post("/login/passkey")
async def use_passkey(opened: Annotated[Page, ANYONE]) -> Response:
    """Sign in with a passkey alone."""
    form = opened.form
    try:
        credential = read_credential(form.text("credential"))
        if credential is None:
            raise InvalidRequest("Your browser gave no passkey. Sign in another way.")
        done = await passkeys.sign_in(
            opened.visit, form.text("token"), credential, kind=WEB, browser=opened.holder
        )
    except MfaRequired as more:
        return ask_second_factor(opened, more)
    except AppError as error:
        raise _refuse(opened, error) from error
    return _begin(opened, done, local_path(form.text("next")))


def read_credential(text: str) -> dict[str, Any] | None:
    """A key's answer as the page's script sends it. Raises: InvalidRequest: it is none."""
    if not text:
        return None
    try:
        found = json.loads(text[:MAX_CREDENTIAL])
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidRequest("The key's answer cannot be read. Try again.")
    return found


async def _require(opened: Page) -> tuple[Ticket, Waiting]:
    ticket = read_ticket(opened)
    if ticket is None:
        raise SignInNeeded("Sign in again.")
    try:
        return ticket, await challenges.require_waiting(opened.visit, ticket.token, kind=WEB)
    except AppError as error:
        raise SignInNeeded("Sign in again.") from error


async def _values(waiting: Waiting, wanted: str, asked: Asked | None) -> dict[str, Any]:
    methods = (await challenges.describe(waiting)).methods
    method = wanted if wanted in methods else methods[0]
    return {
        "method": method,
        "methods": [(name, NAMES[name]) for name in methods],
        "sent": method in SENT,
        "asked": asked,
        "options": "" if asked is None or asked.options is None else json.dumps(asked.options),
    }


def _enter(opened: Page, ticket: Ticket, done: tuple[User, OpenedSession]) -> Response:
    response = _begin(opened, done, ticket.next_path)
    response.delete_cookie(COOKIE)
    return response


def _begin(opened: Page, done: tuple[User, OpenedSession], next_path: str) -> Response:
    user, session = done
    response = opened.go(next_path, toast="signed-in")
    opened.begin_session(response, session.secret)
    opened.know_device(response, device_token_of(opened.visit.house, user))
    return response


def _refuse(opened: Page, error: AppError) -> Answered:
    values = {
        "next": local_path(opened.form.text("next")),
        "choices": [],
        "ticket": "",
        "signup_open": opened.visit.house.settings.signup_open,
    }
    response = opened.show(
        "auth/login.html", http_status=error.status, **values, faults=Faults.of(error)
    )
    return Answered(response, keeps_writes=error.keeps_writes)
