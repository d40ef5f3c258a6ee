"""Signing in by an identity provider: off to it, and back."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Response
from fastapi.responses import RedirectResponse

from leanvibe_server.identity.domains.schemas import Discovery, ProviderHint, WaysIn
from leanvibe_server.identity.federation import discovery, entry, stepping
from leanvibe_server.identity.federation.entry import Direction
from leanvibe_server.identity.federation.protocols import Departure, Wish
from leanvibe_server.identity.login import device_token_of
from leanvibe_server.identity.oidc import errors, flows, leaving, service
from leanvibe_server.identity.oidc.protocol import CALLBACK_PATH
from leanvibe_server.identity.oidc.service import Answer, Arrival
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import AppError
from leanvibe_server.kernel.paths import local_path
from leanvibe_server.web.auth_pages import LEAVING_COOKIE
from leanvibe_server.web.forms import fill
from leanvibe_server.web.page import Answered, ErrandPage, Page, errand_page, open_page
from leanvibe_server.web.routes import PageRouter
from leanvibe_server.web.sso_refusals import show_refusal
from leanvibe_server.web.step_up import resume

router = PageRouter()

ANYONE = open_page()
SELF_OUTSIDE = errand_page(Permission.SELF, fresh=True)
SELF_AGAIN = errand_page(Permission.SELF)


@router.get("/login/sso")
async def show_sso(opened: Annotated[Page, ANYONE]) -> Response:
    """Ask for the address, whose domain leads to the provider."""
    return opened.show("auth/sso.html", **_values(opened.request.query_params.get("next")))


@router.post("/login/sso")
async def find_provider(opened: Annotated[Page, ANYONE]) -> Response:
    """Show the providers of the address's domain, or of the organisation that is named.

    The way on is a link and not a redirect: a browser holds the redirects of a form to the
    places its page may send forms to, and that is our own site only.
    """
    values = _values(opened.form.text("next"))
    with opened.refusing("auth/sso.html", **values):
        tenant = opened.form.optional("organisation")
        email = opened.form.optional("email") if tenant else opened.form.text("email")
        asked = fill(Discovery, {"email": email, "tenant": tenant})
        found = await discovery.ways_in(opened.visit, asked)
    shown = values | {"found": found, "links": _links(found, asked.email, values["next"])}
    return opened.show("auth/sso.html", **shown)


@router.get("/auth/sso/start/{provider}")
async def start(provider: str, opened: Annotated[Page, ANYONE]) -> Response:
    """Off to a provider."""
    query = opened.request.query_params
    direction = Direction(
        provider=provider, tenant=query.get("tenant") or None, email=query.get("email") or None
    )
    wish = Wish(web=True, next_path=local_path(query.get("next")))
    try:
        _, departure = await entry.depart(opened.visit, direction, wish)
    except entry.OrganisationNeeded:
        return entry.ask_address(wish.next_path)
    except AppError as error:
        raise _refused(opened, error) from error
    return entry.redirect(opened.visit, departure)


@router.post("/account/links/{provider}")
async def start_link(provider: str, opened: Annotated[ErrandPage, SELF_OUTSIDE]) -> Response:
    """Off to a provider, to link one's account there."""
    wish = Wish(web=True, next_path="/account/links")
    _, departure = await entry.depart_to_link(opened.visit, opened.errand, provider, wish)
    return _onward(opened, departure, "Sign in there with the account you want to link.")


@router.post("/step-up/sso")
async def start_step_up(opened: Annotated[ErrandPage, SELF_AGAIN]) -> Response:
    """Off to a provider, to prove oneself anew; what was typed waits meanwhile."""
    form = opened.form
    wish = Wish(
        web=True, next_path=local_path(form.text("next")), ticket=form.text("ticket") or None
    )
    name = form.text("provider")
    _, departure = await stepping.depart(opened.visit, opened.errand, name, wish)
    return _onward(opened, departure, "Sign in there once more.")


@router.get("/signed-out")
async def show_signed_out(opened: Annotated[Page, ANYONE]) -> Response:
    """Signed out here; and there, if the visitor wishes. The provider sends them back here too."""
    query = opened.request.query_params
    elsewhere = await leaving.find_elsewhere(
        opened.visit, tenant=query.get("tenant"), name=query.get("provider")
    )
    return opened.show(
        "auth/signed_out.html",
        elsewhere=elsewhere,
        onward=f"{leaving.SIGNED_OUT}/onward?{urlencode(query)}",
    )


@router.get("/signed-out/onward")
async def sign_out_elsewhere(opened: Annotated[Page, ANYONE]) -> Response:
    """Off to the provider, which is shown the ID token it gave. That is good once, so that it
    stands on no page of ours."""
    query = opened.request.query_params
    elsewhere = await leaving.find_elsewhere(
        opened.visit,
        tenant=query.get("tenant"),
        name=query.get("provider"),
        ticket=opened.visit.cookies.get(LEAVING_COOKIE),
    )
    if elsewhere is None:
        return opened.go(leaving.SIGNED_OUT)
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    response = RedirectResponse(elsewhere.url, status_code=303, headers=headers)
    response.delete_cookie(LEAVING_COOKIE)
    return response


@router.get("/auth/sso/callback/{organisation}/{provider}")
async def come_back(organisation: str, provider: str, opened: Annotated[Page, ANYONE]) -> Response:
    """Back from a provider. What stands in the address is never shown, nor led back to."""
    query = opened.request.query_params
    state = query.get("state", "")
    flow = await service.find_flow(opened.visit, state)
    if flow is not None and flow.browser_hash is None:
        return opened.show(
            "auth/message.html",
            heading="Back to your program",
            drawing="key",
            message="You signed in at the identity provider. The program that sent you there has "
            "to finish the sign-in; you can close this window.",
            action="",
            here="/login",
        )
    name = flows.cookie_name(state)
    answer = Answer(
        state=state,
        code=query.get("code"),
        error=query.get("error"),
        issuer=query.get("iss"),
        web=True,
        cookie=opened.visit.cookies.get(name),
        redirect_uri=f"{opened.visit.house.settings.base_url}{CALLBACK_PATH}/{organisation}/{provider}",
    )
    try:
        if any(len(query.getlist(key)) > 1 for key in ("state", "code", "error", "iss")):
            raise errors.stale()
        arrival = await service.finish(opened.visit, answer)
    except AppError as error:
        error.set_off_for = None if flow is None else flow.purpose
        raise _refused(opened, error) from error
    response = _arrive(opened, arrival)
    response.delete_cookie(name, path=COOKIE_PATH)
    return response


COOKIE_PATH = Departure(url="", state="", expires_in=0).cookie_path


def _arrive(opened: Page, arrival: Arrival) -> Response:
    next_path, signed_in = local_path(arrival.next_path), arrival.signed_in
    if signed_in is None:
        return opened.go(next_path, toast="account-linked")
    if arrival.purpose == "step_up":
        return resume(opened, signed_in, next_path=next_path, ticket=arrival.ticket or "")
    response = opened.go(next_path, toast="signed-in")
    opened.begin_session(response, signed_in.opened.secret)
    opened.know_device(response, device_token_of(opened.visit.house, signed_in.user))
    return response


def _onward(opened: Page, departure: Departure, message: str) -> Response:
    """A page that leads to the provider: a browser holds the redirects of a form to our site."""
    response = opened.show("auth/sso_onward.html", onward=departure.url, message=message)
    response.headers["Refresh"] = f"0; url={departure.url}"
    entry.give_cookie(opened.visit, response, departure)
    return response


def _values(wanted: str | None) -> dict[str, Any]:
    return {"next": local_path(wanted), "found": None, "links": []}


def _links(found: WaysIn, email: str | None, next_path: str) -> list[tuple[ProviderHint, str]]:
    links = []
    for hint in found.providers:
        query = {"tenant": hint.tenant, "next": next_path} | ({"email": email} if email else {})
        links.append((hint, f"/auth/sso/start/{hint.slug}?{urlencode(query)}"))
    return links


def _refused(opened: Page, error: AppError) -> Answered:
    return Answered(show_refusal(opened, error), keeps_writes=error.keeps_writes)
