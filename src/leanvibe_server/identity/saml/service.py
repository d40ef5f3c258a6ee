"""What the doors ask of SAML: our metadata, our keys, and the answers to what browsers bring."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.entitlements.service import require_feature
from leanvibe_server.identity import devices, opaque
from leanvibe_server.identity.federation import repository as providers
from leanvibe_server.identity.login import answer, device_token_of
from leanvibe_server.identity.saml import bindings, keys, logout, messages, sign_in, sp_metadata
from leanvibe_server.identity.saml import repository as rows
from leanvibe_server.identity.saml.addresses import PATH, addresses_of
from leanvibe_server.identity.saml.forms import Parcel, page_of
from leanvibe_server.identity.saml.protocol import new_message_id, sign_on_request
from leanvibe_server.identity.saml.providers import metadata_of, settings_of
from leanvibe_server.identity.saml.schemas import ServiceProviderView
from leanvibe_server.identity.saml.sign_in import Arrival
from leanvibe_server.identity.sessions import LIMITS, WEB
from leanvibe_server.identity.visits import scope_in
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.errors import (
    AppError,
    InvalidRequest,
    NotFound,
    Unauthorized,
    invalid_field,
)
from leanvibe_server.kernel.request import ACTING_COOKIE, SESSION_COOKIE, Visit
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.kernel.sealing import fetch_keys
from leanvibe_server.tenancy.models import Tenant
from leanvibe_server.tenancy.service import require_tenant

MAX_FIELDS = 10
METADATA_TYPE = "application/samlmetadata+xml"


async def describe(scope: Scope) -> ServiceProviderView:
    """The service provider of the scope's tenant. Raises: Forbidden: not in the plan."""
    require_feature(scope.plan, "saml")
    tenant = await require_tenant(scope)
    addresses = addresses_of(scope.house.settings, tenant.slug)
    return ServiceProviderView.of(addresses, await keys.list_keys(scope))


async def publish_metadata(visit: Visit, slug: str) -> Response:
    """Our metadata for one tenant, signed. Raises: NotFound."""
    tenant = await _require_saml_tenant(visit, slug)
    house = visit.house
    found = await keys.ensure_keys(house, tenant.id)
    async with house.database.tenant(tenant.id) as conn:
        scope = scope_in(visit, conn, tenant.id, plan=tenant.plan)
        current = (await keys.open_keys(scope)).current
    upcoming = [keys.certificate_of(key) for key in found if key.status == "next"]
    root = sp_metadata.describe(
        addresses_of(house.settings, tenant.slug),
        [current.certificate, *upcoming],
        identity=new_message_id(),
    )
    document = messages.printed(messages.signed(root, current.private, current.certificate))
    return Response(document, media_type=METADATA_TYPE)


async def consume(visit: Visit, slug: str | None) -> Response:
    """The answer to a posted response: tokens for a program, a session for a browser."""
    fields = _form(visit)
    response = sign_in.form_fields(fields, "SAMLResponse")
    if not response:
        raise invalid_field("SAMLResponse", "Field required", "SAMLResponse is missing.")
    relay_state = sign_in.form_fields(fields, "RelayState")
    try:
        arrival = await sign_in.receive(
            visit, slug=slug, response=response, relay_state=relay_state, web=is_browser(visit)
        )
    except AppError as refusal:
        refusal.set_off_for = await sign_in.find_purpose(visit, relay_state)
        raise
    return _welcome(visit, arrival)


async def log_out(visit: Visit, request: Request, slug: str) -> Response:
    """The answer to either half of a logout, by address or by form."""
    if request.method == "GET":
        message = logout.read_address(request.scope["query_string"])
    else:
        message = _posted(_form(visit))
    return send(await logout.receive(visit, slug, message))


async def request_form(visit: Visit, slug: str, handle: str) -> Response:
    """The form that carries a sign-in request to a provider that takes no other.

    Raises: NotFound: the request is unknown, answered or too old.
    """
    tenant_id = opaque.tenant_of_token(handle)
    if tenant_id is None:
        raise _no_request()
    await fetch_keys(visit.house, tenant_id)
    async with visit.house.database.tenant(tenant_id) as conn:
        scope = scope_in(visit, conn, tenant_id)
        found = await rows.find_request(conn, tenant_id, hash_token(handle))
        if found is None or found.consumed_at is not None or found.expires_at <= scope.now:
            raise _no_request()
        provider = await providers.find(conn, tenant_id, found.provider_id)
        tenant = await require_tenant(scope)
        if provider is None or not provider.enabled or tenant.slug != slug:
            raise _no_request()
        if "saml" not in plan_of(tenant.plan).features:
            raise _no_request()
        current = (await keys.open_keys(scope)).current
    root = sign_on_request(
        provider, addresses_of(visit.house.settings, slug), settings_of(provider), found
    )
    document = messages.printed(messages.signed(root, current.private, current.certificate))
    fields = {"SAMLRequest": bindings.to_post(document), "RelayState": handle}
    return send(Parcel(metadata_of(provider).sign_on_url, fields))


def send(parcel: Parcel) -> Response:
    """Have the browser carry a message on."""
    if not parcel.fields:
        return RedirectResponse(parcel.url, status_code=303)
    html, headers = page_of(parcel)
    return HTMLResponse(html, headers=headers)


def onward(parcel: Parcel) -> Response:
    """The same in answer to a form of ours, which may not be redirected to another site."""
    html, headers = page_of(parcel)
    return HTMLResponse(html, headers=headers)


def is_browser(visit: Visit) -> bool:
    """Whether a person before a browser waits for a page."""
    return "text/html" in visit.headers.get("accept", "")


def _welcome(visit: Visit, arrival: Arrival) -> Response:
    signed_in = arrival.signed_in
    if signed_in is not None and not arrival.web:
        tokens = answer(visit.house, signed_in).model_dump(mode="json")
        return Response(json.dumps(tokens), media_type="application/json")
    response = RedirectResponse(arrival.next_path, status_code=303)
    if signed_in is not None:
        response.set_cookie(
            SESSION_COOKIE,
            signed_in.opened.secret,
            max_age=int(LIMITS[WEB].absolute.total_seconds()),
            path="/",
            httponly=True,
            samesite="lax",
            secure=visit.secure,
        )
        token = device_token_of(visit.house, signed_in.user)
        response.set_cookie(**devices.cookie_of(token, secure=visit.secure))
        if not arrival.goes_on:
            # Whoever came before acted for an organisation of theirs.
            response.delete_cookie(ACTING_COOKIE)
    if arrival.cookie is not None:
        response.delete_cookie(arrival.cookie, path=PATH)
    return response


async def _require_saml_tenant(visit: Visit, slug: str) -> Tenant:
    """The tenant of a slug, if SAML is part of its plan. Raises: NotFound: in the same words."""
    try:
        tenant = await sign_in.find_tenant(visit, slug)
    except Unauthorized:
        raise _no_metadata() from None
    if "saml" not in plan_of(tenant.plan).features:
        raise _no_metadata()
    return tenant


def _form(visit: Visit) -> Mapping[str, list[str]]:
    """The fields of a posted form. Raises: InvalidRequest."""
    kind = visit.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind != "application/x-www-form-urlencoded":
            raise ValueError("application/x-www-form-urlencoded is expected")
        return parse_qs(
            visit.body.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=MAX_FIELDS,
            errors="strict",
        )
    except ValueError as error:
        raise InvalidRequest(
            f"The form cannot be read: {error}.", details={"validation_errors": [f"body: {error}"]}
        ) from None


def _posted(fields: Mapping[str, list[str]]) -> logout.Message:
    sent: dict[str, Any] = {
        kind: value
        for kind in bindings.MESSAGES
        if (value := sign_in.form_fields(fields, kind)) is not None
    }
    if len(sent) != 1:
        raise InvalidRequest("Send one SAMLRequest or one SAMLResponse.")
    return logout.read_posted(next(iter(sent.values())), sign_in.form_fields(fields, "RelayState"))


def _no_request() -> NotFound:
    return NotFound("This sign-in is over, or never began. Start it anew.")


def _no_metadata() -> NotFound:
    return NotFound("There is no SAML service provider here.")
