"""Our own metadata: what an identity provider has to know about a tenant's service provider.

Source: SAML 2.0 Metadata, section 2.4.4.
"""

from base64 import b64encode
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from leanvibe_server.identity.saml.addresses import SpAddresses
from leanvibe_server.identity.saml.encryption import GCM, OAEP
from leanvibe_server.identity.saml.names import (
    DS,
    EMAIL_FORMAT,
    MD,
    PERSISTENT,
    POST,
    REDIRECT,
    SAMLP,
)
from leanvibe_server.identity.saml.xml import Element, tag

_PREFIXES: dict[str, str] = {"md": MD, "ds": DS}
UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"


def describe(
    addresses: SpAddresses, certificates: Sequence[x509.Certificate], *, identity: str
) -> Element:
    """The EntityDescriptor. `certificates` are the one in use and, before a change, the next."""
    root = etree.Element(
        tag(MD, "EntityDescriptor"),
        {"ID": identity, "entityID": addresses.entity_id},
        nsmap=_PREFIXES,
    )
    role = etree.SubElement(
        root,
        tag(MD, "SPSSODescriptor"),
        {
            "protocolSupportEnumeration": SAMLP,
            "AuthnRequestsSigned": "true",
            "WantAssertionsSigned": "true",
        },
    )
    for use in ("signing", "encryption"):
        for certificate in certificates:
            _add_key(role, use, certificate)
    for binding in (REDIRECT, POST):
        etree.SubElement(
            role, tag(MD, "SingleLogoutService"), Binding=binding, Location=addresses.logout
        )
    for name_format in (PERSISTENT, EMAIL_FORMAT, UNSPECIFIED):
        etree.SubElement(role, tag(MD, "NameIDFormat")).text = name_format
    for index, location in enumerate((addresses.acs, addresses.shared_acs)):
        etree.SubElement(
            role,
            tag(MD, "AssertionConsumerService"),
            Binding=POST,
            Location=location,
            index=str(index),
            isDefault="true" if index == 0 else "false",
        )
    return root


def _add_key(role: Element, use: str, certificate: x509.Certificate) -> None:
    descriptor = etree.SubElement(role, tag(MD, "KeyDescriptor"), use=use)
    info = etree.SubElement(descriptor, tag(DS, "KeyInfo"))
    data = etree.SubElement(info, tag(DS, "X509Data"))
    text = b64encode(certificate.public_bytes(Encoding.DER)).decode()
    etree.SubElement(data, tag(DS, "X509Certificate")).text = text
    if use == "encryption":
        for algorithm in (*reversed(GCM), OAEP):
            etree.SubElement(descriptor, tag(MD, "EncryptionMethod"), Algorithm=algorithm)
