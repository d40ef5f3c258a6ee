"""The assertion consumer service: from a posted response to a session, or a fresh proof in one.

The database is asked twice, in transactions of its own. In the first it says what to expect; then
the document is judged with no transaction open; in the second everything is looked at again under
locks, the request and the assertion are used up, and the session begins.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote
from uuid import UUID

from leanvibe_server.identity import opaque
from leanvibe_server.identity.federation import people, stepping
from leanvibe_server.identity.federation import repository as providers
from leanvibe_server.identity.federation.linking import link_own
from leanvibe_server.identity.federation.models import SsoProvider
from leanvibe_server.identity.federation.protocols import Purpose
from leanvibe_server.identity.login import SignedIn, subdomain
from leanvibe_server.identity.saml import repository as rows
from leanvibe_server.identity.saml.addresses import SpAddresses, addresses_of, slug_of
from leanvibe_server.identity.saml.assertions import Expected, Statement
from leanvibe_server.identity.saml.bindings import MAX_RELAY_STATE, from_post
from leanvibe_server.identity.saml.events import SamlRefused
from leanvibe_server.identity.saml.keys import open_keys
from leanvibe_server.identity.saml.models import (
    LOGIN,
    LOGOUT,
    STEP_UP,
    SamlRequest,
    SamlSession,
)
from leanvibe_server.identity.saml.names import SAML
from leanvibe_server.identity.saml.persons import person_of, remote_session_of
from leanvibe_server.identity.saml.protocol import cookie_name
from leanvibe_server.identity.saml.providers import certificates_of, metadata_of, settings_of
from leanvibe_server.identity.saml.refusals import Malformed, Refused, TooLarge
from leanvibe_server.identity.saml.responses import Trust, open_response
from leanvibe_server.identity.saml.times import forgotten_at
from leanvibe_server.identity.saml.xml import Element, parse, tag
from leanvibe_server.identity.sessions import TOKEN, WEB
from leanvibe_server.identity.visits import scope_in
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.errors import (
    AppError,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    Unauthorized,
    invalid_field,
)
from leanvibe_server.kernel.events import printable
from leanvibe_server.kernel.ids import parse_id
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import SYSTEM, Actor, Scope
from leanvibe_server.kernel.sealing import fetch_keys
from leanvibe_server.tenancy.models import Tenant
from leanvibe_server.tenancy.service import find_tenant_by_slug, require_tenant

MAX_AUDIENCES = 10
# The page of the dashboard that goes on with the form that waited for a fresh proof.
RESUMES = "/step-up/resume"


@dataclass(frozen=True)
class Arrival:
    """Who came in, and where a browser goes now; nobody where a signed-in user added this way
    in. `cookie` ends with the sign-in. `goes_on` is a session that was open before, whose bearer
    proved themselves anew."""

    signed_in: SignedIn | None
    web: bool
    next_path: str
    cookie: str | None
    goes_on: bool = False


@dataclass(frozen=True)
class _Situation:
    """What the database says of a response before it is judged."""

    tenant: Tenant
    addresses: SpAddresses
    request: SamlRequest | None
    provider: SsoProvider
    trust: Trust


async def receive(
    visit: Visit, *, slug: str | None, response: str, relay_state: str | None, web: bool
) -> Arrival:
    """Sign in whom the posted response vouches for. `slug` names the tenant where the address
    does; `web` is how an unasked response is taken, an asked one is taken as it was asked for.

    Raises: PayloadTooLarge, InvalidRequest: it cannot be read. Unauthorized: it is not believed.
        Forbidden: the plan, the policy or the account does not allow it.
    """
    root = _parse(response)
    tenant_id = await _find_tenant(visit, root, slug=slug, relay_state=relay_state)
    return await _receive(visit, tenant_id, root, relay_state, caller=None, web=web)


async def receive_own(
    visit: Visit, tenant_id: UUID, caller: Actor, *, response: str, relay_state: str
) -> SignedIn:
    """Go on in the caller's session with the proof that a response brings, which the caller's
    program was sent for. Raises: as `receive`; InvalidRequest: nothing was proved anew."""
    root = _parse(response, field="saml_response")
    arrival = await _receive(visit, tenant_id, root, relay_state, caller=caller, web=False)
    if arrival.signed_in is None:
        raise not_believed()
    return arrival.signed_in


async def _receive(
    visit: Visit,
    tenant_id: UUID,
    root: Element,
    relay_state: str | None,
    *,
    caller: Actor | None,
    web: bool,
) -> Arrival:
    situation = None
    try:
        situation = await _look(visit, tenant_id, root, relay_state, caller)
        statement = _judge(visit, situation, root)
        person = person_of(situation.provider, statement)
    except Refused as error:
        raise await _refuse(visit, tenant_id, situation, error) from None
    await _check_anew(visit, situation, person)
    return await _finish(visit, situation, statement, person, relay_state, web=web)


async def _check_anew(visit: Visit, situation: _Situation, person: people.Assertion) -> None:
    """Raises: InvalidRequest: somebody should prove themselves anew, and did not."""
    request = situation.request
    if request is None or request.purpose != STEP_UP:
        return
    try:
        stepping.check_anew(request.created_at, person.authenticated_at)
    except InvalidRequest:
        stale = Refused("the person did not prove themselves anew: AuthnInstant is too old")
        await _refuse(visit, situation.tenant.id, situation, stale)
        raise


def _parse(response: str, *, field: str = "SAMLResponse") -> Element:
    try:
        return parse(from_post(response))
    except TooLarge as error:
        raise PayloadTooLarge(f"{field} cannot be read: {error}.") from None
    except Malformed as error:
        raise invalid_field(field, str(error), f"{field} cannot be read: {error}.") from None


async def _find_tenant(
    visit: Visit, root: Element, *, slug: str | None, relay_state: str | None
) -> UUID:
    """The tenant the response is meant for, by the address, our own handle, a header or host, or
    the audience. Nothing is believed yet: it only says whose provider must have signed."""
    if slug is None:
        handle = opaque.tenant_of_token(relay_state or "")
        if handle is not None:
            return handle
        named = visit.headers.get("x-tenant-id")
        if named is not None:
            return parse_id(named, "organisation")
        slug = (
            visit.headers.get("x-tenant-slug")
            or subdomain(visit.house.settings, visit.headers.get("host", ""))
            or _audience_slug(visit, root)
        )
    return (await find_tenant(visit, slug or "")).id


async def find_tenant(visit: Visit, slug: str) -> Tenant:
    """The tenant of a slug. Raises: Unauthorized: in the words for whatever is not believed."""
    async with across_tenants(visit.house.database, Reason.SIGN_IN) as conn:
        scope = Scope(conn, PLATFORM_TENANT, SYSTEM, visit.house.clock, visit.house)
        tenant = await find_tenant_by_slug(scope, slug.strip().lower())
    if tenant is None or tenant.id == PLATFORM_TENANT:
        raise not_believed()
    return tenant


def _audience_slug(visit: Visit, root: Element) -> str | None:
    """The tenant an unencrypted assertion says it is for."""
    for number, audience in enumerate(root.iter(tag(SAML, "Audience"))):
        slug = slug_of(visit.house.settings, (audience.text or "").strip())
        if slug is not None or number >= MAX_AUDIENCES:
            return slug
    return None


async def _look(
    visit: Visit, tenant_id: UUID, root: Element, relay_state: str | None, caller: Actor | None
) -> _Situation:
    await fetch_keys(visit.house, tenant_id)
    async with visit.house.database.tenant(tenant_id) as conn:
        scope = scope_in(visit, conn, tenant_id)
        tenant = await _require_known(scope)
        request = await _find_request(scope, relay_state)
        if request is not None:
            _check_beginner(visit, request, relay_state or "", caller)
            provider = await providers.find(conn, tenant_id, request.provider_id)
        elif caller is not None:
            raise Refused("the response answers no request of ours")
        else:
            provider = await rows.find_provider_by_issuer(conn, tenant_id, issuer_of(root))
        if provider is None or not provider.enabled:
            raise Refused("there is no such identity provider, or it is disabled")
        if request is None and not settings_of(provider).idp_initiated:
            raise Refused("the response answers no request of ours, and only asked ones are taken")
        check_metadata(provider, scope)
        keys = await open_keys(scope)
    trust = Trust(
        certificates_of(provider), keys.private, settings_of(provider).encryption_required
    )
    addresses = addresses_of(visit.house.settings, tenant.slug)
    return _Situation(tenant, addresses, request, provider, trust)


async def _require_known(scope: Scope) -> Tenant:
    """The tenant a handle or a header names. Raises: Unauthorized: there is none."""
    try:
        return await require_tenant(scope)
    except NotFound:
        raise not_believed() from None


def check_metadata(provider: SsoProvider, scope: Scope) -> None:
    """Raises: Refused: what we know of the provider is out of date."""
    until = metadata_of(provider).valid_until
    if until is not None and until <= scope.now:
        raise Refused("the provider's metadata has expired: import it anew")


def issuer_of(root: Element) -> str:
    """Who a message says it is from, not believed yet; empty when it does not say."""
    issuers = root.iter(tag(SAML, "Issuer"))
    return next(((issuer.text or "").strip()[:1024] for issuer in issuers), "")


async def _find_request(scope: Scope, relay_state: str | None) -> SamlRequest | None:
    """Our request a RelayState belongs to. Any other RelayState is nobody's: it is ignored."""
    if relay_state is None or len(relay_state) > MAX_RELAY_STATE:
        return None
    if opaque.tenant_of_token(relay_state) != scope.tenant_id:
        return None
    found = await rows.find_request(scope.conn, scope.tenant_id, hash_token(relay_state))
    if found is None or found.purpose not in (LOGIN, STEP_UP):
        return None
    if found.consumed_at is not None or found.expires_at <= scope.now:
        raise Refused("the request was answered before, or too long ago")
    return found


async def find_purpose(visit: Visit, relay_state: str | None) -> Purpose | None:
    """What somebody set off for under a handle of ours; None for any other RelayState."""
    tenant_id = opaque.tenant_of_token(relay_state or "")
    if tenant_id is None or relay_state is None or len(relay_state) > MAX_RELAY_STATE:
        return None
    async with visit.house.database.tenant(tenant_id) as conn:
        found = await rows.find_request(conn, tenant_id, hash_token(relay_state))
    if found is None or found.purpose == LOGOUT:
        return None
    return "step_up" if found.purpose == STEP_UP else "link" if found.links else "sign_in"


def _check_beginner(visit: Visit, request: SamlRequest, handle: str, caller: Actor | None) -> None:
    """Raises: Refused: another browser set off than comes back, or another session."""
    if caller is not None:
        own = (request.link_user_id, request.link_session_id) == (caller.id, caller.session_id)
        if request.purpose != STEP_UP or request.browser_hash is not None or not own:
            raise Refused("the response was asked for by another session, or for something else")
        return
    if request.browser_hash is None:
        # Otherwise whoever holds a stolen session could lead its owner to prove it anew.
        if request.purpose == STEP_UP:
            raise Refused("a program brings a fresh proof with the access token of its session")
        return
    shown = visit.cookies.get(cookie_name(handle), "")
    if not hmac.compare_digest(hash_token(shown), request.browser_hash):
        raise Refused("the response comes back in another browser than the one that set off")


def _judge(visit: Visit, situation: _Situation, root: Element) -> Statement:
    request, now = situation.request, visit.house.clock.now()
    began_at = now if request is None else request.created_at
    # Where one request asks for it, what is missing is told in other words, by `_check_anew`.
    anew = request is not None and request.purpose == STEP_UP
    anew = not anew and settings_of(situation.provider).force_authn
    expected = Expected(
        issuer=situation.provider.issuer,
        audience=situation.addresses.entity_id,
        recipients=situation.addresses.recipients,
        request_id=None if request is None else request.request_id,
        now=now,
        proved_since=began_at if anew else None,
    )
    return open_response(root, situation.trust, expected)


async def _finish(
    visit: Visit,
    situation: _Situation,
    statement: Statement,
    person: people.Assertion,
    relay_state: str | None,
    *,
    web: bool,
) -> Arrival:
    tenant, request = situation.tenant, situation.request
    if request is not None:
        web = request.browser_hash is not None
    refusal = None
    async with visit.house.database.tenant(tenant.id) as conn:
        scope = scope_in(visit, conn, tenant.id, plan=tenant.plan)
        try:
            await _use_up(scope, situation, statement)
        except Refused as error:
            refusal = error
        else:
            signed_in = await _let_in(scope, request, person, kind=WEB if web else TOKEN)
    if refusal is not None:
        raise await _refuse(visit, tenant.id, situation, refusal)
    cookie = cookie_name(relay_state) if request is not None and web and relay_state else None
    goes_on = request is not None and request.purpose == STEP_UP
    return Arrival(signed_in, web, _next_path(request, relay_state), cookie, goes_on)


def _next_path(request: SamlRequest | None, handle: str | None) -> str:
    if request is None:
        return "/"
    if request.ticket is not None:
        return f"{RESUMES}?state={quote(handle or '', safe='')}"
    return request.next_path


async def _let_in(
    scope: Scope, request: SamlRequest | None, person: people.Assertion, *, kind: str
) -> SignedIn | None:
    """A session; or for a signed-in user a further way in, or a fresh proof in their own."""
    if await people.require_enabled(scope, person.provider) != person.provider:
        # Checked against what no longer holds: other certificates, other settings.
        raise not_believed()
    if request is None:
        return await people.sign_in(scope, person, kind=kind)
    if request.link_user_id is None or request.link_session_id is None:
        return await people.sign_in(scope, person, kind=kind, next_path=request.next_path)
    user_id, session_id = request.link_user_id, request.link_session_id
    if request.purpose == STEP_UP:
        return await stepping.go_on(scope, person, user_id=user_id, session_id=session_id)
    await link_own(scope, person, user_id=user_id, session_id=session_id)
    return None


async def _use_up(scope: Scope, situation: _Situation, statement: Statement) -> None:
    """Raises: Refused: the request or the assertion has been used."""
    request = situation.request
    # Without a browser's cookie anybody could be led to link their account with another's.
    if request is not None and request.links and request.browser_hash is None:
        raise Refused("an account is linked in a browser only")
    if request is not None and not await rows.consume_request(
        scope.conn, scope.tenant_id, request.id, now=scope.now
    ):
        raise Refused("the request was answered before, or too long ago")
    if not await rows.see_message(
        scope.conn,
        scope.tenant_id,
        situation.provider.id,
        statement.id,
        expires_at=forgotten_at(statement.usable_until),
    ):
        raise Refused("the assertion was used before")
    await rows.note_session(scope.conn, _session(scope, situation, statement))


def _session(scope: Scope, situation: _Situation, statement: Statement) -> SamlSession:
    name = statement.name_id
    return SamlSession(
        tenant_id=scope.tenant_id,
        provider_id=situation.provider.id,
        remote_session=remote_session_of(statement),
        name_id=name.value,
        name_format=name.format,
        name_qualifier=name.name_qualifier,
        sp_name_qualifier=name.sp_name_qualifier,
        session_index=statement.session_index,
        created_at=scope.now,
    )


async def _refuse(
    visit: Visit, tenant_id: UUID, situation: _Situation | None, error: Refused
) -> AppError:
    """Note why in the tenant's log; the refusal to answer with."""
    provider_id = None if situation is None else situation.provider.id
    await note_refusal(visit, tenant_id, provider_id, "Response", error)
    return not_believed()


async def note_refusal(
    visit: Visit, tenant_id: UUID, provider_id: UUID | None, message: str, error: Refused
) -> None:
    """Tell the tenant's admins why a message was refused."""
    async with visit.house.database.tenant(tenant_id) as conn:
        reason = printable(str(error)) or ""
        await scope_in(visit, conn, tenant_id).emit(
            SamlRefused(provider_id=provider_id, message=message, reason=reason)
        )


def not_believed() -> Unauthorized:
    """One answer for whatever is wrong with a message that can be read."""
    return Unauthorized(
        "The sign-in was refused. Start it anew; if that does not help, your administrator finds "
        "the reason in the audit log.",
        details={"reason": "saml_refused"},
    )


def form_fields(fields: Mapping[str, list[str]], name: str) -> str | None:
    """The one value of a form's field. Raises: InvalidRequest: it came more than once."""
    values = fields.get(name, [])
    if len(values) > 1:
        raise InvalidRequest(f"{name} must be sent once.", details={"field": name})
    return values[0] if values else None
