"""Reading a provider's discovery document, strictly, and keeping it for a while.

Source: OpenID Connect Discovery 1.0, sections 3 and 4.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec

from leanvibe_server.identity.oidc.known import known_document
from leanvibe_server.kernel.errors import InvalidRequest, invalid_field
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.outbound import OutboundClient, Unreachable

WELL_KNOWN = "/.well-known/openid-configuration"
MAX_DOCUMENT_BYTES = 262_144
MAX_URL = 2048
# A document is asked for again after an hour, and believed for a day while its host is silent.
FRESH_FOR = timedelta(hours=1)
STALE_FOR = timedelta(hours=24)
KEEP = 1_000


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What a discovery document says, as far as we use it."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    response_types_supported: list[str] = []
    id_token_signing_alg_values_supported: list[str] = []
    token_endpoint_auth_methods_supported: list[str] | None = None
    token_endpoint_auth_signing_alg_values_supported: list[str] | None = None
    code_challenge_methods_supported: list[str] | None = None
    authorization_response_iss_parameter_supported: bool = False
    backchannel_logout_supported: bool = False


@dataclass
class KnownProviders:
    """The discovery documents this process has read, by issuer; a part of the house.

    A document is public and says the same to everybody, so tenants share it.
    """

    read: OrderedDict[str, tuple[Metadata, datetime]] = field(default_factory=OrderedDict)

    def find(self, issuer: str, *, now: datetime, within: timedelta) -> Metadata | None:
        found = self.read.get(issuer)
        return found[0] if found and now - found[1] < within else None

    def keep(self, metadata: Metadata, now: datetime) -> None:
        self.read[metadata.issuer] = (metadata, now)
        self.read.move_to_end(metadata.issuer)
        while len(self.read) > KEEP:
            self.read.popitem(last=False)

    def forget(self, issuer: str) -> None:
        self.read.pop(issuer, None)


def require_web_address(house: House, url: object, *, field_name: str) -> str:
    """An https address without tricks; http only in development.

    Raises: InvalidRequest: naming the field.
    """
    why = _fault_of(house, url) if isinstance(url, str) else "must be a web address"
    if why:
        raise invalid_field(field_name, why)
    return str(url)


def _fault_of(house: House, url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "is no web address"
    schemes = ("https",) if house.settings.production else ("https", "http")
    if parts.scheme not in schemes or not parts.hostname:
        return "must begin with https://"
    if not url.isascii() or not url.isprintable() or len(url) > MAX_URL or set(url) & set(' \\"<>'):
        return "holds characters that no address has"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "must hold neither a user name nor a fragment"
    if parts.netloc != parts.netloc.lower():
        return "must name its host in lower case"
    return ""


def require_issuer(house: House, issuer: str, *, field_name: str = "issuer") -> str:
    """An issuer in the one form in which it is compared: nothing is trimmed or mended.

    Raises: InvalidRequest.
    """
    require_web_address(house, issuer, field_name=field_name)
    parts = urlsplit(issuer)
    segments = parts.path.split("/")
    if parts.query or "?" in issuer or any(s in (".", "..") or "%" in s for s in segments):
        why = "must be the issuer exactly as the provider names it, without query or dots"
        raise invalid_field(field_name, why)
    return issuer


def discovery_url_of(issuer: str) -> str:
    return issuer.removesuffix("/") + WELL_KNOWN


async def read_metadata(house: House, issuer: str, *, anew: bool = False) -> Metadata:
    """The discovery document of an issuer, from memory while it is fresh unless `anew`.

    Raises: InvalidRequest: it names another issuer, or lacks what is needed. Unreachable: nobody
        answers, and it is neither remembered nor known for certain.
    """
    known, now = house.part(KnownProviders), house.clock.now()
    found = None if anew else known.find(issuer, now=now, within=FRESH_FOR)
    if found is not None:
        return found
    try:
        document = await fetch_json(house, discovery_url_of(issuer))
    except Unreachable:
        if anew:
            raise
        stale = known.find(issuer, now=now, within=STALE_FOR)
        for_certain = known_document(issuer) if stale is None else None
        if for_certain is not None:
            return check_metadata(house, for_certain, issuer)
        if stale is None:
            raise
        return stale
    # What no longer holds is not believed from memory either.
    known.forget(issuer)
    metadata = check_metadata(house, document, issuer)
    known.keep(metadata, now)
    return metadata


async def fetch_json(house: House, url: str, *, headers: dict[str, str] | None = None) -> Any:
    """The JSON behind an address of a provider.

    Raises: Unreachable: no answer, or none that is JSON.
    """
    client = house.part(OutboundClient)
    asked = {"Accept": "application/json"} | (headers or {})
    answer = await client.request("GET", url, headers=asked, tries=2, max_bytes=MAX_DOCUMENT_BYTES)
    if answer.status_code != 200:
        raise Unreachable(f"the answer was {answer.status_code}")
    try:
        return msgspec.json.decode(answer.content)
    except (msgspec.DecodeError, RecursionError):
        raise Unreachable("the answer was no JSON") from None


_ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "jwks_uri",
    "userinfo_endpoint",
    "end_session_endpoint",
)


def check_metadata(house: House, document: Any, issuer: str) -> Metadata:
    """The document as far as we use it, if it is that of this very issuer.

    Raises: InvalidRequest.
    """
    named = document.get("issuer") if isinstance(document, dict) else None
    if named != issuer:
        raise _wrong(
            "the discovery document names another issuer than the one that is configured: they "
            "must be equal to the letter. If the provider's issuer ends with a slash, give it as "
            "`issuer` with that slash"
        )
    try:
        metadata = msgspec.convert(document, Metadata)
    except msgspec.ValidationError as error:
        raise _wrong(f"the discovery document is incomplete: {error}") from None
    for name in _ENDPOINTS:
        address = getattr(metadata, name)
        if address is not None:
            require_web_address(house, address, field_name=name)
    supported = metadata.response_types_supported
    if supported and "code" not in supported:
        raise _wrong("the provider does not offer the authorization code flow")
    return metadata


def _wrong(why: str) -> InvalidRequest:
    return invalid_field("issuer", why, f"This provider cannot be used: {why}.")
