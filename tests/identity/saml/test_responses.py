"""Responses of an identity provider, honest and forged, as the verifier sees them."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod

from leanvibe_server.identity.saml.assertions import Expected, Statement
from leanvibe_server.identity.saml.refusals import Malformed, Refused, TooLarge
from leanvibe_server.identity.saml.responses import Trust, open_response
from leanvibe_server.identity.saml.xml import parse
from tests.identity.saml.documents import (
    DS,
    ENC,
    IDP,
    IDP_ENTITY,
    NOW,
    OTHER,
    SAML,
    SAMLP,
    SP,
    Facts,
    Pair,
    assertion_text,
    encrypt,
    new_pair,
    response_text,
    sign,
    signed_response,
)

FACTS = Facts()
NAMES = {"saml": SAML, "samlp": SAMLP, "ds": DS, "xenc": ENC}


def judge(
    document: str | bytes,
    *,
    facts: Facts = FACTS,
    pairs: Sequence[Pair] = (IDP,),
    now: datetime = NOW,
    **trust: Any,
) -> Statement:
    raw = document.encode() if isinstance(document, str) else document
    expected = Expected(IDP_ENTITY, facts.audience, {facts.acs}, facts.request_id, now)
    keys = trust.pop("keys", (SP.key,))
    return open_response(
        parse(raw), Trust([pair.certificate for pair in pairs], keys, **trust), expected
    )


def refuse(document: str | bytes, why: str = ".", **options: Any) -> None:
    with pytest.raises(Refused, match=why):
        judge(document, **options)


def tree(document: str) -> Any:
    return etree.fromstring(document.encode())


def text(root: Any) -> str:
    return str(etree.tostring(root).decode())


def find(root: Any, path: str) -> Any:
    (found,) = root.xpath(path, namespaces=NAMES)
    return found


def evil_assertion(*, identity: str = "_evil") -> Any:
    return tree(assertion_text(FACTS.but(assertion_id=identity, name_id="admin@corp.example")))


def test_a_signed_assertion_says_who_somebody_is() -> None:
    statement = judge(signed_response())
    assert statement.name_id.value == "jane@corp.example"
    assert statement.attributes == {"email": ("jane@corp.example",), "groups": ("staff",)}
    assert (statement.id, statement.session_index) == ("_assertion", "_session")
    assert statement.usable_until == NOW + timedelta(minutes=5)


def test_response_and_assertion_may_both_be_signed() -> None:
    assert judge(sign(signed_response())).id == "_assertion"


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


def test_an_encrypted_and_signed_assertion_is_opened() -> None:
    inner = sign(assertion_text(FACTS))
    for algorithm in ("aes128-gcm", "aes256-gcm"):
        document = response_text(
            FACTS, encrypt(inner, algorithm=f"http://www.w3.org/2009/xmlenc11#{algorithm}")
        )
        assert judge(document).name_id.value == "jane@corp.example"
        assert judge(sign(document)).name_id.value == "jane@corp.example"


def test_sec_saml_sp_20_an_encrypted_assertion_that_is_not_signed_is_refused() -> None:
    forged = encrypt(assertion_text(FACTS))
    refuse(response_text(FACTS, forged), "not signed")
    refuse(sign(response_text(FACTS, forged)), "not signed")
    refuse(response_text(FACTS, encrypt(sign(assertion_text(FACTS), OTHER))), "not made with")


def test_an_encrypted_nest_of_assertions_is_refused() -> None:
    inner = tree(assertion_text(FACTS.but(assertion_id="_outer")))
    inner.append(tree(sign(assertion_text(FACTS))))
    refuse(response_text(FACTS, encrypt(text(inner))), "exactly one")


def test_cbc_is_accepted_inside_a_signed_response_only() -> None:
    inner = sign(assertion_text(FACTS))
    document = response_text(FACTS, encrypt(inner, algorithm=f"{ENC}aes256-cbc"))
    refuse(document, "signed response only")
    assert judge(sign(document)).id == "_assertion"


def test_what_was_encrypted_for_somebody_else_or_by_old_algorithms_is_refused() -> None:
    inner = sign(assertion_text(FACTS))
    refuse(response_text(FACTS, encrypt(inner, OTHER)), "not encrypted for")
    refuse(response_text(FACTS, encrypt(inner, transport=f"{ENC}rsa-1_5")), "key encryption")
    document = response_text(FACTS, encrypt(inner))
    refuse(document.replace("aes256-gcm", "aes999-gcm"), "encryption algorithm")
    assert judge(document, keys=(OTHER.key, SP.key)).id == "_assertion"


def test_a_provider_may_be_held_to_encryption() -> None:
    refuse(signed_response(), "not encrypted", encryption_required=True)


def test_sec_saml_sp_21_another_issuer_is_refused() -> None:
    refuse(signed_response(FACTS.but(issuer="https://other.example")), "issuer")
    inner = sign(assertion_text(FACTS.but(issuer="https://other.example")))
    refuse(response_text(FACTS, inner), "issuer")


def test_sec_saml_sp_22_another_audience_or_none_is_refused() -> None:
    refuse(
        response_text(FACTS, sign(assertion_text(FACTS.but(audience="https://other.example")))),
        "audience",
    )
    none = re.sub(
        "<saml:AudienceRestriction>.*</saml:AudienceRestriction>", "", assertion_text(FACTS)
    )
    refuse(response_text(FACTS, sign(none)), "no audience")
    both = assertion_text(FACTS).replace(
        "</saml:Conditions>",
        "<saml:AudienceRestriction><saml:Audience>https://other.example</saml:Audience>"
        "</saml:AudienceRestriction></saml:Conditions>",
    )
    refuse(response_text(FACTS, sign(both)), "another audience")


@pytest.mark.parametrize(
    "recipient", [None, "https://other.example/acs", "https://sp.example/acs/"]
)
def test_sec_saml_sp_23_another_recipient_or_none_is_refused(recipient: str | None) -> None:
    refuse(signed_response(FACTS.but(recipient=recipient)), "another recipient")


def test_sec_saml_sp_24_another_destination_is_refused() -> None:
    refuse(signed_response(FACTS.but(destination="https://other.example/acs")), "destination")
    refuse(sign(signed_response(FACTS.but(destination=None))), "name its destination")


def test_sec_saml_sp_25_times_hold_with_sixty_seconds_of_patience() -> None:
    until, begin = NOW + timedelta(minutes=5), NOW - timedelta(minutes=1)
    document = signed_response(FACTS.but(not_on_or_after=until, not_before=begin))
    late = until + timedelta(seconds=60)
    assert judge(document, now=late - timedelta(seconds=1)).id == "_assertion"
    refuse(document, "no longer valid", now=late)
    refuse(document, "no longer valid", now=late + timedelta(seconds=1))
    ahead = signed_response(FACTS.but(not_before=NOW + timedelta(seconds=60)))
    assert judge(ahead).id == "_assertion"
    refuse(ahead, "not valid yet", now=NOW - timedelta(seconds=1))
    refuse(document.replace("12:05:00Z", "12:05:00"))


def test_an_assertion_from_the_future_is_refused() -> None:
    inner = assertion_text(FACTS).replace(
        'IssueInstant="2026-03-02T12:00:00Z"', 'IssueInstant="2026-03-02T12:02:00Z"'
    )
    refuse(response_text(FACTS, sign(inner)), "future")


def test_sec_saml_sp_26_an_answer_to_another_request_or_to_none_is_refused() -> None:
    refuse(signed_response(FACTS.but(request_id="_other")), "another request")
    refuse(signed_response(FACTS.but(request_id=None)), "another request, or none")
    inner = sign(assertion_text(FACTS.but(request_id="_other")))
    refuse(response_text(FACTS, inner), "another request")
    unsolicited = FACTS.but(request_id=None)
    refuse(response_text(FACTS, sign(assertion_text(unsolicited))), "another request, or none")
    stolen = response_text(unsolicited, sign(assertion_text(FACTS)))
    refuse(stolen, "none of ours", facts=unsolicited)


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


def test_sec_saml_sp_31_a_status_other_than_success_is_refused() -> None:
    for status in ("Responder", "AuthnFailed", "success"):
        facts = FACTS.but(status=f"urn:oasis:names:tc:SAML:2.0:status:{status}")
        refuse(signed_response(facts), "sign-in failed")
    root = tree(signed_response())
    find(root, "samlp:Status").append(
        tree(f'<StatusCode xmlns="{SAMLP}" Value="urn:oasis:names:tc:SAML:2.0:status:Success"/>')
    )
    refuse(text(root), "more than one")


def test_sec_saml_sp_32_what_is_too_large_or_no_xml_is_refused_at_once() -> None:
    for document in (
        b"<a>" + b"x" * 300_000,
        b"not xml",
        b"",
        b"<a>" * 50_000,
        b"<a " + b" ".join(b'b%d="c"' % n for n in range(20_000)) + b"/>",
        b"<a " + b" ".join(b'xmlns:b%d="c"' % n for n in range(12_000)) + b"/>",
        b"<a>" + b"<b/>" * 60_000 + b"</a>",
    ):
        began = time.process_time()
        with pytest.raises(Malformed):
            parse(document)
        assert time.process_time() - began < 0.05
    with pytest.raises(TooLarge):
        parse(b" " * 300_000)


def test_sec_saml_sp_33_an_expired_certificate_signs_no_more() -> None:
    old = new_pair(begins=datetime(2020, 1, 1, tzinfo=UTC), days=365)
    refuse(signed_response(pair=old), "not made with", pairs=(old,))


def test_several_certificates_are_accepted_during_a_rollover() -> None:
    assert judge(signed_response(pair=OTHER), pairs=(IDP, OTHER)).id == "_assertion"


def test_a_session_that_ended_at_the_provider_opens_none_here() -> None:
    refuse(signed_response(FACTS.but(session_end=NOW - timedelta(minutes=2))), "session has ended")
    later = NOW + timedelta(hours=8)
    assert judge(signed_response(FACTS.but(session_end=later))).session_ends_at == later


def test_other_confirmations_and_conditions_are_refused() -> None:
    holder = assertion_text(FACTS).replace("cm:bearer", "cm:holder-of-key")
    refuse(response_text(FACTS, sign(holder)), "bearer")
    condition = assertion_text(FACTS).replace(
        "</saml:Conditions>", "<saml:Condition/></saml:Conditions>"
    )
    refuse(response_text(FACTS, sign(condition)), "not understood")
    advice = assertion_text(FACTS).replace(
        "<saml:AttributeStatement>", "<saml:Advice/><saml:AttributeStatement>"
    )
    refuse(response_text(FACTS, sign(advice)), "advice")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=2_000))
def test_no_bytes_break_the_parser(document: bytes) -> None:
    try:
        parse(document)
        parse(document, comments=True)
    except Malformed:
        pass


GOOD = signed_response().encode()


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, len(GOOD) - 1),
    st.integers(0, 12),
    st.one_of(
        st.binary(max_size=6),
        st.sampled_from(
            [b"<!--x-->", b"<?x?>", b"<x/>", b"&amp;", b"\xef\xbb\xbf", b'ID="_assertion"', b"]]>"]
        ),
    ),
)
def test_no_change_of_a_signed_document_changes_what_is_believed(
    place: int, removed: int, added: bytes
) -> None:
    changed = GOOD[:place] + added + GOOD[place + removed :]
    try:
        statement = judge(changed)
    except Refused:
        return
    assert statement == replace(judge(GOOD))
