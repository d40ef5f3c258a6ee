"""What a signature must be, and cover, to be believed."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod

from leanvibe_server.identity.saml.refusals import Malformed
from leanvibe_server.identity.saml.xml import parse
from tests.identity.saml.documents import (
    DS,
    IDP,
    OTHER,
    assertion_text,
    response_text,
    sign,
    signed_response,
)
from tests.identity.saml.judging import FACTS, find, refuse, text, tree


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("jane@corp.example</saml:NameID>", "admin@corp.example</saml:NameID>"),
        ("<saml:AttributeValue>staff<", "<saml:AttributeValue>admins<"),
        ("https://sp.example/metadata", "https://evil.example/metadata"),
        ('SessionIndex="_session"', 'SessionIndex="_other"'),
    ],
)
def test_sec_saml_sp_11_what_is_altered_after_signing_is_refused(before: str, after: str) -> None:
    document = signed_response()
    assert before in document
    refuse(document.replace(before, after), "not made with")


def test_sec_saml_sp_12_a_key_that_the_document_brings_along_is_not_believed() -> None:
    refuse(signed_response(pair=OTHER), "not made with")
    own = tree(signed_response(pair=OTHER))
    find(own, "//ds:X509Certificate").text = IDP.der
    refuse(text(own), "not made with")


@pytest.mark.parametrize("inner", ["<!--x-->", "<!---->"])
def test_sec_saml_sp_13_a_comment_in_a_name_is_refused(inner: str) -> None:
    facts = FACTS.but(name_id="admin@corp.test.evil.com")
    document = signed_response(facts).replace("corp.test.evil", f"corp.test{inner}.evil")
    refuse(document, "comment")
    values = signed_response().replace(">staff<", f">sta{inner}ff<")
    refuse(values, "comment")


def test_sec_saml_sp_14_a_processing_instruction_in_a_name_is_refused() -> None:
    document = signed_response().replace("jane@corp", "jane<?x y?>@corp")
    refuse(document, "processing instruction")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("jane@corp.example<", "<![CDATA[jane@corp.example]]><"),
        ('ID="_assertion"', 'ID="_assertion" ID="_other"'),
        ('ID="_assertion"', 'ID="_assertion" id="_assertion"'),
        ('ID="_assertion"', 'ID="_assertion" saml:ID="_other"'),
        ('ID="_assertion"', 'xml:id="_assertion"'),
        ('ID="_assertion"', 'ID="&x;"'),
        ("<samlp:Response", "<!DOCTYPE x [<!ATTLIST r ID CDATA 'x'>]><samlp:Response"),
        ("<samlp:Response", '<?xml version="1.0" encoding="UTF-16"?><samlp:Response'),
        ("<samlp:Response", '<?xml version="1.1"?><samlp:Response'),
        ("</samlp:Response>", "</samlp:Response><x/>"),
        ("jane@corp.example<", "jane@corp.example<x/><"),
    ],
)
def test_sec_saml_sp_15_what_two_parsers_might_read_differently_is_refused(
    before: str, after: str
) -> None:
    document = signed_response()
    assert before in document
    refuse(document.replace(before, after))


def test_other_encodings_than_utf_8_are_refused() -> None:
    for encoding in ("utf-16", "utf-32", "utf-7"):
        with pytest.raises(Malformed):
            parse(signed_response().encode(encoding).replace(b"<samlp", b"+ADw-samlp"))
    with pytest.raises(Malformed):
        parse(b"<a>\xff</a>")


def _add_to(path: str, xml: str) -> Callable[[Any], None]:
    def change(root: Any) -> None:
        find(root, path).append(etree.fromstring(xml))

    return change


DIGEST = f'<DigestValue xmlns="{DS}">AAAA</DigestValue>'


def _copy(path: str) -> Callable[[Any], None]:
    def change(root: Any) -> None:
        element = find(root, path)
        element.addnext(etree.fromstring(etree.tostring(element)))

    return change


@pytest.mark.parametrize(
    "change",
    [
        _add_to("//ds:Reference", DIGEST),
        _copy("//ds:DigestValue"),
        _copy("//ds:SignedInfo"),
        _copy("//ds:SignatureValue"),
        _add_to("//ds:DigestValue", f'<DigestValue xmlns="{DS}">AAAA</DigestValue>'),
        _copy("//ds:Signature"),
    ],
)
def test_sec_saml_sp_16_doubled_parts_of_a_signature_are_refused(
    change: Callable[[Any], None],
) -> None:
    root = tree(signed_response())
    change(root)
    refuse(text(root))


def test_sec_saml_sp_16_a_comment_in_a_digest_is_refused() -> None:
    document = signed_response()
    digest = re.search("<ds:DigestValue>([^<]+)<", document)
    assert digest is not None
    refuse(document.replace(digest[1], f"<!--AAAA-->{digest[1]}"), "comment")
    refuse(document.replace(digest[1], f"{digest[1]} AAAA"))


def _set_uri(uri: str | None) -> Callable[[Any], None]:
    def change(root: Any) -> None:
        reference = find(root, "//ds:Reference")
        if uri is None:
            del reference.attrib["URI"]
        else:
            reference.set("URI", uri)

    return change


def _remove(path: str) -> Callable[[Any], None]:
    def change(root: Any) -> None:
        element = find(root, path)
        element.getparent().remove(element)

    return change


@pytest.mark.parametrize(
    "change",
    [
        _remove("//ds:Reference"),
        _copy("//ds:Reference"),
        _set_uri(""),
        _set_uri(None),
        _set_uri("#_response"),
        _set_uri("##_assertion"),
        _set_uri("#xpointer(/)"),
        _set_uri("http://evil.example/"),
        _set_uri("file:///etc/hostname"),
    ],
)
def test_sec_saml_sp_17_references_to_anything_but_the_parent_are_refused(
    change: Callable[[Any], None],
) -> None:
    root = tree(signed_response())
    change(root)
    refuse(text(root))


EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"


@pytest.mark.parametrize(
    "algorithm",
    [
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2002/06/xmldsig-filter2",
        "http://www.w3.org/2000/09/xmldsig#base64",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        f"{EXC}WithComments",
    ],
)
def test_sec_saml_sp_18_other_transforms_are_refused_before_any_crypto(
    algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_crypto(*_: Any, **__: Any) -> None:
        raise AssertionError("something was computed")

    monkeypatch.setattr("leanvibe_server.identity.saml.signature._verify", no_crypto)
    for index in (1, 2):
        root = tree(signed_response())
        find(root, f"//ds:Transform[{index}]").set("Algorithm", algorithm)
        refuse(text(root), "algorithm")
    third = tree(signed_response())
    find(third, "//ds:Transforms").append(
        etree.fromstring(f'<Transform xmlns="{DS}" Algorithm="{algorithm}"/>')
    )
    refuse(text(third), "transforms")


def test_sec_saml_sp_18_a_bomb_of_namespaces_is_refused_at_once() -> None:
    bomb = " ".join(f"n{number}" for number in range(20_000))
    for path in ("//ds:Transform[2]", "//ds:CanonicalizationMethod"):
        root = tree(signed_response())
        inclusive = etree.SubElement(find(root, path), f"{{{EXC}}}InclusiveNamespaces")
        inclusive.set("PrefixList", bomb)
        document = text(root).encode()
        began = time.process_time()
        refuse(document, "namespaces")
        assert time.process_time() - began < 0.03


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "http://127.0.0.1:1/">]>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">',
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY e "&a;&a;&a;&a;">]>',
        "<!doctype x>",
    ],
)
def test_sec_saml_sp_19_doctypes_and_entities_are_refused(head: str) -> None:
    document = signed_response().replace("jane@corp.example<", "&e;<")
    refuse(head + document, "DOCTYPE")
    refuse(document, "not well-formed")


def test_sec_saml_sp_19_xinclude_is_refused() -> None:
    include = (
        '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/hostname" parse="text"/>'
    )
    document = signed_response().replace("jane@corp.example<", f"{include}<")
    refuse(document, "XInclude")


@pytest.mark.parametrize("algorithm", [SignatureMethod.RSA_SHA1, SignatureMethod.RSA_SHA224])
def test_sec_saml_sp_29_old_algorithms_are_refused(algorithm: SignatureMethod) -> None:
    refuse(response_text(FACTS, sign(assertion_text(FACTS), algorithm=algorithm)), "algorithm")
    weak = sign(assertion_text(FACTS), digest=DigestAlgorithm.SHA1)
    refuse(response_text(FACTS, weak), "algorithm")


def test_a_public_key_used_as_a_shared_secret_is_refused() -> None:
    for name in ("2001/04/xmldsig-more#hmac-sha256", "2000/09/xmldsig#hmac-sha1"):
        root = tree(signed_response())
        find(root, "//ds:SignatureMethod").set("Algorithm", f"http://www.w3.org/{name}")
        refuse(text(root), "algorithm")


@pytest.mark.parametrize("place", ["<saml:Assertion", "<ds:SignedInfo", "<saml:Subject"])
@pytest.mark.parametrize("namespace", ["1", "../x", "http://a b"])
def test_sec_saml_sp_16_what_cannot_be_canonicalised_is_signed_by_nobody(
    place: str, namespace: str
) -> None:
    """A library that takes the empty string for such a document checks the digest of nothing."""
    document = signed_response()
    assert place in document
    refuse(document.replace(place, f'{place} xmlns:void="{namespace}"', 1))
