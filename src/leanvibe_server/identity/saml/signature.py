"""Enveloped XML signatures: what is signed, by whom, and only then what it says.

The shape is checked before any cryptography, and it is narrow: one signature, directly in the
element it signs, with one reference to that element's ID, made with the two transforms SAML
knows. Keys come from the provider's metadata; whatever the document says about keys is ignored.
Only what was digested is returned, parsed anew; the caller reads nothing else.

Source: SAML 2.0 Core, section 5.4; XML Signature Best Practices; Somorovsky et al., "On Breaking
SAML", USENIX Security 2012.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, VerifyResult, XMLVerifier

from leanvibe_server.identity.saml.names import DS, ENVELOPED, EXC_C14N
from leanvibe_server.identity.saml.refusals import Malformed, Refused
from leanvibe_server.identity.saml.xml import (
    Element,
    new_parser,
    only,
    parse,
    standalone,
    tag,
    text_of,
)

SIGNATURE_METHODS = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
    }
)
DIGESTS = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})
MAX_SIGNATURE_TEXT = 2_048
MAX_PREFIXES = 16
_METHODS = frozenset(method.value for method in SIGNATURE_METHODS)
_DIGESTS = frozenset(digest.value for digest in DIGESTS)
_PREFIX = re.compile(r"#default|[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")
_NAMES = {
    "Signature": (("SignedInfo", "SignatureValue"), ("SignedInfo", "SignatureValue", "KeyInfo")),
    "SignedInfo": (("CanonicalizationMethod", "SignatureMethod", "Reference"),),
    "Reference": (("Transforms", "DigestMethod", "DigestValue"),),
}


def is_signed(element: Element) -> bool:
    """Whether a signature claims to cover the element."""
    return element.find(tag(DS, "Signature")) is not None


def verified(
    element: Element, certificates: Sequence[x509.Certificate], *, now: datetime
) -> Element:
    """What one of the certificates' keys signed of `element`, without the signature.

    Raises: Refused: no valid signature of that shape covers all of the element.
    """
    document = standalone(element)
    root = parse(document)
    _check_signature(root)
    for certificate in certificates:
        found = _verify(document, certificate, now=now)
        if found is not None:
            signed = parse(found.signed_data)
            if (signed.tag, signed.get("ID")) != (element.tag, element.get("ID")):
                raise Refused("the signature covers another element")
            return signed
    raise Refused("the signature was not made with a certificate of this identity provider")


def _verify(
    document: bytes, certificate: x509.Certificate, *, now: datetime
) -> VerifyResult | None:
    expected = SignatureConfiguration(
        location="./",
        expect_references=1,
        signature_methods=SIGNATURE_METHODS,
        digest_algorithms=DIGESTS,
        ignore_ambiguous_key_info=True,
        verification_time=now,
    )
    try:
        found = XMLVerifier().verify(
            parse(document),
            x509_cert=certificate,
            id_attribute="ID",
            expect_config=expected,
            parser=new_parser(),
        )
    except (SignXMLException, UnsupportedAlgorithm, etree.LxmlError, ValueError, TypeError):
        # Which of several certificates it was not is of no interest.
        return None
    return found if isinstance(found, VerifyResult) else None


def _check_signature(root: Element) -> None:
    """Refuse every shape of a signature but the one. Nothing is computed here."""
    identity = root.get("ID")
    if not identity:
        raise Malformed("what should be signed has no ID")
    signature = only(root, DS, "Signature")
    _check_children(signature)
    info = only(signature, DS, "SignedInfo")
    _check_children(info)
    _check_algorithm(only(info, DS, "CanonicalizationMethod"), {EXC_C14N}, prefixes=True)
    _check_algorithm(only(info, DS, "SignatureMethod"), _METHODS)
    _check_base64(only(signature, DS, "SignatureValue"))
    reference = only(info, DS, "Reference")
    _check_children(reference)
    if reference.get("URI") != f"#{identity}":
        raise Refused("the signature refers to another element than the one it stands in")
    _check_transforms(only(reference, DS, "Transforms"))
    _check_algorithm(only(reference, DS, "DigestMethod"), _DIGESTS)
    _check_base64(only(reference, DS, "DigestValue"))


def _check_children(element: Element) -> None:
    """Exactly the children that belong there, in their order, and no text between them."""
    name = etree.QName(element).localname
    names = tuple(child.tag for child in element)
    if names not in [tuple(tag(DS, part) for part in allowed) for allowed in _NAMES[name]]:
        raise Refused(f"{name} holds something else than it should")
    between = [element.text, *(child.tail for child in element)]
    if any(text and text.strip() for text in between):
        raise Refused(f"{name} holds text")


def _check_transforms(transforms: Element) -> None:
    if [child.tag for child in transforms] != [tag(DS, "Transform")] * 2:
        raise Refused("the signature has other transforms than enveloped and exclusive")
    enveloped, exclusive = transforms
    _check_algorithm(enveloped, {ENVELOPED})
    _check_algorithm(exclusive, {EXC_C14N}, prefixes=True)


def _check_algorithm(
    element: Element, allowed: set[str] | frozenset[str], *, prefixes: bool = False
) -> None:
    algorithm = element.get("Algorithm")
    if algorithm not in allowed or set(element.attrib) != {"Algorithm"}:
        raise Refused(f"the algorithm {algorithm!r} is not accepted")
    if prefixes and len(element) == 1 and element[0].tag == tag(EXC_C14N, "InclusiveNamespaces"):
        _check_prefixes(element[0])
    elif len(element) or (element.text or "").strip():
        raise Refused(f"the algorithm {algorithm!r} has parameters")


def _check_prefixes(inclusive: Element) -> None:
    """Every prefix is written out once for each element, so a long list is a bomb."""
    prefixes = inclusive.get("PrefixList", "").split(" ")
    if len(prefixes) > MAX_PREFIXES or len(inclusive):
        raise Refused("the signature names too many namespaces")
    if not all(_PREFIX.fullmatch(prefix) for prefix in prefixes):
        raise Refused("the signature names namespaces by what is no prefix")


def _check_base64(element: Element) -> None:
    text = text_of(element, max_length=MAX_SIGNATURE_TEXT)
    if set(element.attrib) - {"Id"} or not _BASE64.fullmatch(text):
        raise Refused("the signature holds a value that is not base64")
    try:
        b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        raise Refused("the signature holds a value that is not base64") from None
