"""Metadata of identity providers: who they are, where they answer, and which keys are theirs.

Whoever may change a provider's metadata may sign in as anybody of the tenant, so it comes from an
administrator's hand, or from an address over https and, where a certificate is pinned, signed.

Source: SAML 2.0 Metadata, sections 2.3 and 2.4.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from leanvibe_server.identity.saml.assertions import time_of
from leanvibe_server.identity.saml.names import DS, MD, POST, REDIRECT, SAMLP
from leanvibe_server.identity.saml.refusals import Malformed, Refused
from leanvibe_server.identity.saml.signature import is_signed, verified
from leanvibe_server.identity.saml.times import parse_span
from leanvibe_server.identity.saml.xml import Element, at_most_one, only, parse, tag, text_of

MAX_CERTIFICATES = 6
MAX_CERTIFICATE_TEXT = 16_384
MAX_URL = 2_048
MIN_RSA_BITS = 2_048


@dataclass(frozen=True)
class Endpoint:
    """Where an identity provider takes a kind of message, and where answers to its own go."""

    url: str
    response_url: str
    binding: str


@dataclass(frozen=True)
class IdpMetadata:
    """What is kept of an identity provider. `keep_for` is after how long it wants to be read again
    (cacheDuration)."""

    entity_id: str
    sign_on: Endpoint
    logout: Endpoint | None
    certificates: tuple[x509.Certificate, ...]
    valid_until: datetime | None
    keep_for: timedelta | None


def read_metadata(
    document: bytes, *, now: datetime, pinned: x509.Certificate | None, https_only: bool
) -> IdpMetadata:
    """The one identity provider a document describes.

    `pinned` is the certificate that must have signed it.
    Raises: Malformed, Refused.
    """
    root = parse(document, comments=True)
    if root.tag != tag(MD, "EntityDescriptor"):
        raise Malformed("this is no metadata of one identity provider (EntityDescriptor)")
    if pinned is not None:
        if not is_signed(root):
            raise Refused("the metadata is not signed, although its certificate is pinned")
        root = verified(root, [pinned], now=now)
    role = only(root, MD, "IDPSSODescriptor")
    if SAMLP not in role.get("protocolSupportEnumeration", "").split():
        raise Refused("the identity provider does not speak SAML 2.0")
    ends = [_require_valid(element, now) for element in (root, role)]
    spans = [parse_span(element.get("cacheDuration", "")) for element in (root, role)]
    sign_on = _endpoint(role, "SingleSignOnService", https_only=https_only)
    if sign_on is None:
        raise Refused("the identity provider has no sign-on service with redirect or POST")
    return IdpMetadata(
        entity_id=_entity_id(root),
        sign_on=sign_on,
        logout=_endpoint(role, "SingleLogoutService", https_only=https_only),
        certificates=tuple(_signing_certificates(role, now)),
        valid_until=min((end for end in ends if end is not None), default=None),
        keep_for=min((span for span in spans if span is not None), default=None),
    )


def _entity_id(root: Element) -> str:
    found = root.get("entityID", "")
    if not 0 < len(found) <= 1024 or found != found.strip() or not found.isprintable():
        raise Malformed("the metadata has no entityID")
    return found


def _require_valid(element: Element, now: datetime) -> datetime | None:
    until = time_of(element, "validUntil")
    if until is not None and until <= now:
        raise Refused("the metadata has expired (validUntil): import it anew")
    return until


def _endpoint(role: Element, name: str, *, https_only: bool) -> Endpoint | None:
    """The service's address, by redirect where there is a choice."""
    by_binding = {e.get("Binding"): e for e in reversed(role.findall(tag(MD, name)))}
    for binding in (REDIRECT, POST):
        element = by_binding.get(binding)
        if element is not None:
            url = _url(element.get("Location"), https_only=https_only)
            answers = element.get("ResponseLocation")
            return Endpoint(
                url, url if answers is None else _url(answers, https_only=https_only), binding
            )
    return None


def _url(text: str | None, *, https_only: bool) -> str:
    schemes = ("https",) if https_only else ("https", "http")
    try:
        parts = urlsplit(text or "")
    except ValueError:
        parts = urlsplit("")
    plain = text is not None and len(text) <= MAX_URL and text.isascii() and text.isprintable()
    if not plain or text is None or " " in text or parts.scheme not in schemes:
        raise Refused("the metadata names an address that is not https")
    if not parts.hostname or parts.username is not None or parts.fragment:
        raise Refused("the metadata names an address that cannot be used")
    return text


def _signing_certificates(role: Element, now: datetime) -> Iterator[x509.Certificate]:
    """Every certificate the provider may sign with: during a rollover there are several."""
    found: dict[bytes, x509.Certificate] = {}
    for descriptor in role.findall(tag(MD, "KeyDescriptor")):
        if descriptor.get("use") in (None, "signing"):
            for text in _certificate_texts(descriptor):
                certificate = read_certificate(text)
                found[certificate.fingerprint(hashes.SHA256())] = certificate
    if not 0 < len(found) <= MAX_CERTIFICATES:
        raise Refused(f"the metadata must hold 1 to {MAX_CERTIFICATES} signing certificates")
    if all(certificate.not_valid_after_utc <= now for certificate in found.values()):
        raise Refused("every signing certificate in the metadata has expired")
    yield from found.values()


def _certificate_texts(descriptor: Element) -> Iterator[str]:
    info = only(descriptor, DS, "KeyInfo")
    for data in info.findall(tag(DS, "X509Data")):
        element = at_most_one(data, DS, "X509Certificate")
        if element is not None:
            yield text_of(element, max_length=MAX_CERTIFICATE_TEXT)


def read_certificate(text: str) -> x509.Certificate:
    """A certificate from base64 or PEM, with a key that is strong enough.

    Raises: Malformed, Refused.
    """
    plain = text.replace("-----BEGIN CERTIFICATE-----", "").replace("-----END CERTIFICATE-----", "")
    try:
        certificate = x509.load_der_x509_certificate(
            b64decode("".join(plain.split()), validate=True)
        )
        key = certificate.public_key()
        _ = certificate.not_valid_after_utc, certificate.subject.rfc4514_string()
    except (ValueError, binascii.Error, x509.UnsupportedGeneralNameType, TypeError):
        raise Malformed("a certificate cannot be read") from None
    if isinstance(key, rsa.RSAPublicKey):
        strong = key.key_size >= MIN_RSA_BITS
    else:
        strong = isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= 256
    if not strong:
        raise Refused("a certificate has a key that is too weak, or of an unknown kind")
    return certificate
