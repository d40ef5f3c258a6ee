"""Logout from behind: a provider says that a session there has ended, so ours do.

Source: OpenID Connect Back-Channel Logout 1.0.
"""

from datetime import timedelta
from urllib.parse import parse_qs

from leanvibe_server.identity import opaque
from leanvibe_server.identity.federation import repository as provider_rows
from leanvibe_server.identity.federation import service as providers
from leanvibe_server.identity.federation.models import OIDC, SsoProvider
from leanvibe_server.identity.oidc import repository as rows
from leanvibe_server.identity.oidc.discovery import read_metadata
from leanvibe_server.identity.oidc.errors import BadToken
from leanvibe_server.identity.oidc.id_tokens import read_logout_token
from leanvibe_server.identity.visits import scope_in
from leanvibe_server.kernel.errors import AppError, InvalidRequest
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.outbound import Unreachable
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope

PATH = "/v1/auth/sso/backchannel-logout"
MAX_FIELDS = 20
# A token is refused when it is older than that, so it need not be remembered longer.
REMEMBER = timedelta(hours=1)


def logout_uri(house: House, provider: SsoProvider) -> str:
    """The address to register at the provider for its word that a session has ended."""
    return f"{house.settings.base_url}{PATH}/{opaque.place_of(provider.tenant_id, provider.id)}"


async def log_out(visit: Visit, place: str) -> None:
    """End the sessions a logout token names, by the provider's session or by its subject.

    Raises: InvalidRequest: the token does not hold; it is not said why.
    """
    ids, token = opaque.ids_of_place(place), _token_in(visit.body)
    if ids is None or token is None:
        raise _refused()
    tenant_id, provider_id = ids
    async with visit.house.database.tenant(tenant_id) as conn:
        provider = await provider_rows.find(conn, tenant_id, provider_id)
    if provider is None or not provider.enabled or provider.protocol != OIDC:
        raise _refused()
    try:
        metadata = await read_metadata(visit.house, provider.issuer)
        claims = await read_logout_token(
            visit.house, metadata, token, client_id=provider.client_id or ""
        )
    except (BadToken, Unreachable, AppError) as error:
        logger("oidc").info("logout token refused", provider=str(provider_id), why=str(error))
        raise _refused() from None
    async with visit.house.database.tenant(tenant_id) as conn:
        scope = scope_in(visit, conn, tenant_id)
        expires_at = scope.now + REMEMBER
        if not await rows.use_logout_token(
            conn, tenant_id, provider_id, claims["jti"], expires_at=expires_at
        ):
            raise _refused()
        await _end_sessions(scope, provider, subject=claims.get("sub"), session=claims.get("sid"))


async def _end_sessions(
    scope: Scope, provider: SsoProvider, *, subject: str | None, session: str | None
) -> None:
    user_id = None
    if subject is not None:
        known = await provider_rows.find_by_subject(
            scope.conn, scope.tenant_id, provider.id, subject
        )
        if known is None:
            return
        user_id = known.user_id
    await providers.end_sessions(
        scope,
        provider.id,
        reason="logged out at the identity provider",
        user_id=user_id,
        remote_session=session,
    )


def _token_in(body: bytes) -> str | None:
    """The one logout token of a form; None when there is none, or more than one."""
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=MAX_FIELDS)
    except ValueError:
        return None
    found = fields.get("logout_token", [])
    return found[0] if len(found) == 1 else None


def _refused() -> InvalidRequest:
    """Source: OpenID Connect Back-Channel Logout 1.0, section 2.8."""
    return InvalidRequest(
        "The logout token does not hold.",
        details={"reason": "logout_token_invalid"},
        headers={"Cache-Control": "no-store"},
    )
