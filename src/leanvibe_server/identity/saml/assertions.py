"""What a verified assertion says, and whether it is meant for us, now, and for this request.

Only elements that a signature was checked over come in here.
Source: SAML 2.0 Core, sections 2.3 to 2.7; Profiles, sections 4.1.4.2 and 4.1.4.3.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from leanvibe_server.identity.saml.names import BEARER, ENTITY_FORMAT, SAML, XSI
from leanvibe_server.identity.saml.refusals import Malformed, Refused
from leanvibe_server.identity.saml.times import is_begun, is_over, parse_time
from leanvibe_server.identity.saml.xml import Element, at_most_one, only, tag, text_of, trimmed

MAX_ATTRIBUTES = 200
MAX_VALUES = 2_000
MAX_VALUE_LENGTH = 4_096
MAX_NAME_LENGTH = 512
_CONDITIONS = frozenset(
    tag(SAML, name) for name in ("AudienceRestriction", "OneTimeUse", "ProxyRestriction")
)


@dataclass(frozen=True)
class Expected:
    """What an assertion must be addressed to. `request_id` is None for a sign-in that the
    identity provider began. `proved_since` is the earliest moment at which the person may have
    proved who they are; None where the provider may remember them."""

    issuer: str
    audience: str
    recipients: Collection[str]
    request_id: str | None
    now: datetime
    proved_since: datetime | None = None


@dataclass(frozen=True)
class NameId:
    """The provider's name for a person, with the qualifiers a logout has to repeat."""

    value: str
    format: str | None
    name_qualifier: str | None
    sp_name_qualifier: str | None


@dataclass(frozen=True)
class Statement:
    """What the identity provider says of a person, checked. `authenticated_at` is when they last
    proved themselves there, never in the future."""

    id: str
    name_id: NameId
    session_index: str | None
    session_ends_at: datetime | None
    authenticated_at: datetime
    context: str | None
    attributes: dict[str, tuple[str, ...]]
    usable_until: datetime


def judge(assertion: Element, expected: Expected) -> Statement:
    """The statement of a verified assertion.

    Raises: Malformed, Refused: it is not for us, not now, or not an answer to the request.
    """
    if assertion.tag != tag(SAML, "Assertion") or assertion.get("Version") != "2.0":
        raise Malformed("this is no assertion of SAML 2.0")
    check_issuer(only(assertion, SAML, "Issuer"), expected.issuer)
    _check_issued(assertion, expected.now)
    if at_most_one(assertion, SAML, "Advice") is not None:
        raise Refused("the assertion holds advice")
    until = _check_conditions(only(assertion, SAML, "Conditions"), expected)
    subject = only(assertion, SAML, "Subject")
    confirmed_until = _check_subject(subject, expected)
    authentication = _read_authentication(assertion, expected)
    return Statement(
        id=require_id(assertion),
        name_id=read_name_id(subject, ours=expected.audience),
        session_index=authentication.session_index,
        session_ends_at=authentication.ends_at,
        authenticated_at=authentication.proved_at,
        context=authentication.context,
        attributes=_read_attributes(assertion),
        usable_until=max(confirmed_until, until or confirmed_until),
    )


def require_id(element: Element) -> str:
    """Raises: Malformed: there is none."""
    found = element.get("ID")
    if not found:
        raise Malformed("a message has no ID")
    return found


def check_issuer(issuer: Element, wanted: str) -> None:
    """Raises: Refused: somebody else says this."""
    if issuer.get("Format", ENTITY_FORMAT) != ENTITY_FORMAT or text_of(issuer) != wanted:
        raise Refused("the issuer is not this identity provider")


def read_name_id(parent: Element, *, ours: str) -> NameId:
    """The one NameID of a subject or a logout request. `ours` is our entity ID.

    Raises: Malformed. Refused: the person is named in another way beside it, or by a name that
        was made for another service provider.
    """
    name = only(parent, SAML, "NameID")
    for other in ("BaseID", "EncryptedID"):
        if at_most_one(parent, SAML, other) is not None:
            raise Refused("the person is named in two ways")
    if (name.get("SPNameQualifier") or ours) != ours:
        raise Refused("the person is named for another service provider (SPNameQualifier)")
    return NameId(
        text_of(name, max_length=MAX_NAME_LENGTH),
        name.get("Format"),
        name.get("NameQualifier"),
        name.get("SPNameQualifier"),
    )


def time_of(element: Element, name: str) -> datetime | None:
    """A time in an attribute; None when it is not there."""
    value = element.get(name)
    return None if value is None else parse_time(value)


def _check_issued(assertion: Element, now: datetime) -> None:
    issued_at = time_of(assertion, "IssueInstant")
    if issued_at is None or not is_begun(issued_at, now):
        raise Refused("the assertion was issued in the future, or at no time")


def _check_window(element: Element, now: datetime, what: str) -> datetime | None:
    """The end of an element's validity. Raises: Refused: it has passed, or not begun."""
    until = time_of(element, "NotOnOrAfter")
    if not is_begun(time_of(element, "NotBefore"), now):
        raise Refused(f"{what} is not valid yet: compare the clocks")
    if is_over(until, now):
        raise Refused(f"{what} is no longer valid: compare the clocks")
    return until


def _check_conditions(conditions: Element, expected: Expected) -> datetime | None:
    for condition in conditions:
        if condition.tag not in _CONDITIONS or condition.get(tag(XSI, "type")):
            raise Refused("the assertion has a condition that is not understood")
    audiences = conditions.findall(tag(SAML, "AudienceRestriction"))
    if not audiences:
        raise Refused("the assertion names no audience")
    for restriction in audiences:
        named = [text_of(each) for each in restriction.findall(tag(SAML, "Audience"))]
        if expected.audience not in named:
            raise Refused("the assertion is for another audience")
    return _check_window(conditions, expected.now, "the assertion")


def _check_subject(subject: Element, expected: Expected) -> datetime:
    """When the last of the bearer confirmations ends, of which one must hold for us: until then
    the assertion could come again.

    Raises: Refused: with the reason of the last confirmation, when none holds.
    """
    refusal: Refused | None = Refused("the assertion has no bearer confirmation")
    ends = []
    for confirmation in subject.findall(tag(SAML, "SubjectConfirmation")):
        if confirmation.get("Method") != BEARER:
            continue
        data = only(confirmation, SAML, "SubjectConfirmationData")
        ends.append(time_of(data, "NotOnOrAfter"))
        try:
            _confirm(data, expected)
        except Refused as error:
            refusal = refusal and error
        else:
            refusal = None
    if refusal is not None:
        raise refusal
    return max(end for end in ends if end is not None)


def _confirm(data: Element, expected: Expected) -> None:
    if data.get("Recipient") not in expected.recipients:
        raise Refused("the assertion is for another recipient")
    if data.get("InResponseTo") != expected.request_id:
        raise Refused(
            "the assertion answers another request, or none"
            if expected.request_id
            else "the assertion answers a request, but none of ours"
        )
    if data.get("NotBefore") is not None:
        raise Refused("the subject's confirmation has a NotBefore, which a bearer's must not have")
    if _check_window(data, expected.now, "the subject's confirmation") is None:
        raise Refused("the subject's confirmation has no end")


@dataclass(frozen=True)
class _Authentication:
    """How and when the person signed in at the provider, and its session."""

    session_index: str | None
    ends_at: datetime | None
    proved_at: datetime
    context: str | None


def _check_sign_in(statement: Element, expected: Expected) -> tuple[datetime, datetime | None]:
    """When the person proved themselves, and when the provider's session ends, if it says so.

    Raises: Refused.
    """
    authenticated_at = time_of(statement, "AuthnInstant")
    if authenticated_at is None or not is_begun(authenticated_at, expected.now):
        raise Refused("the sign-in is said to be in the future, or at no time")
    since = expected.proved_since
    # A request can lose the wish on its way through the browser: the answer is what counts.
    if since is not None and is_over(authenticated_at, since):
        raise Refused("the person did not prove themselves anew, as this provider is asked to have")
    ends_at = time_of(statement, "SessionNotOnOrAfter")
    if is_over(ends_at, expected.now):
        raise Refused("the identity provider's session has ended")
    return min(authenticated_at, expected.now), ends_at


def _read_authentication(assertion: Element, expected: Expected) -> _Authentication:
    statements = assertion.findall(tag(SAML, "AuthnStatement"))
    if not statements:
        raise Refused("the assertion does not say that anybody signed in")
    times = [_check_sign_in(statement, expected) for statement in statements]
    first = statements[0]
    context = at_most_one(first, SAML, "AuthnContext")
    named = None if context is None else at_most_one(context, SAML, "AuthnContextClassRef")
    index = first.get("SessionIndex")
    if index is not None and len(index) > MAX_NAME_LENGTH:
        raise Malformed("the session's index is too long")
    return _Authentication(
        session_index=index or None,
        ends_at=min((end for _, end in times if end is not None), default=None),
        # Of several sign-ins the oldest counts: none may pass for a fresher one.
        proved_at=min(proved_at for proved_at, _ in times),
        context=None if named is None else text_of(named),
    )


def _read_attributes(assertion: Element) -> dict[str, tuple[str, ...]]:
    """The attributes by name. A name that comes twice has the values of both."""
    found: dict[str, list[str]] = {}
    count = 0
    for statement in assertion.findall(tag(SAML, "AttributeStatement")):
        for attribute in statement.findall(tag(SAML, "Attribute")):
            name = attribute.get("Name")
            if not name or len(name) > MAX_NAME_LENGTH:
                raise Malformed("an attribute has no name, or too long a one")
            values = _read_values(attribute)
            found.setdefault(name, []).extend(values)
            count += len(values)
            if len(found) > MAX_ATTRIBUTES or count > MAX_VALUES:
                raise Malformed("the assertion has too many attributes")
    return {name: tuple(values) for name, values in found.items()}


def _read_values(attribute: Element) -> list[str]:
    """The values that are text. Structured ones are of no use to us."""
    values = []
    for value in attribute.findall(tag(SAML, "AttributeValue")):
        text = trimmed(value.text)
        if len(text) > MAX_VALUE_LENGTH:
            raise Malformed("the value of an attribute is too long")
        if text and not len(value):
            values.append(text)
    return values
