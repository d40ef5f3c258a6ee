"""Trading a code for tokens, and asking who the person is.

Source: RFC 6749, sections 2.3.1 and 4.1.3; OpenID Connect Core 1.0, section 5.3.
"""

import base64
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from leanvibe_server.identity.jose import read_object
from leanvibe_server.identity.oidc.client_keys import ASSERTION_TYPE
from leanvibe_server.identity.oidc.discovery import MAX_DOCUMENT_BYTES, Metadata
from leanvibe_server.identity.oidc.errors import BadToken
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.outbound import OutboundClient

MAX_TOKEN = 65_536
# Source: RFC 6749, appendix A.12; without the blank, which no header would keep.
_PRINTED = re.compile(r"[\x21-\x7e]+")


class TokenResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What the token endpoint answers, as far as we use it."""

    id_token: str
    token_type: str
    access_token: str | None = None


@dataclass(frozen=True, kw_only=True)
class Client:
    """This installation as the provider knows it. `assertion` is its signed word, by
    private_key_jwt."""

    client_id: str
    secret: str | None
    method: str
    assertion: str | None = None


def method_of(metadata: Metadata, *, chosen: str | None, secret: str | None) -> str:
    """How the client proves itself at the token endpoint: as the admin chose, else as the
    provider offers, else as the standard has it."""
    if chosen is not None:
        return chosen
    if secret is None:
        return "none"
    # Keys are made once they are chosen, so they are never chosen by themselves.
    offered = metadata.token_endpoint_auth_methods_supported or ["client_secret_basic"]
    return "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"


async def trade_code(
    house: House, metadata: Metadata, client: Client, *, code: str, verifier: str, redirect_uri: str
) -> TokenResponse:
    """The tokens behind a code. It is tried once: a code is good once.

    Raises: BadToken: the provider refuses, or answers what is no token. Unreachable.
    """
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    if client.method == "client_secret_basic":
        headers["Authorization"] = _basic(client)
    else:
        fields["client_id"] = client.client_id
    if client.method == "client_secret_post":
        fields["client_secret"] = client.secret or ""
    if client.assertion is not None:
        fields |= {"client_assertion_type": ASSERTION_TYPE, "client_assertion": client.assertion}
    answer = await house.part(OutboundClient).request(
        "POST",
        metadata.token_endpoint,
        headers=headers,
        content=urlencode(fields).encode(),
        tries=1,
        max_bytes=MAX_TOKEN,
    )
    if answer.status_code != 200:
        raise BadToken(f"the token endpoint answered {answer.status_code} {_code(answer.content)}")
    try:
        tokens = msgspec.convert(read_object(answer.content), TokenResponse)
    except ValueError:  # as what msgspec raises is
        raise BadToken("the token endpoint's answer holds no ID token") from None
    if tokens.token_type.lower() != "bearer":
        raise BadToken("the token is of another type than bearer")
    if tokens.access_token is not None and not _PRINTED.fullmatch(tokens.access_token):
        raise BadToken("the access token holds characters that no token has")
    return tokens


async def ask_userinfo(
    house: House, url: str, *, access_token: str, subject: str
) -> dict[str, Any]:
    """What the provider says of the person beside the ID token, about this very subject only.

    Raises: BadToken: it speaks of somebody else, or does not speak JSON. Unreachable.
    """
    answer = await house.part(OutboundClient).request(
        "GET",
        url,
        headers={"Authorization": f"Bearer {access_token}", "Accept": "application/json"},
        tries=2,
        max_bytes=MAX_DOCUMENT_BYTES,
    )
    if answer.status_code != 200:
        raise BadToken(f"UserInfo answered {answer.status_code}")
    try:
        claims = read_object(answer.content)
    except ValueError:
        raise BadToken("UserInfo is no JSON, or none that reads in one way") from None
    if claims.get("sub") != subject:
        raise BadToken("UserInfo speaks of another subject than the ID token")
    return claims


def _basic(client: Client) -> str:
    pair = f"{quote(client.client_id, safe='')}:{quote(client.secret or '', safe='')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


_KNOWN_CODES = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    }
)


def _code(body: bytes) -> str:
    """The error code of a refusal, if it is one of the standard's."""
    try:
        code = read_object(body).get("error")
    except ValueError:
        return ""
    return code if isinstance(code, str) and code in _KNOWN_CODES else ""
