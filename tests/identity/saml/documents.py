"""An identity provider in the hands of a test: it builds, signs, encrypts and wraps documents."""

import os
import zlib
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml.algorithms import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConstructionMethod,
    SignatureMethod,
)
from signxml.signer import XMLSigner

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
DS = "http://www.w3.org/2000/09/xmldsig#"
ENC = "http://www.w3.org/2001/04/xmlenc#"
ENC11 = "http://www.w3.org/2009/xmlenc11#"
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
EMAIL_FORMAT = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"


@dataclass(frozen=True)
class Pair:
    """A private key with a certificate over it."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> str:
        return b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


def new_pair(
    *, begins: datetime = datetime(2025, 1, 1, tzinfo=UTC), days: int = 3650, bits: int = 2048
) -> Pair:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "identity provider")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return Pair(key, certificate)


IDP, OTHER, SP = new_pair(), new_pair(), new_pair()
IDP_ENTITY = "https://idp.example/metadata"


def at(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Facts:
    """What a response says. The defaults make one that must be accepted."""

    acs: str = "https://sp.example/acs"
    audience: str = "https://sp.example/metadata"
    issuer: str = IDP_ENTITY
    request_id: str | None = "_request"
    now: datetime = NOW
    name_id: str = "jane@corp.example"
    name_format: str = EMAIL_FORMAT
    session_index: str = "_session"
    recipient: str | None = ""
    destination: str | None = ""
    status: str = "urn:oasis:names:tc:SAML:2.0:status:Success"
    not_before: datetime | None = None
    not_on_or_after: datetime | None = None
    assertion_id: str = "_assertion"
    response_id: str = "_response"
    context: str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
    session_end: datetime | None = None
    authenticated_at: datetime | None = None
    attributes: dict[str, list[str]] = field(
        default_factory=lambda: {"email": ["jane@corp.example"], "groups": ["staff"]}
    )

    def but(self, **changes: Any) -> "Facts":
        return replace(self, **changes)


def assertion_text(facts: Facts) -> str:
    until = facts.not_on_or_after or facts.now + timedelta(minutes=5)
    begin = facts.not_before or facts.now - timedelta(minutes=1)
    recipient = facts.acs if facts.recipient == "" else facts.recipient
    to = "" if recipient is None else f' Recipient="{recipient}"'
    answers = "" if facts.request_id is None else f' InResponseTo="{facts.request_id}"'
    ends = "" if facts.session_end is None else f' SessionNotOnOrAfter="{at(facts.session_end)}"'
    attributes = "".join(
        f'<saml:Attribute Name="{name}">'
        + "".join(f"<saml:AttributeValue>{value}</saml:AttributeValue>" for value in values)
        + "</saml:Attribute>"
        for name, values in facts.attributes.items()
    )
    return (
        f'<saml:Assertion xmlns:saml="{SAML}" ID="{facts.assertion_id}" Version="2.0"'
        f' IssueInstant="{at(facts.now)}"><saml:Issuer>{facts.issuer}</saml:Issuer>'
        f'<saml:Subject><saml:NameID Format="{facts.name_format}">{facts.name_id}</saml:NameID>'
        '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">'
        f'<saml:SubjectConfirmationData NotOnOrAfter="{at(until)}"{to}{answers}/>'
        "</saml:SubjectConfirmation></saml:Subject>"
        f'<saml:Conditions NotBefore="{at(begin)}" NotOnOrAfter="{at(until)}">'
        f"<saml:AudienceRestriction><saml:Audience>{facts.audience}</saml:Audience>"
        "</saml:AudienceRestriction></saml:Conditions>"
        f'<saml:AuthnStatement AuthnInstant="{at(facts.authenticated_at or facts.now)}"'
        f' SessionIndex="{facts.session_index}"{ends}><saml:AuthnContext>'
        f"<saml:AuthnContextClassRef>{facts.context}</saml:AuthnContextClassRef>"
        "</saml:AuthnContext></saml:AuthnStatement>"
        f"<saml:AttributeStatement>{attributes}</saml:AttributeStatement></saml:Assertion>"
    )


def response_text(facts: Facts, inner: str) -> str:
    destination = facts.acs if facts.destination == "" else facts.destination
    to = "" if destination is None else f' Destination="{destination}"'
    answers = "" if facts.request_id is None else f' InResponseTo="{facts.request_id}"'
    return (
        f'<samlp:Response xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}" ID="{facts.response_id}"'
        f' Version="2.0" IssueInstant="{at(facts.now)}"{to}{answers}>'
        f"<saml:Issuer>{facts.issuer}</saml:Issuer>"
        f'<samlp:Status><samlp:StatusCode Value="{facts.status}"/></samlp:Status>'
        f"{inner}</samlp:Response>"
    )


def sign(
    text: str | bytes,
    pair: Pair = IDP,
    *,
    algorithm: SignatureMethod = SignatureMethod.RSA_SHA256,
    digest: DigestAlgorithm = DigestAlgorithm.SHA256,
    prefixes: list[str] | None = None,
) -> str:
    """The document with an enveloped signature behind its Issuer."""
    root = etree.fromstring(text)
    place = etree.SubElement(root, f"{{{DS}}}Signature", nsmap={"ds": DS})
    place.set("Id", "placeholder")
    root.insert(1, place)

    class Signer(XMLSigner):
        def check_deprecated_methods(self) -> None:
            """Tests sign as attackers do, with what is no longer good."""

    signer = Signer(
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm=algorithm,
        digest_algorithm=digest,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    signed = signer.sign(
        root,
        key=pair.key,
        cert=[pair.certificate],
        reference_uri=root.get("ID"),
        id_attribute="ID",
    )
    return str(etree.tostring(signed).decode())


def signed_response(
    facts: Facts = Facts(), *, pair: Pair = IDP, edit: Callable[[str], str] = str
) -> str:
    """The plain good case: a response with a signed assertion, which `edit` may word otherwise
    before it is signed."""
    return response_text(facts, sign(edit(assertion_text(facts)), pair))


def encrypt(
    inner: str,
    pair: Pair = SP,
    *,
    algorithm: str = f"{ENC11}aes256-gcm",
    transport: str = f"{ENC}rsa-oaep-mgf1p",
) -> str:
    """An EncryptedAssertion around any text."""
    size = {"128": 16, "192": 24, "256": 32}[algorithm.rpartition("aes")[2][:3]]
    secret = os.urandom(size)
    plain = inner.encode()
    if algorithm.endswith("gcm"):
        nonce = os.urandom(12)
        sealed = nonce + AESGCM(secret).encrypt(nonce, plain, None)
    else:
        fill = 16 - len(plain) % 16
        nonce = os.urandom(16)
        encryptor = Cipher(algorithms.AES(secret), modes.CBC(nonce)).encryptor()
        padded = plain + bytes(fill - 1) + bytes([fill])
        sealed = nonce + encryptor.update(padded) + encryptor.finalize()
    scheme: padding.AsymmetricPadding = padding.PKCS1v15()
    if "oaep" in transport:
        scheme = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    wrapped = pair.key.public_key().encrypt(secret, scheme)
    return (
        f'<saml:EncryptedAssertion xmlns:saml="{SAML}"><xenc:EncryptedData xmlns:xenc="{ENC}"'
        f' Type="{ENC}Element"><xenc:EncryptionMethod Algorithm="{algorithm}"/>'
        f'<ds:KeyInfo xmlns:ds="{DS}"><xenc:EncryptedKey>'
        f'<xenc:EncryptionMethod Algorithm="{transport}"/>'
        f"<xenc:CipherData><xenc:CipherValue>{b64encode(wrapped).decode()}</xenc:CipherValue>"
        "</xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData>"
        f"<xenc:CipherValue>{b64encode(sealed).decode()}</xenc:CipherValue></xenc:CipherData>"
        "</xenc:EncryptedData></saml:EncryptedAssertion>"
    )


def metadata(
    *,
    entity: str = IDP_ENTITY,
    pairs: tuple[Pair, ...] = (IDP,),
    sso: str = "https://idp.example/sso",
    binding: str = "HTTP-Redirect",
    slo: str | None = "https://idp.example/slo",
    valid_until: datetime | None = None,
) -> str:
    """The metadata of an identity provider."""
    until = "" if valid_until is None else f' validUntil="{at(valid_until)}"'
    bindings = "urn:oasis:names:tc:SAML:2.0:bindings"
    keys = "".join(
        f'<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="{DS}"><ds:X509Data>'
        f"<ds:X509Certificate>{pair.der}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
        "</md:KeyDescriptor>"
        for pair in pairs
    )
    logout = (
        ""
        if slo is None
        else f'<md:SingleLogoutService Binding="{bindings}:HTTP-Redirect" Location="{slo}"/>'
    )
    return (
        '<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"'
        f' ID="_metadata" entityID="{entity}"{until}>'
        f'<md:IDPSSODescriptor protocolSupportEnumeration="{SAMLP}">{keys}{logout}'
        f'<md:SingleSignOnService Binding="{bindings}:{binding}" Location="{sso}"/>'
        "</md:IDPSSODescriptor></md:EntityDescriptor>"
    )


def logout_request(
    *,
    issuer: str = IDP_ENTITY,
    destination: str,
    name_id: str,
    indexes: tuple[str, ...] = (),
    identity: str = "_logout",
    now: datetime = NOW,
    name_format: str = EMAIL_FORMAT,
) -> str:
    """A provider's wish to sign somebody out, not signed yet."""
    named = "".join(f"<samlp:SessionIndex>{index}</samlp:SessionIndex>" for index in indexes)
    return (
        f'<samlp:LogoutRequest xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}" ID="{identity}"'
        f' Version="2.0" IssueInstant="{at(now)}" Destination="{destination}">'
        f"<saml:Issuer>{issuer}</saml:Issuer>"
        f'<saml:NameID Format="{name_format}">{name_id}</saml:NameID>{named}</samlp:LogoutRequest>'
    )


def in_address(
    text: str, *, kind: str = "SAMLRequest", relay_state: str | None = None, pair: Pair | None = IDP
) -> str:
    """A message as the query of an address, signed unless there is no pair."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(text.encode()) + packer.flush()
    query = f"{kind}={quote(b64encode(packed).decode(), safe='')}"
    if relay_state is not None:
        query += f"&RelayState={quote(relay_state, safe='')}"
    if pair is None:
        return query
    algorithm = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    query += f"&SigAlg={quote(algorithm, safe='')}"
    signature = pair.key.sign(query.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{query}&Signature={quote(b64encode(signature).decode(), safe='')}"
