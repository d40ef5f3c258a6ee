"""An identity provider in this process that speaks OpenID Connect to the letter.

It refuses what a strict provider refuses: a client that does not prove itself, a redirect URI that
is not registered, a code that was used, a verifier that does not fit. A test bends single answers
to attack the relying party.
"""

import base64
import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

import httpx
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.outbound import OutboundClient

Bend = Callable[[dict[str, Any]], None]
CLIENT_ID = "leanvibe"
CLIENT_SECRET = "the secret: of a client/with all+kinds of signs"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass
class Person:
    """Who sits before the provider's sign-in page."""

    subject: str = "subject-1"
    email: str | None = "ada@corp.example"
    email_verified: bool | None = True
    name: str = "Ada"
    session: str = "session-1"
    claims: dict[str, Any] = field(default_factory=dict)


@dataclass
class Grant:
    """What a code stands for."""

    asked: dict[str, str]
    person: Person
    used: bool = False


@dataclass
class FakeProvider:
    """One issuer. `bend_*` change an answer just before it leaves; `key` signs."""

    house: House
    issuer: str = "https://idp.example.com"
    redirect_uris: list[str] = field(default_factory=list)
    grants: dict[str, Grant] = field(default_factory=dict)
    by_access_token: dict[str, Person] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)
    client_keys: list[Any] = field(default_factory=list)
    assertions: list[str] = field(default_factory=list)
    headers: list[dict[str, Any]] = field(default_factory=list)
    checks_pkce: bool = True
    promises_iss: bool = False
    bend_metadata: Bend | None = None
    bend_claims: Bend | None = None
    bend_userinfo: Bend | None = None
    bend_header: Bend | None = None
    bend_tokens: Bend | None = None
    sign: Callable[[dict[str, Any], dict[str, Any]], str] | None = None

    def __post_init__(self) -> None:
        self.key = new_key("first")
        self.keys: list[dict[str, Any]] = [public(self.key)]

    # The way of the browser

    def authorize(self, url: str, person: Person | None = None) -> "Back":
        """Sign somebody in: what the browser brings back to the redirect URI."""
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{self.issuer}/authorize"
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        asked = dict(pairs)
        assert len(asked) == len(pairs), "a parameter came twice"
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        to_us = asked["redirect_uri"].startswith(f"{CALLBACK}/")
        assert to_us or asked["redirect_uri"] in self.redirect_uris
        assert "openid" in asked["scope"].split()
        assert len(asked["state"]) >= 22
        assert len(asked["nonce"]) >= 22
        assert asked["code_challenge_method"] == "S256"
        assert len(asked["code_challenge"]) == 43
        code = secrets.token_urlsafe(24)
        self.grants[code] = Grant(asked, person or Person())
        answer = {"code": code, "state": asked["state"]}
        back = Back(answer | ({"iss": self.issuer} if self.promises_iss else {}))
        back.redirect_uri = asked["redirect_uri"]
        return back

    # The way of the server

    def answer(self, request: httpx.Request) -> httpx.Response:
        """What the issuer's host says to a request."""
        self.requests.append(request)
        handlers = {
            "/.well-known/openid-configuration": self._metadata,
            "/jwks": lambda _: httpx.Response(200, json={"keys": self.keys}),
            "/token": self._token,
            "/userinfo": self._userinfo,
        }
        path = request.url.path.removeprefix(urlsplit(self.issuer).path.rstrip("/"))
        handler = handlers.get(path)
        return httpx.Response(404) if handler is None else handler(request)

    def _metadata(self, request: httpx.Request) -> httpx.Response:
        base = self.issuer.rstrip("/")
        document: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/jwks",
            "userinfo_endpoint": f"{base}/userinfo",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256", "RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": self.promises_iss,
        }
        if self.bend_metadata:
            self.bend_metadata(document)
        return httpx.Response(200, json=document)

    def _token(self, request: httpx.Request) -> httpx.Response:
        sent = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        if not self._is_client(request, sent):
            return httpx.Response(401, json={"error": "invalid_client"})
        grant = self.grants.get(sent.get("code", ""))
        if grant is None or grant.used or sent.get("grant_type") != "authorization_code":
            return httpx.Response(400, json={"error": "invalid_grant"})
        grant.used = True
        if sent.get("redirect_uri") != grant.asked["redirect_uri"]:
            return httpx.Response(400, json={"error": "invalid_grant"})
        verifier = sent.get("code_verifier", "")
        if self.checks_pkce and challenge_of(verifier) != grant.asked["code_challenge"]:
            return httpx.Response(400, json={"error": "invalid_grant"})
        access_token = secrets.token_urlsafe(24)
        self.by_access_token[access_token] = grant.person
        tokens = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": self.id_token(grant.person, grant.asked["nonce"], access_token),
        }
        if self.bend_tokens:
            self.bend_tokens(tokens)
        return httpx.Response(200, json=tokens)

    def _is_client(self, request: httpx.Request, sent: dict[str, str]) -> bool:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            name, _, secret = base64.b64decode(value).decode().partition(":")
            return (unquote(name), unquote(secret)) == (CLIENT_ID, CLIENT_SECRET)
        if "client_assertion" in sent:
            return "client_secret" not in sent and self._is_signed_by_client(sent)
        return (sent.get("client_id"), sent.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)

    def _is_signed_by_client(self, sent: dict[str, str]) -> bool:
        """Whether one of the client's keys signed the assertion, for this endpoint and once.

        Source: RFC 7523, section 3.
        """
        assert sent["client_assertion_type"] == ASSERTION_TYPE
        try:
            token = jwt.decode(
                sent["client_assertion"],
                KeySet.import_key_set({"keys": self.client_keys}),
                algorithms=["RS256", "PS256"],
            )
        except (JoseError, ValueError):
            return False
        claims, now_s = token.claims, self.house.clock.now().timestamp()
        fresh = claims["jti"] not in self.assertions
        self.assertions.append(claims["jti"])
        self.headers.append(token.header)
        named = (claims["iss"], claims["sub"], sent.get("client_id", CLIENT_ID))
        return (
            fresh
            and named == (CLIENT_ID,) * 3
            and claims["aud"] == f"{self.issuer.rstrip('/')}/token"
            and claims["iat"] <= now_s < claims["exp"] <= now_s + 300
        )

    def _userinfo(self, request: httpx.Request) -> httpx.Response:
        person = self.by_access_token.get(request.headers.get("authorization", "")[7:])
        if person is None:
            return httpx.Response(401)
        claims = {"sub": person.subject, "name": person.name, **person.claims}
        if self.bend_userinfo:
            self.bend_userinfo(claims)
        return httpx.Response(200, json=claims)

    # Tokens

    def id_token(self, person: Person, nonce: str, access_token: str) -> str:
        now_s = int(self.house.clock.now().timestamp())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": person.subject,
            "aud": CLIENT_ID,
            "iat": now_s,
            "exp": now_s + 300,
            "nonce": nonce,
            "sid": person.session,
            "at_hash": half_hash(access_token),
        }
        if person.email is not None:
            claims["email"] = person.email
        if person.email_verified is not None:
            claims["email_verified"] = person.email_verified
        if self.bend_claims:
            self.bend_claims(claims)
        return self._sign({"alg": "ES256", "kid": self.key.kid}, claims)

    def logout_token(self, bend: Bend | None = None, **claims: Any) -> str:
        now_s = int(self.house.clock.now().timestamp())
        values: dict[str, Any] = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now_s,
            "exp": now_s + 120,
            "jti": secrets.token_urlsafe(12),
            "events": {LOGOUT_EVENT: {}},
            **claims,
        }
        if bend:
            bend(values)
        return self._sign({"alg": "ES256", "kid": self.key.kid, "typ": "logout+jwt"}, values)

    def _sign(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        if self.bend_header:
            self.bend_header(header)
        if self.sign:
            return self.sign(header, claims)
        return signed(header, claims, self.key)

    def rotate(self, kid: str, *, keep_old: bool = True) -> None:
        """Sign with a new key from now on."""
        self.key = new_key(kid)
        self.keys = [*(self.keys if keep_old else []), public(self.key)]

    def calls_to(self, path: str) -> int:
        return sum(request.url.path.endswith(path) for request in self.requests)


class Back(dict[str, str]):
    """What a browser brings back, and where it was sent with it."""

    redirect_uri = ""


CALLBACK = "http://localhost:8765/auth/sso/callback"


def connect(house: House, *providers: FakeProvider) -> None:
    """Have the house's calls to the outside reach these providers and nobody else."""
    by_host = {urlsplit(provider.issuer).netloc: provider for provider in providers}

    def answer(request: httpx.Request) -> httpx.Response:
        provider = by_host.get(request.headers["host"])
        if provider is None:
            raise httpx.ConnectError("nobody answers", request=request)
        return provider.answer(request)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return ("8.8.8.8",)

    outbound = house.part(OutboundClient)
    outbound.transport, outbound.resolve, outbound.tries = httpx.MockTransport(answer), resolve, 1


def new_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", parameters={"kid": kid, "alg": "ES256", "use": "sig"})


def new_rsa_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, parameters={"kid": kid, "use": "sig"})


def public(key: ECKey | RSAKey) -> dict[str, Any]:
    return dict(key.as_dict(private=False))


def signed(header: dict[str, Any], claims: dict[str, Any], key: ECKey | RSAKey | OctKey) -> str:
    payload = httpx.Response(200, json=claims).content
    return jws.serialize_compact(header, payload, key, algorithms=[header["alg"]])


def unsigned(claims: dict[str, Any]) -> str:
    """A token that claims to need no signature."""
    parts = ({"alg": "none"}, claims)
    return ".".join(b64(httpx.Response(200, json=part).content) for part in parts) + "."


def challenge_of(verifier: str) -> str:
    return b64(hashlib.sha256(verifier.encode()).digest())


def half_hash(access_token: str) -> str:
    return b64(hashlib.sha256(access_token.encode()).digest()[:16])


def b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
