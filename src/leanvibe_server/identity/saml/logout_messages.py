"""Both halves of a logout as they come from an identity provider.

Only elements that a signature was checked over come in here.
Source: SAML 2.0 Core, section 3.7; Profiles, section 4.4.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from leanvibe_server.identity.saml.assertions import (
    MAX_NAME_LENGTH,
    NameId,
    check_issuer,
    read_name_id,
    require_id,
    time_of,
)
from leanvibe_server.identity.saml.names import SAML, SAMLP, SUCCESS
from leanvibe_server.identity.saml.refusals import Malformed, Refused
from leanvibe_server.identity.saml.responses import check_message, status_of
from leanvibe_server.identity.saml.times import is_over
from leanvibe_server.identity.saml.xml import Element, only, tag, text_of

# A request without an end of its own holds so long.
FRESH_FOR = timedelta(minutes=5)
MAX_INDEXES = 50


@dataclass(frozen=True)
class LogoutWish:
    """Whom the provider wants signed out: one person, in some sessions or in all."""

    id: str
    name_id: NameId
    session_indexes: tuple[str, ...]
    usable_until: datetime


@dataclass(frozen=True)
class LogoutAnswer:
    """What the provider made of our request."""

    request_id: str
    success: bool


def read_request(
    request: Element, *, issuer: str, ours: str, destination: str, now: datetime
) -> LogoutWish:
    """What the provider wants. `ours` is our entity ID.

    Raises: Malformed, Refused: not from this provider, not to us, or too old.
    """
    if request.tag != tag(SAMLP, "LogoutRequest"):
        raise Malformed("this is no logout request")
    _check(request, issuer=issuer, destination=destination, now=now)
    issued_at = time_of(request, "IssueInstant") or now
    until = time_of(request, "NotOnOrAfter") or issued_at + FRESH_FOR
    if is_over(until, now):
        raise Refused("the logout request is too old")
    indexes = request.findall(tag(SAMLP, "SessionIndex"))
    if len(indexes) > MAX_INDEXES:
        raise Malformed("the logout request names too many sessions")
    return LogoutWish(
        id=require_id(request),
        name_id=read_name_id(request, ours=ours),
        session_indexes=tuple(text_of(index, max_length=MAX_NAME_LENGTH) for index in indexes),
        usable_until=until,
    )


def read_response(
    response: Element, *, issuer: str, destination: str, now: datetime
) -> LogoutAnswer:
    """Raises: Malformed, Refused."""
    if response.tag != tag(SAMLP, "LogoutResponse"):
        raise Malformed("this is no answer to a logout request")
    _check(response, issuer=issuer, destination=destination, now=now)
    return LogoutAnswer(response.get("InResponseTo", ""), status_of(response) == SUCCESS)


def _check(message: Element, *, issuer: str, destination: str, now: datetime) -> None:
    check_message(message, destinations={destination}, now=now)
    if message.get("Destination") is None:
        raise Refused("a signed message must name its destination")
    check_issuer(only(message, SAML, "Issuer"), issuer)
