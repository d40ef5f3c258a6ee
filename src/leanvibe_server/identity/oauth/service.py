"""Use cases of the token endpoint: issue, revoke, introspect.

One grant is offered: client credentials. Source: RFC 6749, section 4.4; RFC 7009; RFC 7662;
RFC 9700, section 2.4 (no passwords), section 2.1.2 (no implicit grant).
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import NoReturn

from leanvibe_server.identity import opaque, tokens
from leanvibe_server.identity.keys import KeyRing
from leanvibe_server.identity.oauth import repository as rows
from leanvibe_server.identity.oauth.clients import Client, known_client, read_form
from leanvibe_server.identity.oauth.events import OAuthTokenIssued, OAuthTokenRevoked
from leanvibe_server.identity.oauth.refusals import (
    InvalidClient,
    InvalidScope,
    InvalidTarget,
    UnsupportedGrantType,
    UnsupportedResponseType,
)
from leanvibe_server.identity.oauth.schemas import AccessToken, Introspection, ServerMetadata
from leanvibe_server.identity.permissions import permissions_of
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import InvalidRequest
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.request import Visit

GRANT = "client_credentials"
METHODS = ["client_secret_basic", "client_secret_post"]
INACTIVE = Introspection(active=False)


async def issue_token(visit: Visit) -> AccessToken:
    """Give a client an access token of its service account.

    Raises: InvalidRequest, UnsupportedGrantType, InvalidClient, InvalidScope, InvalidTarget,
        RateLimited.
    """
    form = read_form(visit)
    grant = form.get("grant_type")
    if grant is None:
        raise InvalidRequest("grant_type is missing; it must be client_credentials.")
    if grant != GRANT:
        raise UnsupportedGrantType(f"Only {GRANT} is offered here.")
    _check_resource(visit.house, form)
    async with _asking(visit, form) as client:
        return await _issue(client, form)


async def revoke_token(visit: Visit) -> None:
    """End an access token of the client that asks. A token that is none of its own, or none at
    all, is answered alike."""
    form = read_form(visit)
    async with _asking(visit, form) as client:
        claims = _claims(visit.house, form)
        if claims is None or claims.tenant_id != client.asking.tenant_id:
            return
        scope, asking = client.scope, client.asking
        if await rows.revoke_token(scope.conn, asking, claims.session_id, now=scope.now):
            await scope.emit(
                OAuthTokenRevoked(
                    client_id=asking.client_id, user_id=asking.user_id, token_id=claims.session_id
                )
            )


async def introspect(visit: Visit) -> Introspection:
    """Whether a client's token of the same tenant holds, and what it may do."""
    form = read_form(visit)
    async with _asking(visit, form) as client:
        claims = _claims(visit.house, form)
        if claims is None or claims.tenant_id != client.asking.tenant_id:
            return INACTIVE
        scope = client.scope
        token = await rows.find_token(scope.conn, scope.tenant_id, claims.session_id, now=scope.now)
        if token is None or not token.holds:
            return INACTIVE
        return Introspection(
            active=True,
            scope=" ".join(
                sorted(permissions_of(token.role, token.scopes, token.role_permissions))
            ),
            client_id=claims.client_id,
            username=token.username,
            token_type="Bearer",  # noqa: S106  # the type's name is no secret
            sub=str(claims.user_id),
            tid=str(claims.tenant_id),
            aud=tokens.AUDIENCE,
            iss=visit.house.settings.base_url,
            exp=claims.expires_at,
            iat=claims.issued_at,
        )


def refuse_authorization(visit: Visit) -> NoReturn:
    """Nobody is sent away with a code or a token: neither grant is offered.

    Raises: UnsupportedResponseType.
    """
    raise UnsupportedResponseType(
        f"No authorization grant is offered. Programs use {GRANT} at POST /v1/oauth/token; "
        "people sign in at POST /v1/auth/login."
    )


def describe(house: House) -> ServerMetadata:
    """Where the endpoints are, and what they take."""
    base = house.settings.base_url
    return ServerMetadata(
        issuer=base,
        token_endpoint=f"{base}/v1/oauth/token",
        revocation_endpoint=f"{base}/v1/oauth/revoke",
        introspection_endpoint=f"{base}/v1/oauth/introspect",
        jwks_uri=f"{base}/.well-known/jwks.json",
        grant_types_supported=[GRANT],
        response_types_supported=[],
        token_endpoint_auth_methods_supported=METHODS,
        revocation_endpoint_auth_methods_supported=METHODS,
        introspection_endpoint_auth_methods_supported=METHODS,
        scopes_supported=sorted(permission.value for permission in Permission),
        service_documentation=f"{base}/docs",
    )


@asynccontextmanager
async def _asking(visit: Visit, form: Mapping[str, str]) -> AsyncIterator[Client]:
    """The client that asks; who is none counts against their address."""
    try:
        async with known_client(visit, form) as client:
            yield client
    except InvalidClient:
        visit.limit_by_address()
        raise


async def _issue(client: Client, form: Mapping[str, str]) -> AccessToken:
    scope, asking = client.scope, client.asking
    allowed = permissions_of(asking.role, asking.scopes, asking.role_permissions)
    scopes = _granted(form.get("scope"), allowed)
    token_id, lasts_s = scope.new_id(), _lasts_s(asking, scope.now)
    await rows.insert_token(
        scope.conn,
        asking,
        token_id,
        scopes=scopes,
        now=scope.now,
        expires_at=scope.now + timedelta(seconds=lasts_s),
        address=scope.actor.address or "",
    )
    await scope.emit(
        OAuthTokenIssued(
            client_id=asking.client_id, user_id=asking.user_id, token_id=token_id, scopes=scopes
        )
    )
    token = tokens.mint(
        scope.house,
        user_id=asking.user_id,
        tenant_id=scope.tenant_id,
        session_id=token_id,
        role=asking.role,
        client=tokens.Client(opaque.client_id_of(scope.tenant_id, asking.client_id), scopes),
        lasts_s=lasts_s,
    )
    return AccessToken(
        access_token=token,
        token_type="Bearer",  # noqa: S106  # the type's name is no secret
        expires_in=lasts_s,
        scope=" ".join(scopes),
    )


def _lasts_s(asking: rows.Asking, now: datetime) -> int:
    """How long a token serves: no longer than its client and account."""
    if asking.ends_at is None:
        return tokens.LIFETIME_S
    left_s = int((asking.ends_at - now).total_seconds())
    # Not even the last one ends before it begins.
    return max(1, min(tokens.LIFETIME_S, left_s))


def _granted(wanted: str | None, allowed: frozenset[str]) -> list[str]:
    """What a token may do: what was asked for, all of it, or all there is."""
    if wanted is None:
        return sorted(allowed)
    asked = set(wanted.split(" "))
    if not asked <= allowed:
        raise InvalidScope(
            f"The client does not have the scope {min(asked - allowed) or 'of no name'!r}."
        )
    return sorted(asked)


def _check_resource(house: House, form: Mapping[str, str]) -> None:
    """A token of ours is good for this API alone. Source: RFC 8707, section 2; RFC 8693,
    section 2.1, for those who name it as `audience`."""
    base = house.settings.base_url
    ours = (base, f"{base}/v1", tokens.AUDIENCE)
    for name in ("resource", "audience"):
        if form.get(name, base).removesuffix("/") not in ours:
            raise InvalidTarget(f"Tokens are issued for {base} only.")


def _claims(house: House, form: Mapping[str, str]) -> tokens.Claims | None:
    """What the token in the form says, if it is one of ours that a client got."""
    if "token" not in form:
        raise InvalidRequest("token is missing.")
    ring, now_s = house.part(KeyRing), house.clock.now().timestamp()
    seen = tokens.VerifiedTokens(size=1)
    try:
        claims = tokens.verify(
            form["token"], ring, seen, issuer=house.settings.base_url, now_s=now_s
        )
    except tokens.InvalidToken:
        return None
    return None if claims.client_id is None else claims
