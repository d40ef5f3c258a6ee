"""A judge of responses, and the means to bend them, for tests."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from lxml import etree

from leanvibe_server.identity.saml.assertions import Expected, Statement
from leanvibe_server.identity.saml.refusals import Refused
from leanvibe_server.identity.saml.responses import Trust, open_response
from leanvibe_server.identity.saml.xml import parse
from tests.identity.saml.documents import (
    DS,
    ENC,
    IDP,
    IDP_ENTITY,
    NOW,
    SAML,
    SAMLP,
    SP,
    Facts,
    Pair,
    assertion_text,
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
    """What the verifier believes of a response."""
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
