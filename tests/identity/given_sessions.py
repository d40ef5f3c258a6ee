"""Sessions for tests: opened over HTTP, from any address and program."""

from typing import Any

import asyncpg
import httpx

from leanvibe_server.kernel.house import House
from leanvibe_server.tenancy import service as tenancy
from leanvibe_server.wiring import Doors
from tests.given import Organisation
from tests.identity.given_people import system_scope


def coming_from(doors: Doors, address: str, agent: str = "tests") -> httpx.AsyncClient:
    """A client of the whole application at another address."""
    transport = httpx.ASGITransport(
        app=doors.app, raise_app_exceptions=False, client=(address, 4242)
    )
    return httpx.AsyncClient(
        transport=transport, base_url="http://localhost:8765", headers={"User-Agent": agent}
    )


async def sign_in(
    client: httpx.AsyncClient, organisation: Organisation, role: str = "owner", **more: Any
) -> dict[str, Any]:
    """The answer to a sign-in of the person of a role."""
    person = organisation.people[role]
    answer = await client.post(
        "/v1/auth/login", json={"email": person.email, "password": person.password, **more}
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def status(client: httpx.AsyncClient, tokens: dict[str, Any]) -> int:
    """What the API says to these tokens."""
    return (await client.get("/v1/auth/me", headers=bearer(tokens))).status_code


async def set_policy(house: House, organisation: Organisation, **policy: Any) -> None:
    """Give an organisation a security policy, behind the back of its API."""
    async with house.database.tenant(organisation.id) as conn:
        await tenancy.set_security(system_scope(house, organisation, conn), policy)


async def names_of_events(admin: asyncpg.Connection, organisation: Organisation) -> list[str]:
    """What happened in an organisation, in order."""
    rows = await admin.fetch(
        "SELECT name FROM events WHERE tenant_id = $1 ORDER BY id", organisation.id
    )
    return [row["name"] for row in rows]
