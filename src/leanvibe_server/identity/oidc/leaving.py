"""Signing out at the provider too, after one has signed out here.

The session there is the visitor's own and may have opened other programs, so it is offered and not
done unasked. Providers such as Okta refuse it, and others ask who leaves, unless they are shown the
ID token they gave (`id_token_hint`): the one of the last sign-in is kept for that, sealed, while
there is a session of it, and leaves in the address of the provider only.

Source: OpenID Connect RP-Initiated Logout 1.0, section 2.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

import msgspec

from leanvibe_server.identity.federation import repository as providers
from leanvibe_server.identity.federation.entry import Direction, require_provider
from leanvibe_server.identity.federation.models import OIDC, SsoProvider
from leanvibe_server.identity.federation.people import Assertion
from leanvibe_server.identity.oidc import repository as rows
from leanvibe_server.identity.oidc.discovery import read_metadata
from leanvibe_server.identity.oidc.models import KeptToken
from leanvibe_server.identity.repository.sessions import find_session
from leanvibe_server.identity.visits import scope_in
from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.kernel.errors import AppError
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.outbound import Unreachable
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.kernel.sealing import fetch_keys, seal, unseal

SIGNED_OUT = "/signed-out"
LEAVE_WITHIN = timedelta(minutes=10)
# Longer ones, with hundreds of groups, make addresses that servers refuse.
MAX_HINT = 6_000
_NOWHERE = UUID(int=0)
_PLACE = ("identity", "leaving", _NOWHERE)


@dataclass(frozen=True)
class Elsewhere:
    """A provider at which somebody may still be signed in, and where to end that."""

    name: str
    url: str


class Ticket(msgspec.Struct, frozen=True):
    """What a browser whose session has ended bears for a moment: which ID token was its own."""

    tenant_id: UUID
    token_id: UUID
    ended_at: datetime


def signed_out_uri(house: House) -> str:
    """The address to register at the provider for the way back."""
    return house.settings.base_url + SIGNED_OUT


async def keep(scope: Scope, assertion: Assertion, id_token: str) -> None:
    """Keep the ID token of somebody who came in, or has to give a second factor yet."""
    provider = assertion.provider
    known = await providers.find_by_subject(
        scope.conn, scope.tenant_id, provider.id, assertion.subject
    )
    if known is None or len(id_token) > MAX_HINT:
        return
    token_id = scope.new_id()
    kept = KeptToken(
        tenant_id=scope.tenant_id,
        id=token_id,
        user_id=known.user_id,
        provider_id=provider.id,
        remote_session=assertion.remote_session or "",
        id_token_sealed=await seal(scope, id_token.encode(), place=_sealed_in(token_id)),
        created_at=scope.now,
    )
    await rows.replace_id_token(scope.conn, kept)


async def find_provider_of(scope: Scope, session_id: UUID) -> tuple[SsoProvider, str | None] | None:
    """The provider of OpenID Connect that opened a session, while it is on, with a ticket to sign
    out there where its ID token is kept."""
    session = await find_session(scope.conn, scope.tenant_id, session_id)
    if session is None or session.provider_id is None:
        return None
    provider = await providers.find(scope.conn, scope.tenant_id, session.provider_id)
    if provider is None or not provider.enabled or provider.protocol != OIDC:
        return None
    token_id = await rows.find_id_token_of(
        scope.conn, scope.tenant_id, session.user_id, provider.id, session.remote_session or ""
    )
    return provider, None if token_id is None else _ticket(scope, token_id)


async def find_elsewhere(
    visit: Visit, *, tenant: str | None, name: str | None, ticket: str | None = None
) -> Elsewhere | None:
    """Where to sign out at a provider; None where it offers no such thing or does not answer. With
    the ticket of the session that was there, so that the provider asks nothing."""
    if not tenant or not name:
        return None
    try:
        provider, _ = await require_provider(visit, Direction(provider=name, tenant=tenant))
        if provider.protocol != OIDC:
            return None
        metadata = await read_metadata(visit.house, provider.issuer)
        hints = await _hints(visit, provider, ticket)
    except (AppError, Unreachable):
        return None
    if metadata.end_session_endpoint is None:
        return None
    asked = {
        "client_id": provider.client_id or "",
        "post_logout_redirect_uri": signed_out_uri(visit.house),
        **hints,
    }
    parts = urlsplit(metadata.end_session_endpoint)
    own = [(key, value) for key, value in parse_qsl(parts.query) if key not in asked]
    url = urlunsplit(parts._replace(query=urlencode([*own, *asked.items()])))
    return Elsewhere(provider.name, url)


async def _hints(visit: Visit, provider: SsoProvider, text: str | None) -> dict[str, str]:
    """Who leaves, in the provider's own words; nothing without a ticket that still holds."""
    ticket = None if text is None else _read(visit.house, text)
    if ticket is None or ticket.tenant_id != provider.tenant_id:
        return {}
    await fetch_keys(visit.house, ticket.tenant_id)
    async with visit.house.database.tenant(ticket.tenant_id) as conn:
        scope = scope_in(visit, conn, ticket.tenant_id)
        kept = await rows.find_id_token(conn, ticket.tenant_id, ticket.token_id)
        if kept is None or kept.provider_id != provider.id:
            return {}
        id_token = (await unseal(scope, kept.id_token_sealed, place=_sealed_in(kept.id))).decode()
    hints = {"id_token_hint": id_token}
    # Entra ID asks for this one, else it shows a list of accounts.
    named = _claim(id_token, "login_hint")
    return hints | ({"logout_hint": named} if named else {})


def _claim(id_token: str, name: str) -> str | None:
    """A claim of a token that was verified when it came."""
    payload = id_token.split(".")[1]
    found = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    value = found.get(name)
    return value if isinstance(value, str) and len(value) <= MAX_HINT else None


def _ticket(scope: Scope, token_id: UUID) -> str:
    plain = msgspec.json.encode(Ticket(scope.tenant_id, token_id, scope.now))
    sealed = scope.house.vault.seal(plain, tenant_id=_NOWHERE, place=_PLACE)
    return base64.urlsafe_b64encode(sealed).decode()


def _read(house: House, text: str) -> Ticket | None:
    try:
        sealed = base64.urlsafe_b64decode(text)
        plain = house.vault.open(sealed, tenant_id=_NOWHERE, place=_PLACE)
    except (Undecipherable, binascii.Error, ValueError):
        return None
    ticket = msgspec.json.decode(plain, type=Ticket)
    return ticket if house.clock.now() - ticket.ended_at < LEAVE_WITHIN else None


def _sealed_in(token_id: UUID) -> tuple[str, str, UUID]:
    return ("oidc_id_tokens", "id_token_sealed", token_id)
