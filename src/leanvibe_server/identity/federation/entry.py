"""The way to a provider: which tenant is meant, which provider of it, and off."""

from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Response
from fastapi.responses import JSONResponse, RedirectResponse

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.identity.domains import service as domains
from leanvibe_server.identity.federation import repository as rows
from leanvibe_server.identity.federation.models import SsoProvider
from leanvibe_server.identity.federation.people import require_enabled
from leanvibe_server.identity.federation.protocols import Departure, Protocols, Wish
from leanvibe_server.identity.federation.schemas import Begin, Redirect
from leanvibe_server.identity.login import subdomain
from leanvibe_server.identity.visits import scope_in
from leanvibe_server.kernel.access import Errand, require_signed_in
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import InvalidRequest, NotFound, at_field
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.paths import local_path
from leanvibe_server.kernel.platform import (
    PLATFORM_TENANT,
    Reason,
    across_tenants,
    ask_reachable,
)
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.tenancy.service import find_tenant_by_slug, require_tenant

# The page of the dashboard that asks for the e-mail address.
ASKS_ADDRESS = "/login/sso"


class OrganisationNeeded(InvalidRequest):
    """Several organisations have such a provider, or none: it must be said which is meant."""


@dataclass(frozen=True, kw_only=True)
class Direction:
    """Where a visitor wants to go: the provider by slug or type, and what says which tenant."""

    provider: str
    tenant: str | None = None
    email: str | None = None
    domain: str | None = None


async def begin(visit: Visit, provider: str, wanted: Begin) -> Response:
    """Send a visitor off: a browser by a redirect, a program by telling it where.

    Raises: as `depart`.
    """
    web = "text/html" in visit.headers.get("accept", "")
    direction = Direction(
        provider=provider,
        tenant=wanted.tenant or wanted.tenant_id,
        email=wanted.email or wanted.login_hint,
        domain=wanted.domain_hint,
    )
    wish = Wish(web=web, next_path=local_path(wanted.next), redirect_uri=wanted.redirect_uri)
    try:
        found, departure = await depart(visit, direction, wish)
    except OrganisationNeeded:
        if not web:
            raise
        return ask_address(wish.next_path)
    if web:
        return redirect(visit, departure)
    return JSONResponse(told(found, departure).model_dump(), headers={"Cache-Control": "no-store"})


async def begin_link(visit: Visit, errand: Errand, provider: str, wanted: Begin | None) -> Redirect:
    """Tell a signed-in user's program where to go to link an account. Raises: as above."""
    wish = Wish(web=False, redirect_uri=wanted.redirect_uri if wanted else None)
    return told(*await depart_to_link(visit, errand, provider, wish))


def ask_address(next_path: str) -> Response:
    """To the page that asks a browser for the e-mail address, whose domain tells the rest."""
    return RedirectResponse(f"{ASKS_ADDRESS}?{urlencode({'next': next_path})}", status_code=303)


def redirect(visit: Visit, departure: Departure) -> Response:
    """The browser's way to the provider, with the cookie that ties the way back to it."""
    response = RedirectResponse(departure.url, status_code=302)
    response.headers["Cache-Control"] = "no-store"
    give_cookie(visit, response, departure)
    return response


def give_cookie(visit: Visit, response: Response, departure: Departure) -> None:
    """Tie the way back to this browser."""
    if departure.cookie is not None:
        name, value = departure.cookie
        response.set_cookie(
            name,
            value,
            max_age=departure.expires_in,
            path=departure.cookie_path,
            secure=visit.secure,
            httponly=True,
            samesite=_same_site(visit, departure),
        )


def _same_site(visit: Visit, departure: Departure) -> Literal["lax", "none"] | None:
    """A form that another site has the browser send bears no Lax cookie. Without https there is
    no other kind; a cookie of no kind at all is then sent with such a form for two minutes."""
    if not departure.cross_site:
        return "lax"
    return "none" if visit.secure else None


def told(provider: SsoProvider, departure: Departure) -> Redirect:
    """The way to the provider in words."""
    return Redirect(
        provider=provider.slug,
        redirect_url=departure.url,
        state=departure.state,
        expires_in=departure.expires_in,
    )


async def depart(visit: Visit, direction: Direction, wish: Wish) -> tuple[SsoProvider, Departure]:
    """Send a visitor off to a provider of the tenant they mean.

    Raises: InvalidRequest: it is not clear which tenant. NotFound: it has no such provider that
        is on, or there is no such tenant, which is not told apart.
    """
    provider, plan = await require_provider(visit, direction)
    protocol = visit.house.part(Protocols).speak(provider)
    hinted = wish if wish.login_hint else replace(wish, login_hint=direction.email)
    return provider, await protocol.depart(visit, provider, hinted, plan=plan)


async def require_provider(visit: Visit, direction: Direction) -> tuple[SsoProvider, str]:
    """The provider a visitor means, and the plan of its tenant. Raises: as `depart`."""
    tenant_id = await _require_tenant_id(visit, direction)
    async with visit.house.database.tenant(tenant_id) as conn:
        scope = scope_in(visit, conn, tenant_id)
        provider = await rows.find_named(conn, tenant_id, direction.provider)
        if provider is None or not provider.enabled:
            raise no_such_provider()
        plan = (await require_tenant(scope)).plan
        if provider.protocol not in plan_of(plan).features:
            raise no_such_provider()
    return provider, plan


async def depart_to_link(
    visit: Visit, errand: Errand, name: str, wish: Wish
) -> tuple[SsoProvider, Departure]:
    """Send a signed-in user off to a provider, to link their account there.

    Raises: Forbidden: a key links nothing. NotFound: there is no such provider that is on.
    """
    user_id, session_id = require_signed_in(errand.caller.actor)
    async with errand.scope() as scope:
        provider = await rows.find_named(scope.conn, scope.tenant_id, name)
        if provider is None or not provider.enabled:
            raise no_such_provider()
        await require_enabled(scope, provider)
    own = replace(wish, purpose="link", link_user_id=user_id, link_session_id=session_id)
    protocol = errand.house.part(Protocols).speak(provider)
    return provider, await protocol.depart(visit, provider, own, plan=errand.caller.plan)


def no_such_provider() -> NotFound:
    """One answer for an unknown tenant, an unknown provider and one that is turned off."""
    return NotFound("No such identity provider is set up here. Ask your administrator.")


async def _require_tenant_id(visit: Visit, direction: Direction) -> UUID:
    named = named_tenant(visit, direction.tenant)
    if named is not None:
        found = await find_tenant_id(visit.house, named)
        if found is None:
            raise no_such_provider()
        return found
    for hint in (direction.email, direction.domain):
        found = None if hint is None else await domains.find_tenant_of(visit.house, hint)
        if found is not None:
            return found
    return await _only_tenant_with(visit.house, direction.provider)


def named_tenant(visit: Visit, asked: str | None) -> str | None:
    """Id or slug of the tenant a visitor names, by parameter, header or host."""
    named = (
        asked
        or visit.headers.get("x-tenant-id")
        or visit.headers.get("x-tenant-slug")
        or subdomain(visit.house.settings, visit.headers.get("host", ""))
    )
    return named.strip().lower() if named else None


async def find_tenant_id(house: House, named: str) -> UUID | None:
    """The tenant of that id or slug; None for none and for the platform's own."""
    try:
        tenant_id = UUID(named)
    except ValueError:
        async with across_tenants(house.database, Reason.SIGN_IN) as conn:
            platform = Scope(conn, PLATFORM_TENANT, SYSTEM, house.clock, house)
            tenant = await find_tenant_by_slug(platform, named)
        return None if tenant is None or tenant.id == PLATFORM_TENANT else tenant.id
    async with house.database.tenant(tenant_id) as conn:
        there = await rows.has_tenant(conn, tenant_id)
    return tenant_id if there and tenant_id != PLATFORM_TENANT else None


async def _only_tenant_with(house: House, provider: str) -> UUID:
    """The tenant a visitor means who names none: clear only where a single one has the provider,
    as in an installation of one company."""

    async def ask(conn: Connection) -> list[UUID]:
        return await rows.list_tenants_with(conn, provider)

    answers, unreachable = await ask_reachable(house.database, Reason.SIGN_IN, ask)
    found = [tenant_id for answer in answers for tenant_id in answer]
    # A region that does not answer may have another.
    if len(found) != 1 or unreachable:
        why = "send X-Tenant-Slug, or `tenant`, `email` or `domain_hint` as a parameter"
        page = f"{house.settings.base_url}{ASKS_ADDRESS}"
        raise OrganisationNeeded(
            f"Say which organisation you belong to: {why}, or open {page} in a browser.",
            details=at_field("tenant", why) | {"login_url": page},
        )
    return found[0]
