"""Metadata of both sides, and our keys."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from lxml import etree

from leanvibe_server.identity.saml.metadata import IdpMetadata, read_metadata
from leanvibe_server.identity.saml.refusals import Refused
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.saml.documents import (
    IDP,
    IDP_ENTITY,
    NOW,
    OTHER,
    metadata,
    new_pair,
    sign,
    signed_response,
)
from tests.identity.saml.provider import connect, deliver

MD = "{urn:oasis:names:tc:SAML:2.0:metadata}"
KEYS = "/v1/auth/saml/keys"


def read(text: str, **options: Any) -> IdpMetadata:
    usual: dict[str, Any] = {"now": NOW, "pinned": None, "https_only": True}
    return read_metadata(text.encode(), **(usual | options))


def test_metadata_says_who_and_where_and_by_which_keys() -> None:
    found = read(metadata())
    assert (found.entity_id, found.sign_on.url) == (IDP_ENTITY, "https://idp.example/sso")
    assert found.logout is not None
    assert found.certificates == (IDP.certificate,)
    commented = metadata().replace("<md:IDPSSO", "<!-- ours -->\n<md:IDPSSO")
    assert read(commented).entity_id == IDP_ENTITY


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<!DOCTYPE x>" + metadata(), "DOCTYPE"),
        (metadata(valid_until=NOW), "expired"),
        (metadata(valid_until=NOW - timedelta(days=1)), "expired"),
        (metadata(sso="http://idp.example/sso"), "https"),
        (metadata(sso="javascript:alert(1)"), "https"),
        (metadata(sso="https://user@idp.example/"), "cannot be used"),
        (metadata(pairs=()), "1 to 6"),
        (metadata(pairs=(new_pair(bits=1024),)), "too weak"),
        (metadata(pairs=(new_pair(begins=NOW - timedelta(days=40), days=30),)), "expired"),
        (metadata(entity=""), "entityID"),
        (metadata().replace("IDPSSODescriptor", "SPSSODescriptor"), "no IDPSSODescriptor"),
        (metadata().replace(IDP.der, "AAAA"), "cannot be read"),
        (metadata().replace(IDP.der, f"AA<!--x-->{IDP.der}"), "comment"),
        ("<x/>", "no metadata"),
    ],
)
def test_sec_saml_sp_34_metadata_that_cannot_be_trusted_is_refused(text: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        read(text)


def test_sec_saml_sp_34_pinned_metadata_must_be_signed_by_the_pinned_certificate() -> None:
    with pytest.raises(Refused, match="not signed"):
        read(metadata(), pinned=IDP.certificate)
    signed = _signed_metadata()
    assert read(signed, pinned=IDP.certificate).entity_id == IDP_ENTITY
    with pytest.raises(Refused, match="not made with"):
        read(signed, pinned=OTHER.certificate)
    with pytest.raises(Refused, match="not made with"):
        read(
            signed.replace("https://idp.example/sso", "https://evil.example/"),
            pinned=IDP.certificate,
        )


def _signed_metadata() -> str:
    root: Any = etree.fromstring(sign(metadata()))
    root.insert(0, root[1])
    return str(etree.tostring(root).decode())


async def test_sec_saml_sp_34_both_certificates_count_during_a_rollover(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    corp = await connect(client, acme, text=metadata(pairs=(IDP, OTHER)))
    for number, pair in enumerate((IDP, OTHER)):
        flow = await corp.set_off()
        document = signed_response(flow.facts(assertion_id=f"_{number}"), pair=pair)
        assert (await deliver(client, flow, document)).status_code == 200


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"metadata_xml": "<x/>"},
        {"metadata_xml": ""},
        {"metadata_xml": 7},
        {"metadata_xml": metadata(), "unknown": 1},
        {"metadata_xml": metadata(), "idp_initiated": "yes"},
        {"metadata_xml": metadata(), "metadata_certificate": "nonsense"},
        {"metadata_xml": metadata(), "metadata_certificate": OTHER.pem},
    ],
)
async def test_bad_entries_name_the_field(
    client: httpx.AsyncClient, acme: Organisation, settings: dict[str, Any]
) -> None:
    body = {"provider_type": "saml", "provider_name": "Corp", "settings": settings}
    headers = await acme.headers(client)
    answer = await client.post("/v1/auth/sso/providers", json=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert answer.json()["details"]["field"]


async def test_metadata_beside_the_settings_is_told_its_place(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    body = {"provider_type": "saml", "provider_name": "Corp", "metadata_xml": metadata()}
    headers = await acme.headers(client)
    answer = await client.post("/v1/auth/sso/providers", json=body, headers=headers)
    assert answer.status_code == 400
    assert "settings.metadata_xml" in answer.json()["message"]


async def test_metadata_may_be_imported_anew_for_the_same_provider_only(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    corp = await connect(client, acme)
    headers = await acme.headers(client)
    path = f"/v1/auth/sso/providers/{corp.provider_id}"

    async def change(text: str) -> httpx.Response:
        return await client.patch(path, json={"settings": {"metadata_xml": text}}, headers=headers)

    assert (await change(metadata(entity="https://evil.example"))).status_code == 400
    assert (await change(metadata(pairs=(OTHER,)))).status_code == 200
    flow = await corp.set_off()
    assert (await deliver(client, flow)).status_code == 401
    document = signed_response(flow.facts(), pair=OTHER)
    assert (await deliver(client, flow, document)).status_code == 200
    shown = (await client.get(path, headers=headers)).json()
    assert "metadata_xml" not in shown["settings"]


async def test_a_test_tells_of_certificates_that_end(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    soon = new_pair(begins=clock.now() - timedelta(days=10), days=20)
    corp = await connect(client, acme, text=metadata(pairs=(soon,)))
    answer = await client.post(
        f"/v1/auth/sso/providers/{corp.provider_id}/test", headers=await acme.headers(client)
    )
    assert answer.json()["success"] is False
    assert "valid until" in answer.json()["checks"][0]["message"]


def certificates(text: str, use: str = "signing") -> list[str]:
    root: Any = etree.fromstring(text.encode())
    path = f"//*[local-name()='KeyDescriptor'][@use='{use}']//*[local-name()='X509Certificate']"
    return [element.text for element in root.xpath(path)]


async def test_our_metadata_is_complete(client: httpx.AsyncClient, acme: Organisation) -> None:
    corp = await connect(client, acme)
    text = (await client.get(f"{corp.base}/metadata")).text
    root: Any = etree.fromstring(text.encode())
    role = root.find(f"{MD}SPSSODescriptor")
    assert root.get("entityID") == f"{corp.base}/metadata"
    assert (role.get("AuthnRequestsSigned"), role.get("WantAssertionsSigned")) == ("true", "true")
    places = [e.get("Location") for e in role.findall(f"{MD}AssertionConsumerService")]
    assert places == [f"{corp.base}/acs", "http://localhost:8765/v1/auth/saml/sso"]
    assert len(role.findall(f"{MD}SingleLogoutService")) == 2
    assert certificates(text) == certificates(text, "encryption")


async def test_our_keys_change_with_overlap(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    corp = await connect(client, acme)
    headers = await acme.headers(client)

    async def shown() -> list[str]:
        return certificates((await client.get(f"{corp.base}/metadata")).text)

    before = await shown()
    made = await client.post(KEYS, headers=headers)
    assert (made.status_code, made.json()["status"]) == (201, "next")
    assert (await client.post(KEYS, headers=headers)).status_code == 409
    assert len(both := await shown()) == 2
    assert both[0] == before[0]
    used = await client.post(f"{KEYS}/{made.json()['id']}/activate", headers=headers)
    assert used.json()["status"] == "current"
    assert await shown() == both[1:]
    view = (await client.get("/v1/auth/saml/service-provider", headers=headers)).json()
    assert [key["status"] for key in view["certificates"]] == ["current", "previous"]
    gone = await client.delete(f"{KEYS}/{made.json()['id']}", headers=headers)
    assert gone.status_code == 409
    clock.advance(days=8)
    headers = await acme.headers(client)
    view = (await client.get("/v1/auth/saml/service-provider", headers=headers)).json()
    assert [key["status"] for key in view["certificates"]] == ["current"]


async def test_a_next_key_can_be_withdrawn_and_only_admins_touch_keys(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    await connect(client, acme)
    headers = await acme.headers(client)
    made = (await client.post(KEYS, headers=headers)).json()
    assert (await client.delete(f"{KEYS}/{made['id']}", headers=headers)).status_code == 204
    developer = await acme.headers(client, "developer")
    assert (await client.post(KEYS, headers=developer)).status_code == 403
