"""Responses of an identity provider: for whom, from whom and until when they hold."""

import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leanvibe_server.identity.saml.refusals import Malformed, Refused, TooLarge
from leanvibe_server.identity.saml.xml import parse
from tests.identity.saml.documents import (
    IDP,
    NOW,
    OTHER,
    SAMLP,
    assertion_text,
    new_pair,
    response_text,
    sign,
    signed_response,
)
from tests.identity.saml.judging import FACTS, find, judge, refuse, text, tree


def test_a_signed_assertion_says_who_somebody_is() -> None:
    statement = judge(signed_response())
    assert statement.name_id.value == "jane@corp.example"
    assert statement.attributes == {"email": ("jane@corp.example",), "groups": ("staff",)}
    assert (statement.id, statement.session_index) == ("_assertion", "_session")
    assert statement.usable_until == NOW + timedelta(minutes=5)


def test_response_and_assertion_may_both_be_signed() -> None:
    assert judge(sign(signed_response())).id == "_assertion"


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


def test_sec_saml_sp_23_a_bearers_confirmation_begins_at_no_time_of_its_own() -> None:
    def begun(told: str) -> str:
        past = '<saml:SubjectConfirmationData NotBefore="2026-03-02T11:00:00Z"'
        return told.replace("<saml:SubjectConfirmationData", past)

    refuse(signed_response(edit=begun), "NotBefore")


def test_sec_saml_sp_22_a_name_for_another_service_provider_is_refused() -> None:
    def qualified(by: str) -> str:
        return signed_response(
            edit=lambda told: told.replace("<saml:NameID", f'<saml:NameID SPNameQualifier="{by}"')
        )

    refuse(qualified("https://other.example"), "SPNameQualifier")
    refuse(qualified(f"{FACTS.audience}/"), "SPNameQualifier")
    assert judge(qualified(FACTS.audience)).name_id.sp_name_qualifier == FACTS.audience
    assert judge(qualified("")).name_id.value == FACTS.name_id


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


@pytest.mark.parametrize(
    "other", ["<saml:BaseID/>", "<saml:EncryptedID/>", "<saml:NameID>eve</saml:NameID>"]
)
def test_a_person_who_is_named_in_two_ways_is_nobody(other: str) -> None:
    refuse(
        signed_response(edit=lambda told: told.replace("<saml:NameID", f"{other}<saml:NameID", 1))
    )
    refuse(
        signed_response(edit=lambda told: told.replace("</saml:NameID>", f"</saml:NameID>{other}"))
    )
