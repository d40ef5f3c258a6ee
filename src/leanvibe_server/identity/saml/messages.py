"""The messages we write: requests to sign in, and both halves of a logout.

Source: SAML 2.0 Core, sections 3.4 and 3.7.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree
from signxml.algorithms import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConstructionMethod,
    SignatureMethod,
)
from signxml.signer import XMLSigner

from leanvibe_server.identity.saml.assertions import NameId
from leanvibe_server.identity.saml.names import DS, POST, SAML, SAMLP, SUCCESS
from leanvibe_server.identity.saml.times import print_time
from leanvibe_server.identity.saml.xml import Element, tag

LOGOUT_VALID_FOR = timedelta(minutes=5)
_PREFIXES: dict[str, str] = {"samlp": SAMLP, "saml": SAML}


def authn_request(
    *,
    request_id: str,
    issuer: str,
    destination: str,
    acs_url: str,
    name_id_format: str | None,
    force: bool,
    now: datetime,
) -> Element:
    """Ask the provider who somebody is; `force` has them prove it anew."""
    root = _message("AuthnRequest", request_id, issuer, destination, now)
    root.set("AssertionConsumerServiceURL", acs_url)
    root.set("ProtocolBinding", POST)
    if force:
        root.set("ForceAuthn", "true")
    policy = etree.SubElement(root, tag(SAMLP, "NameIDPolicy"), AllowCreate="true")
    if name_id_format is not None:
        policy.set("Format", name_id_format)
    return root


def logout_request(
    *,
    request_id: str,
    issuer: str,
    destination: str,
    name_id: NameId,
    session_index: str | None,
    now: datetime,
) -> Element:
    """Tell the provider that somebody leaves."""
    root = _message("LogoutRequest", request_id, issuer, destination, now)
    root.set("NotOnOrAfter", print_time(now + LOGOUT_VALID_FOR))
    name = etree.SubElement(root, tag(SAML, "NameID"))
    name.text = name_id.value
    qualifiers: Mapping[str, str | None] = {
        "Format": name_id.format,
        "NameQualifier": name_id.name_qualifier,
        "SPNameQualifier": name_id.sp_name_qualifier,
    }
    for attribute, value in qualifiers.items():
        if value is not None:
            name.set(attribute, value)
    if session_index is not None:
        etree.SubElement(root, tag(SAMLP, "SessionIndex")).text = session_index
    return root


def logout_response(
    *,
    response_id: str,
    request_id: str,
    issuer: str,
    destination: str,
    status: tuple[str, ...],
    now: datetime,
) -> Element:
    """Answer the provider's request. `status` holds the code and, if there is one, its detail."""
    root = _message("LogoutResponse", response_id, issuer, destination, now)
    root.set("InResponseTo", request_id)
    place = etree.SubElement(root, tag(SAMLP, "Status"))
    for value in status or (SUCCESS,):
        place = etree.SubElement(place, tag(SAMLP, "StatusCode"), Value=value)
    return root


def _message(name: str, identity: str, issuer: str, destination: str, now: datetime) -> Element:
    root = etree.Element(
        tag(SAMLP, name),
        {
            "ID": identity,
            "Version": "2.0",
            "IssueInstant": print_time(now),
            "Destination": destination,
        },
        nsmap=_PREFIXES,
    )
    etree.SubElement(root, tag(SAML, "Issuer")).text = issuer
    return root


def signed(root: Element, key: rsa.RSAPrivateKey, certificate: x509.Certificate) -> Element:
    """The document with an enveloped signature: behind its Issuer, else as the first child."""
    place = etree.Element(tag(DS, "Signature"), nsmap={"ds": DS})
    place.set("Id", "placeholder")
    root.insert(1 if root.find(tag(SAML, "Issuer")) is not None else 0, place)
    signer = XMLSigner(
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm=SignatureMethod.RSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    return signer.sign(
        root, key=key, cert=[certificate], reference_uri=root.get("ID"), id_attribute="ID"
    )


def printed(root: Element) -> bytes:
    """The document as it is sent."""
    return etree.tostring(root, encoding="utf-8")
