"""A tenant with a provider of its own: what the tests of OpenID Connect stand on."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import asyncpg
import httpx

from leanvibe_server.identity.federation.models import SsoProvider
from tests.fakes.oidc_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    FakeProvider,
    Person,
    connect,
)
from tests.given import Organisation
from tests.identity.given_providers import add_provider


@dataclass
class World:
    """An organisation, its provider at the outside, and a program that signs people in."""

    client: httpx.AsyncClient
    organisation: Organisation
    idp: FakeProvider
    provider: SsoProvider

    async def begin(self, **query: str) -> dict[str, Any]:
        answer = await self.client.get(
            f"/v1/auth/sso/{self.provider.slug}",
            params=query,
            headers={"X-Tenant-Slug": self.organisation.tenant.slug},
        )
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def come_back(self, person: Person | None = None, **query: str) -> dict[str, str]:
        """A sign-in up to what the provider sends the browser back with."""
        begun = await self.begin(**query)
        return self.idp.authorize(begun["redirect_url"], person)

    async def finish(self, back: dict[str, str], **fields: Any) -> httpx.Response:
        body = {
            "email": "ada@corp.example",
            "provider": self.provider.slug,
            "auth_code": back.get("code"),
            "state": back.get("state"),
            "iss": back.get("iss"),
        } | fields
        return await self.client.post("/v1/auth/login", json=body)

    async def sign_in(self, person: Person | None = None) -> httpx.Response:
        return await self.finish(await self.come_back(person))


async def make_world(client: httpx.AsyncClient, acme: Organisation, **fields: Any) -> World:
    """The organisation with a provider that a fake issuer stands behind."""
    idp = FakeProvider(acme.house, issuer=str(fields.get("issuer", FakeProvider.issuer)))
    connect(acme.house, idp)
    values = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "issuer": idp.issuer} | fields
    return World(client, acme, idp, await add_provider(acme.house, acme, **values))


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


async def sessions_of(admin: asyncpg.Connection, world: World) -> int:
    count: int = await admin.fetchval(
        "SELECT count(*) FROM sessions WHERE tenant_id = $1", world.organisation.id
    )
    return count


async def refused(world: World, reason: str, person: Person | None = None) -> None:
    """A whole sign-in that ends in a 400 with that reason, and in no session."""
    answer = await world.sign_in(person)
    assert answer.status_code == 400, answer.text
    assert answer.json()["details"]["reason"] == reason, answer.text
