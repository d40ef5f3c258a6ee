"""Checking the tokens a provider signs: ID tokens and logout tokens.

Source: OpenID Connect Core 1.0, section 3.1.3.7; OpenID Connect Back-Channel Logout 1.0,
section 2.6; RFC 8725.
"""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError

from leanvibe_server.identity.jose import decode_segment, read_object
from leanvibe_server.identity.oidc.discovery import Metadata
from leanvibe_server.identity.oidc.errors import BadToken
from leanvibe_server.identity.oidc.jwks import find_key
from leanvibe_server.kernel.house import House

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
LEEWAY_S = 60
# An ID token comes straight from the token endpoint; one that is older was kept by somebody.
MAX_AGE_S = 600
MAX_TOKEN_CHARS = 32_768
MAX_SUBJECT = 255
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_ID_TOKEN_TYPES = (None, "jwt")
_LOGOUT_TOKEN_TYPES = (None, "jwt", "logout+jwt")


async def read_id_token(
    house: House,
    metadata: Metadata,
    token: str,
    *,
    client_id: str,
    nonce: str,
    access_token: str | None,
) -> dict[str, Any]:
    """The claims of an ID token that was made for this client and this very sign-in.

    Raises: BadToken. Unreachable: the provider's keys cannot be had.
    """
    header, claims = await _verify(house, metadata, token, types=_ID_TOKEN_TYPES)
    _check_common(metadata, claims, client_id=client_id)
    _check_times(claims, house.clock.now(), must_expire=True)
    sent = claims.get("nonce")
    if not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), nonce.encode()):
        raise BadToken("nonce is missing or of another sign-in")
    if "events" in claims:
        raise BadToken("a logout token is no ID token")
    _check_name(claims.get("sub"), "sub")
    if isinstance(claims.get("sid"), str) and claims["sid"]:
        _check_name(claims["sid"], "sid")
    if access_token is not None and "at_hash" in claims:
        _check_hash(claims["at_hash"], access_token, str(header["alg"]))
    return claims


async def read_logout_token(
    house: House, metadata: Metadata, token: str, *, client_id: str
) -> dict[str, Any]:
    """The claims of a logout token for this client, with a `jti` the caller must use up.

    Raises: BadToken. Unreachable: the provider's keys cannot be had.
    """
    _, claims = await _verify(house, metadata, token, types=_LOGOUT_TOKEN_TYPES)
    _check_common(metadata, claims, client_id=client_id)
    _check_times(claims, house.clock.now(), must_expire=False)
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise BadToken("events does not name the logout")
    if "nonce" in claims:
        raise BadToken("a logout token has no nonce")
    for name in ("sub", "sid"):
        if name in claims:
            _check_name(claims[name], name)
    if "sub" not in claims and "sid" not in claims:
        raise BadToken("neither sub nor sid says whose session ends")
    _check_name(claims.get("jti"), "jti")
    return claims


def _check_name(value: object, claim: str) -> None:
    """A name the provider gives, which is kept and compared to the letter. Raises: BadToken."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_SUBJECT or not value.isprintable():
        raise BadToken(f"{claim} is missing, too long or no text")


async def _verify(
    house: House, metadata: Metadata, token: str, *, types: tuple[str | None, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token whose signature is the provider's."""
    header = _header_of(token)
    algorithm = header.get("alg")
    offered = metadata.id_token_signing_alg_values_supported or list(ALGORITHMS)
    if algorithm not in ALGORITHMS or algorithm not in offered:
        raise BadToken("the algorithm is not allowed")
    kind = header.get("typ")
    if (kind.lower() if isinstance(kind, str) else kind) not in types:
        raise BadToken("the token is of another type")
    kid = header.get("kid")
    if not (kid is None or isinstance(kid, str)) or "crit" in header or "b64" in header:
        raise BadToken("the header holds what is not understood")
    key = await find_key(house, metadata.jwks_uri, kid=kid, algorithm=str(algorithm))
    if key is None:
        raise BadToken("the provider has no such key")
    try:
        verified = jws.deserialize_compact(token, key.key, algorithms=[str(algorithm)])
    except (JoseError, ValueError) as error:
        raise BadToken(f"the signature does not hold: {type(error).__name__}") from None
    try:
        return header, read_object(verified.payload)
    except ValueError:
        raise BadToken("the token holds no claims, or none that read in one way") from None


def _header_of(token: str) -> dict[str, Any]:
    if len(token) > MAX_TOKEN_CHARS or token.count(".") != 2 or not token.isascii():
        raise BadToken("this is no signed token")
    try:
        return read_object(decode_segment(token.partition(".")[0]))
    except ValueError:
        raise BadToken("this is no signed token") from None


def _check_common(metadata: Metadata, claims: dict[str, Any], *, client_id: str) -> None:
    if claims.get("iss") != metadata.issuer:
        raise BadToken("iss is not the provider's issuer")
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or client_id not in named:
        raise BadToken("aud is not this client")
    party = claims.get("azp")
    if party is None and len(named) > 1:
        raise BadToken("azp is missing beside several audiences")
    if party is not None and party != client_id:
        raise BadToken("azp is not this client")


def _check_times(claims: dict[str, Any], now: datetime, *, must_expire: bool) -> None:
    now_s = now.timestamp()
    issued, expires, begins = (_time(claims, name) for name in ("iat", "exp", "nbf"))
    if issued is None or not now_s - MAX_AGE_S - LEEWAY_S <= issued <= now_s + LEEWAY_S:
        raise BadToken("iat is missing, too old or ahead of time")
    if expires is None and must_expire:
        raise BadToken("exp is missing")
    if expires is not None and expires + LEEWAY_S <= now_s:
        raise BadToken("the token has expired")
    if begins is not None and begins > now_s + LEEWAY_S:
        raise BadToken("the token is not valid yet")


def _time(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadToken(f"{name} is no time")
    return float(value)


def authenticated_at(claims: dict[str, Any], now: datetime) -> datetime | None:
    """When the person last proved themselves to the provider, by its `auth_time`; never in the
    future. None: it does not say.

    Raises: BadToken.
    """
    said = _time(claims, "auth_time")
    if said is None:
        return None
    if not 0 <= said <= now.timestamp() + LEEWAY_S:
        raise BadToken("auth_time is no time that was")
    return min(datetime.fromtimestamp(said, UTC), now)


def _check_hash(sent: object, access_token: str, algorithm: str) -> None:
    """Raises: BadToken: the access token is not the one this ID token came with."""
    bits = "512" if algorithm == "EdDSA" else algorithm[-3:]
    digest = hashlib.new(f"sha{bits}", access_token.encode()).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    if not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), half.encode()):
        raise BadToken("at_hash does not fit the access token")
