"""A SAML response on its way from bytes to a checked statement.

Each step goes on with what the step before it returned, and with nothing else: the verified
response, the decrypted assertion, the verified assertion.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from leanvibe_server.identity.saml.assertions import (
    Expected,
    Statement,
    check_issuer,
    judge,
    require_id,
    time_of,
)
from leanvibe_server.identity.saml.encryption import PrivateKey, decrypted
from leanvibe_server.identity.saml.names import DS, SAML, SAMLP, SUCCESS
from leanvibe_server.identity.saml.refusals import Malformed, Refused
from leanvibe_server.identity.saml.signature import is_signed, verified
from leanvibe_server.identity.saml.times import is_begun
from leanvibe_server.identity.saml.xml import (
    Element,
    at_most_one,
    local_name,
    namespace_of,
    only,
    tag,
)

_PARTS = frozenset(
    {
        tag(SAML, "Issuer"), tag(DS, "Signature"), tag(SAMLP, "Extensions"), tag(SAMLP, "Status"),
        tag(SAML, "Assertion"), tag(SAML, "EncryptedAssertion"),
    }
)  # fmt: skip
_ASSERTIONS = frozenset({"assertion", "encryptedassertion"})


@dataclass(frozen=True)
class Trust:
    """Whose word counts, and with which keys what is sealed for us is opened."""

    certificates: Sequence[x509.Certificate]
    keys: Sequence[PrivateKey]
    encryption_required: bool = False


def open_response(response: Element, trust: Trust, expected: Expected) -> Statement:
    """The statement in a response that was parsed but not believed yet.

    Raises: Malformed, Refused.
    """
    _check_shape(response)
    signed = is_signed(response)
    if signed:
        response = verified(response, trust.certificates, now=expected.now)
    _check_envelope(response, expected, signed=signed)
    assertion = at_most_one(response, SAML, "Assertion")
    if assertion is None:
        wrapper = only(response, SAML, "EncryptedAssertion")
        assertion = decrypted(wrapper, trust.keys, within_signature=signed)
    elif trust.encryption_required:
        raise Refused("the assertion is not encrypted, as this provider is set up to require")
    _check_one_assertion(assertion)
    if not is_signed(assertion):
        raise Refused("the assertion itself is not signed")
    return judge(verified(assertion, trust.certificates, now=expected.now), expected)


def check_message(message: Element, *, destinations: Collection[str], now: datetime) -> None:
    """What holds for every message: version, identity, age, and that it was sent to us.

    Raises: Malformed, Refused.
    """
    require_id(message)
    if message.get("Version") != "2.0":
        raise Malformed("this is no message of SAML 2.0")
    issued_at = time_of(message, "IssueInstant")
    if issued_at is None or not is_begun(issued_at, now):
        raise Refused("the message was issued in the future, or at no time")
    destination = message.get("Destination")
    if destination is not None and destination not in destinations:
        raise Refused("the message is for another destination")


def status_of(message: Element) -> str:
    """The outermost code of a response's status."""
    code = only(only(message, SAMLP, "Status"), SAMLP, "StatusCode")
    return code.get("Value", "")


def _check_shape(response: Element) -> None:
    """A response with one assertion and signatures where they belong. Nothing is verified here:
    this keeps wrapped documents away from everything that follows."""
    if response.tag != tag(SAMLP, "Response"):
        raise Malformed("this is no SAML response")
    if any(child.tag not in _PARTS for child in response):
        raise Refused("the response holds something that does not belong there")
    assertions, signatures = 0, 0
    for element in response.iter():
        name = local_name(element).lower()
        assertions += name in _ASSERTIONS
        if namespace_of(element) == DS:
            signatures += name == "signature"
            if name in ("object", "manifest", "retrievalmethod") and not _encrypts(element):
                raise Refused(f"the response holds a {local_name(element)}")
    if assertions != 1:
        raise Refused("the response must hold exactly one assertion")
    if signatures > 1 + is_signed(response):
        raise Refused("the response holds a signature where none belongs")


def _encrypts(element: Element) -> bool:
    """Whether a RetrievalMethod leads from encrypted data to its key; it is not followed."""
    return local_name(element) == "RetrievalMethod" and any(
        local_name(above) == "EncryptedAssertion" for above in element.iterancestors()
    )


def _check_one_assertion(assertion: Element) -> None:
    """What was decrypted must pass the same net as what came in clear."""
    names = [local_name(element).lower() for element in assertion.iter()]
    if assertion.tag != tag(SAML, "Assertion") or sum(name in _ASSERTIONS for name in names) != 1:
        raise Refused("there must be exactly one assertion")
    if names.count("signature") > 1 or {"object", "manifest"} & set(names):
        raise Refused("the assertion holds a signature where none belongs")


def _check_envelope(response: Element, expected: Expected, *, signed: bool) -> None:
    check_message(response, destinations=expected.recipients, now=expected.now)
    if signed and response.get("Destination") is None:
        raise Refused("a signed response must name its destination")
    issuer = at_most_one(response, SAML, "Issuer")
    if issuer is not None:
        check_issuer(issuer, expected.issuer)
    if response.get("InResponseTo") not in (None, expected.request_id):
        raise Refused("the response answers another request")
    if status_of(response) != SUCCESS:
        raise Refused("the identity provider says that the sign-in failed")
