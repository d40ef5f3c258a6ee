"""Signing out at the provider too, after one has signed out here.

The session there is the visitor's own and may have opened other programs, so it is offered and not
done unasked.

Source: OpenID Connect RP-Initiated Logout 1.0, section 2.
"""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

from leanvibe_server.identity.federation import repository as rows
from leanvibe_server.identity.federation.entry import Direction, require_provider
from leanvibe_server.identity.federation.models import OIDC, SsoProvider
from leanvibe_server.identity.oidc.discovery import read_metadata
from leanvibe_server.identity.repository.sessions import find_session
from leanvibe_server.kernel.errors import AppError
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.outbound import Unreachable
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope

SIGNED_OUT = "/signed-out"


@dataclass(frozen=True)
class Elsewhere:
    """A provider at which somebody may still be signed in, and where to end that."""

    name: str
    url: str


def signed_out_uri(house: House) -> str:
    """The address to register at the provider for the way back."""
    return house.settings.base_url + SIGNED_OUT


async def find_provider_of(scope: Scope, session_id: UUID) -> SsoProvider | None:
    """The provider of OpenID Connect that opened a session, while it is on."""
    session = await find_session(scope.conn, scope.tenant_id, session_id)
    if session is None or session.provider_id is None:
        return None
    provider = await rows.find(scope.conn, scope.tenant_id, session.provider_id)
    if provider is None or not provider.enabled or provider.protocol != OIDC:
        return None
    return provider


async def find_elsewhere(visit: Visit, *, tenant: str | None, name: str | None) -> Elsewhere | None:
    """Where to sign out at a provider; None where it offers no such thing or does not answer."""
    if not tenant or not name:
        return None
    try:
        provider, _ = await require_provider(visit, Direction(provider=name, tenant=tenant))
        if provider.protocol != OIDC:
            return None
        metadata = await read_metadata(visit.house, provider.issuer)
    except (AppError, Unreachable):
        return None
    if metadata.end_session_endpoint is None:
        return None
    asked = {
        "client_id": provider.client_id or "",
        "post_logout_redirect_uri": signed_out_uri(visit.house),
    }
    parts = urlsplit(metadata.end_session_endpoint)
    own = [(key, value) for key, value in parse_qsl(parts.query) if key not in asked]
    url = urlunsplit(parts._replace(query=urlencode([*own, *asked.items()])))
    return Elsewhere(provider.name, url)
