"""Signed originals wrapped, moved, doubled and hidden beside forgeries."""

from typing import Any

from lxml import etree

from tests.identity.saml.documents import (
    DS,
    SAMLP,
    assertion_text,
    response_text,
    sign,
    signed_response,
)
from tests.identity.saml.judging import FACTS, evil_assertion, find, refuse, text, tree


def test_sec_saml_sp_01_xsw1_a_signed_original_wrapped_into_the_signature_is_refused() -> None:
    original = tree(sign(signed_response()))
    evil = tree(signed_response())
    evil.set("ID", "_evil")
    find(evil, "saml:Assertion").set("ID", "_evil_assertion")
    find(evil, "saml:Assertion/saml:Subject/saml:NameID").text = "admin@corp.example"
    evil.insert(1, find(original, "ds:Signature"))
    find(evil, "ds:Signature").append(original)
    refuse(text(evil), "exactly one assertion")


def test_sec_saml_sp_02_xsw2_a_detached_signature_beside_the_original_is_refused() -> None:
    original = tree(sign(signed_response()))
    evil = tree(response_text(FACTS.but(response_id="_evil_response"), ""))
    signature = find(original, "ds:Signature")
    evil.insert(1, original)
    evil.insert(1, signature)
    evil.append(evil_assertion())
    refuse(text(evil), "does not belong there|exactly one assertion")


def test_sec_saml_sp_03_xsw3_an_evil_assertion_before_the_original_is_refused() -> None:
    root = tree(signed_response())
    root.insert(2, evil_assertion())
    refuse(text(root), "exactly one assertion")


def test_an_evil_assertion_after_the_original_is_refused() -> None:
    root = tree(signed_response())
    root.append(evil_assertion())
    refuse(text(root), "exactly one assertion")


def test_sec_saml_sp_04_xsw4_the_original_inside_the_evil_assertion_is_refused() -> None:
    root = tree(signed_response())
    original, evil = find(root, "saml:Assertion"), evil_assertion()
    root.replace(original, evil)
    evil.append(original)
    refuse(text(root), "exactly one assertion")


def _evil_with_signature_of(original: Any) -> Any:
    evil = evil_assertion()
    evil.insert(1, find(original, "ds:Signature"))
    return evil


def test_sec_saml_sp_05_xsw5_the_signature_in_the_evil_assertion_is_refused() -> None:
    root = tree(signed_response())
    original = find(root, "saml:Assertion")
    evil = _evil_with_signature_of(original)
    root.replace(original, evil)
    root.append(original)
    refuse(text(root), "exactly one assertion")


def test_sec_saml_sp_06_xsw6_the_original_inside_the_evil_ones_signature_is_refused() -> None:
    root = tree(signed_response())
    original = find(root, "saml:Assertion")
    evil = _evil_with_signature_of(original)
    root.replace(original, evil)
    find(evil, "ds:Signature").append(original)
    refuse(text(root), "exactly one assertion")


def test_sec_saml_sp_07_xsw7_the_original_hidden_in_extensions_is_refused() -> None:
    root = tree(signed_response())
    original = find(root, "saml:Assertion")
    root.replace(original, evil_assertion(identity="_evil"))
    extensions = etree.SubElement(root, f"{{{SAMLP}}}Extensions")
    extensions.append(original)
    refuse(text(root), "exactly one assertion")


def test_sec_saml_sp_08_xsw8_the_original_in_an_object_of_the_signature_is_refused() -> None:
    root = tree(signed_response())
    original = find(root, "saml:Assertion")
    evil = _evil_with_signature_of(original)
    root.replace(original, evil)
    etree.SubElement(find(evil, "ds:Signature"), f"{{{DS}}}Object").append(original)
    refuse(text(root), "exactly one assertion|Object")


def test_a_lone_evil_assertion_with_the_originals_signature_is_refused() -> None:
    root = tree(signed_response())
    original = find(root, "saml:Assertion")
    root.replace(original, _evil_with_signature_of(original))
    refuse(text(root), "another element")
    same_id = tree(signed_response())
    original = find(same_id, "saml:Assertion")
    evil = evil_assertion(identity="_assertion")
    evil.insert(1, find(original, "ds:Signature"))
    same_id.replace(original, evil)
    refuse(text(same_id), "not made with")


def test_an_assertion_under_another_name_does_not_hide() -> None:
    root = tree(signed_response())
    subject = find(root, "saml:Assertion/saml:AttributeStatement/saml:Attribute[1]")
    etree.SubElement(subject, "{urn:x}Assertion")
    refuse(text(root), "exactly one assertion")


def test_sec_saml_sp_09_two_elements_of_one_id_are_refused() -> None:
    document = signed_response().replace('ID="_response"', 'ID="_assertion"')
    refuse(document, "same ID")


def test_sec_saml_sp_10_what_is_not_signed_itself_is_refused() -> None:
    refuse(response_text(FACTS, assertion_text(FACTS)), "not signed")
    stripped = tree(signed_response())
    signature = find(stripped, "//ds:Signature")
    signature.getparent().remove(signature)
    refuse(text(stripped), "not signed")
    refuse(sign(response_text(FACTS, assertion_text(FACTS))), "not signed")
