"""Encrypted assertions: opened where they are signed too, and for us."""

from tests.identity.saml.documents import (
    ENC,
    OTHER,
    SP,
    assertion_text,
    encrypt,
    response_text,
    sign,
    signed_response,
)
from tests.identity.saml.judging import FACTS, judge, refuse, text, tree


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
