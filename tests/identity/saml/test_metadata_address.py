"""Metadata that is read from an address: what it may be, and what its address may not."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import httpx
import pytest

from leanvibe_server.kernel.outbound import OutboundClient
from tests.given import Organisation
from tests.identity.saml.documents import IDP, NOW, OTHER, metadata, sign, signed_response
from tests.identity.saml.provider import Connected, deliver

ADDRESS = "https://idp.example/metadata"


@dataclass
class Publisher:
    """What is at the address."""

    answer: httpx.Response = field(default_factory=lambda: published(metadata()))
    leads_to: str = "8.8.8.8"
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.headers["host"])
        return self.answer

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        return (self.leads_to,)


def published(text: str) -> httpx.Response:
    return httpx.Response(200, text=text)


@pytest.fixture
def publisher(acme: Organisation) -> Publisher:
    there = Publisher()
    outbound = acme.house.part(OutboundClient)
    outbound.transport, outbound.resolve = httpx.MockTransport(there), there.resolve
    outbound.tries, outbound.allow_private = 1, False
    return there


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
