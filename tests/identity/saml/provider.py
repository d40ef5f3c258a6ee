"""A tenant with a SAML provider, and sign-ins on their way between the two."""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
from lxml import etree

from leanvibe_server.identity.federation import service as providers
from leanvibe_server.identity.federation.protocols import Departure, Wish
from leanvibe_server.identity.saml.bindings import inflate
from leanvibe_server.identity.saml.protocol import SamlProtocol
from leanvibe_server.identity.visits import scope_in
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.request import Visit
from tests.given import Organisation
from tests.identity.saml.documents import Facts, metadata, signed_response

BASE = "http://localhost:8765"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def visit_to(house: House) -> Visit:
    return Visit(
        house=house, request_id="req_test", method="GET", path="/", headers={}, cookies={},
        address="192.0.2.1", secure=False,
    )  # fmt: skip


@dataclass(frozen=True)
class Connected:
    """A tenant whose people sign in by a SAML provider."""

    tenant: Organisation
    provider_id: UUID

    @property
    def house(self) -> House:
        return self.tenant.house

    @property
    def base(self) -> str:
        return f"{BASE}/v1/auth/saml/{self.tenant.tenant.slug}"

    @property
    def email(self) -> str:
        """An address of nobody yet."""
        return f"jane@{self.tenant.tenant.slug}.example"

    async def set_off(self, *, web: bool = False, next_path: str = "/") -> "Flow":
        visit = visit_to(self.house)
        async with self.house.database.tenant(self.tenant.id) as conn:
            scope = scope_in(visit, conn, self.tenant.id, plan="enterprise")
            provider = await providers.require_provider(scope, self.provider_id)
        departure = await SamlProtocol().depart(
            visit, provider, Wish(web=web, next_path=next_path), plan="enterprise"
        )
        return Flow(self, departure)

    def facts(self, **changes: Any) -> Facts:
        slug = self.tenant.tenant.slug
        usual: dict[str, Any] = {
            "acs": f"{self.base}/acs",
            "audience": f"{self.base}/metadata",
            "now": self.house.clock.now(),
            "request_id": None,
            "name_id": self.email,
            "assertion_id": f"_a{slug}",
            "session_index": f"_s{slug}",
            "attributes": {"email": [self.email], "groups": ["staff"]},
        }
        return Facts(**(usual | changes))


@dataclass(frozen=True)
class Flow:
    """A sign-in under way."""

    connected: Connected
    departure: Departure

    @property
    def handle(self) -> str:
        return self.departure.state

    def request(self) -> Any:
        """Our AuthnRequest, as the provider gets it."""
        query = parse_qs(urlsplit(self.departure.url).query)
        return etree.fromstring(inflate(b64decode(query["SAMLRequest"][0])))

    def facts(self, **changes: Any) -> Facts:
        return self.connected.facts(**({"request_id": self.request().get("ID")} | changes))

    def cookies(self) -> dict[str, str]:
        assert self.departure.cookie is not None
        name, value = self.departure.cookie
        return {"Cookie": f"{name}={value}"}


def posted(document: str, relay_state: str | None = None) -> dict[str, str]:
    fields = {"SAMLResponse": b64encode(document.encode()).decode()}
    return fields if relay_state is None else fields | {"RelayState": relay_state}


async def deliver(
    client: httpx.AsyncClient,
    flow: Flow,
    document: str | None = None,
    *,
    path: str = "/v1/auth/saml/sso",
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    text = signed_response(flow.facts()) if document is None else document
    return await client.post(path, data=posted(text, flow.handle), headers=headers)


async def connect(
    client: httpx.AsyncClient, tenant: Organisation, *, text: str | None = None, **entries: Any
) -> Connected:
    """Have the tenant's owner add the provider."""
    settings = {"metadata_xml": text or metadata()} | entries.pop("settings", {})
    body = {"provider_type": "saml", "provider_name": "Corp", "settings": settings} | entries
    answer = await client.post(
        "/v1/auth/sso/providers", json=body, headers=await tenant.headers(client)
    )
    assert answer.status_code == 201, answer.text
    return Connected(tenant, UUID(answer.json()["id"]))
