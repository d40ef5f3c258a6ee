"""Metadata that is read from an address: what it may be, and what its address may not."""

from dataclasses import replace

import httpx
import pytest

from tests.given import Organisation
from tests.identity.saml.documents import IDP, NOW, OTHER, metadata, sign, signed_response
from tests.identity.saml.provider import Connected, deliver
from tests.identity.saml.publishing import ADDRESS, Publisher, publish, published


@pytest.fixture
def publisher(acme: Organisation) -> Publisher:
    return publish(acme.house)


async def add(
    client: httpx.AsyncClient, acme: Organisation, **settings: object
) -> tuple[int, dict[str, object]]:
    """What the API says to the owner who adds the provider."""
    body = {
        "provider_type": "saml",
        "provider_name": "Corp",
        "settings": {"metadata_url": ADDRESS} | settings,
    }
    headers = await acme.headers(client)
    answer = await client.post("/v1/auth/sso/providers", json=body, headers=headers)
    told = answer.json()
    return answer.status_code, told.get("details", told)


async def test_metadata_is_read_from_its_address_and_read_again_when_asked(
    client: httpx.AsyncClient, acme: Organisation, publisher: Publisher
) -> None:
    status, told = await add(client, acme)
    assert (status, publisher.asked) == (201, ["idp.example"])
    path = f"/v1/auth/sso/providers/{told['id']}"
    headers = await acme.headers(client)
    publisher.answer = published(metadata(pairs=(IDP, OTHER)))
    tested = (await client.post(f"{path}/test", headers=headers)).json()
    assert (tested["success"], "has changed" in str(tested["checks"])) == (False, True)
    again = await client.patch(path, json={"settings": {}}, headers=headers)
    assert again.status_code == 200, again.text
    corp = Connected(acme, again.json()["id"])
    flow = await corp.set_off()
    assert (await deliver(client, flow, signed_response(flow.facts(), pair=OTHER))).is_success
    publisher.answer = published(metadata(entity="https://other.example"))
    refused = await client.patch(path, json={"settings": {}}, headers=headers)
    assert (refused.status_code, refused.json()["details"]["field"]) == (400, "metadata_url")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(302, headers={"Location": "http://169.254.169.254/"}),
        httpx.Response(404),
        published("<x/>"),
        published(metadata() * 2),
        published(metadata(valid_until=NOW)),
        published(f'<m xmlns="urn:oasis:names:tc:SAML:2.0:metadata">{metadata()}</m>'),
        published(metadata().replace("<md:", "<!--" + "x" * 300_000 + "--><md:", 1)),
    ],
)
async def test_sec_saml_sp_34_an_address_that_gives_no_good_metadata_is_named(
    client: httpx.AsyncClient, acme: Organisation, publisher: Publisher, answer: httpx.Response
) -> None:
    publisher.answer = answer
    status, told = await add(client, acme)
    assert (status, told["field"]) == (400, "metadata_url")


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::1"])
async def test_an_address_inside_the_network_is_not_asked(
    client: httpx.AsyncClient, acme: Organisation, publisher: Publisher, address: str
) -> None:
    publisher.leads_to = address
    status, told = await add(client, acme)
    assert (status, told["field"], publisher.asked) == (400, "metadata_url", [])


async def test_sec_saml_sp_34_metadata_over_plain_http_is_for_development_only(
    client: httpx.AsyncClient, acme: Organisation, publisher: Publisher
) -> None:
    headers = await acme.headers(client)
    acme.house.settings = replace(acme.house.settings, environment="production")
    body = {
        "provider_type": "saml",
        "provider_name": "Corp",
        "settings": {"metadata_url": ADDRESS.replace("https", "http")},
    }
    answer = await client.post("/v1/auth/sso/providers", json=body, headers=headers)
    assert (answer.status_code, publisher.asked) == (400, [])
    assert answer.json()["details"]["field"] == "metadata_url"


async def test_sec_saml_sp_34_pinned_metadata_must_be_signed_at_its_address_too(
    client: httpx.AsyncClient, acme: Organisation, publisher: Publisher
) -> None:
    for text, wanted in (
        (metadata(), 400),
        (sign(metadata(), OTHER), 400),
        (sign(metadata(), IDP), 201),
    ):
        publisher.answer = published(text)
        status, _ = await add(client, acme, metadata_certificate=IDP.pem)
        assert status == wanted
