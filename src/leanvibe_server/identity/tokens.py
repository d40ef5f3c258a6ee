"""Access tokens: minted for an hour, verified strictly, remembered once verified.

Source: RFC 9068 (JWT access tokens), RFC 8725 (best current practice).
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
from joserfc import jws
from joserfc.errors import JoseError

from leanvibe_server.identity.jose import decode_segment, read_object
from leanvibe_server.identity.keys import BoundKey, KeyRing
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.ids import new_id

TYPE = "at+jwt"
AUDIENCE = "leanvibe"
LIFETIME_S = 3600
LEEWAY_S = 5
MAX_LENGTH = 4096
REMEMBERED = 10_000

_HEADER = frozenset({"alg", "kid", "typ"})


class InvalidToken(Exception):
    """The text is no access token of ours that holds now. The reason is for the log only."""

    def __init__(self, reason: str, *, forged: bool = True) -> None:
        super().__init__(reason)
        self.forged = forged


class UnknownKey(InvalidToken):
    """The token names a key this process does not hold."""


class Claims(msgspec.Struct, frozen=True):
    """What an access token says. The role is for readers; the gate asks the database.

    With a `client_id`, `session_id` names the client's token instead of a session.
    """

    user_id: UUID
    tenant_id: UUID
    session_id: UUID
    role: str
    issued_at: int
    expires_at: int
    client_id: str | None = None


@dataclass
class VerifiedTokens:
    """Tokens whose signature was checked, least recently used first; never the tokens
    themselves, only their hashes."""

    size: int = REMEMBERED
    _claims: OrderedDict[bytes, tuple[str, Claims]] = field(default_factory=OrderedDict)

    def find(self, digest: bytes, ring: KeyRing) -> Claims | None:
        """The claims, as long as the key that signed them is still on the ring."""
        entry = self._claims.get(digest)
        if entry is None:
            return None
        kid, claims = entry
        if kid not in ring.by_kid:
            del self._claims[digest]
            return None
        self._claims.move_to_end(digest)
        return claims

    def add(self, digest: bytes, kid: str, claims: Claims) -> None:
        self._claims[digest] = (kid, claims)
        if len(self._claims) > self.size:
            self._claims.popitem(last=False)

    def __len__(self) -> int:
        return len(self._claims)


@dataclass(frozen=True)
class Client:
    """The OAuth client a token is for, and what it was granted. Source: RFC 9068, section 2.2."""

    client_id: str
    scopes: Sequence[str]


def mint(
    house: House,
    *,
    user_id: UUID,
    tenant_id: UUID,
    session_id: UUID,
    role: str,
    client: Client | None = None,
    lasts_s: int = LIFETIME_S,
) -> str:
    """A fresh access token of a session; of a client's token where `client` names one."""
    now = house.clock.now()
    issued_at = int(now.timestamp())
    signer = house.part(KeyRing).signer
    payload = {
        "iss": house.settings.base_url,
        "aud": AUDIENCE,
        "sub": str(user_id),
        "tid": str(tenant_id),
        "role": role,
        "sid": str(session_id),
        "jti": str(new_id(now)),
        "iat": issued_at,
        "exp": issued_at + lasts_s,
    }
    if client is not None:
        payload |= {"client_id": client.client_id, "scope": " ".join(client.scopes)}
    return jws.serialize_compact(
        {"alg": signer.algorithm, "kid": signer.kid, "typ": TYPE},
        msgspec.json.encode(payload),
        signer.key,
        algorithms=[signer.algorithm],
    )


def verify(token: str, ring: KeyRing, seen: VerifiedTokens, *, issuer: str, now_s: float) -> Claims:
    """The claims of an access token that holds at `now_s` (epoch seconds).

    Raises: UnknownKey, InvalidToken.
    """
    digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
    claims = seen.find(digest, ring)
    if claims is None:
        key, payload = _check_signature(token, ring)
        claims = _check_claims(_parse(payload), issuer=issuer, now_s=now_s)
        seen.add(digest, key.kid, claims)
    if claims.expires_at <= now_s - LEEWAY_S:
        raise InvalidToken("expired", forged=False)
    return claims


def _check_signature(token: str, ring: KeyRing) -> tuple[BoundKey, bytes]:
    segments = token.split(".")
    if len(token) > MAX_LENGTH or len(segments) != 3:
        raise InvalidToken("not a compact JWS")
    header = _parse(_decode(segments[0]))
    _decode(segments[2])
    if header.keys() != _HEADER:
        # An embedded or linked key (jwk, jku, x5u), crit and b64 all end here.
        raise InvalidToken("header parameters")
    if header["typ"] != TYPE:
        raise InvalidToken("not an access token")
    kid = header["kid"]
    key = ring.find(kid) if isinstance(kid, str) else None
    if key is None:
        raise UnknownKey("unknown key")
    if header["alg"] != key.algorithm:
        raise InvalidToken("algorithm is not the key's")
    try:
        payload = jws.deserialize_compact(token, key.key, algorithms=[key.algorithm]).payload
    except (JoseError, ValueError) as error:
        raise InvalidToken(f"signature: {error!r}") from None
    return key, payload


def _decode(segment: str) -> bytes:
    try:
        return decode_segment(segment)
    except ValueError as error:
        raise InvalidToken(str(error)) from None


def _parse(text: bytes) -> dict[str, Any]:
    try:
        return read_object(text)
    except ValueError:
        raise InvalidToken("no JSON object, or not one that reads in one way") from None


def _check_claims(payload: dict[str, Any], *, issuer: str, now_s: float) -> Claims:
    if payload.get("iss") != issuer or payload.get("aud") != AUDIENCE:
        raise InvalidToken("issuer or audience")
    issued_at, expires_at = _moment(payload, "iat"), _moment(payload, "exp")
    starts_at = _moment(payload, "nbf") if "nbf" in payload else issued_at
    if max(issued_at, starts_at) > now_s + LEEWAY_S:
        raise InvalidToken("not valid yet")
    if not issued_at < expires_at <= issued_at + LIFETIME_S:
        raise InvalidToken("lives too long")
    role = payload.get("role")
    if not isinstance(role, str) or not isinstance(payload.get("jti"), str):
        raise InvalidToken("role or jti")
    return Claims(
        _id(payload, "sub"),
        _id(payload, "tid"),
        _id(payload, "sid"),
        role,
        issued_at,
        expires_at,
        _client_id(payload),
    )


def _client_id(payload: dict[str, Any]) -> str | None:
    value = payload.get("client_id")
    if value is not None and not isinstance(value, str):
        raise InvalidToken("client_id is no text")
    return value


def _moment(payload: dict[str, Any], name: str) -> int:
    value = payload.get(name)
    if type(value) is not int:
        raise InvalidToken(f"{name} is no whole number")
    return value


def _id(payload: dict[str, Any], name: str) -> UUID:
    try:
        return UUID(payload[name])
    except (KeyError, ValueError, TypeError, AttributeError):
        raise InvalidToken(f"{name} is no id") from None
