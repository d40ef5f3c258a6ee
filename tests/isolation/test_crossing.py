"""Crossing from one tenant to another: only by a switch, or behind the glass for a reason."""

import asyncpg
import httpx

from leanvibe_server.identity.models import User
from leanvibe_server.identity.users import require_user
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import PLATFORM_TENANT
from tests.given import PASSWORD, Organisation, platform_headers
from tests.identity.given_people import add_person, system_scope


async def _owner_of(house: House, organisation: Organisation) -> User:
    async with house.database.tenant(organisation.id) as conn:
        scope = system_scope(house, organisation, conn)
        return await require_user(scope, organisation.people["owner"].id)


async def test_sec_tenant_isolation_api_04_who_is_in_two_tenants_sees_one_until_they_switch(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation, house: House
) -> None:
    theirs = await client.post(
        "/v1/projects", json={"name": "theirs"}, headers=await globex.headers(client)
    )
    person = acme.people["owner"]
    await add_person(
        house, globex, email=person.email, role="viewer", account_of=await _owner_of(house, acme)
    )
    login = {"email": person.email, "password": PASSWORD, "tenant_id": str(acme.id)}
    here = (await client.post("/v1/auth/login", json=login)).json()["access_token"]
    path = f"/v1/projects/{theirs.json()['id']}"
    headers = {"Authorization": f"Bearer {here}"}
    assert (await client.get(path, headers=headers)).status_code == 404
    named = headers | {"X-Tenant-ID": str(globex.id)}
    assert (await client.get(path, headers=named)).status_code == 403
    moved = await client.post(
        "/v1/auth/switch-tenant", json={"tenant_id": str(globex.id)}, headers=headers
    )
    there = {"Authorization": f"Bearer {moved.json()['access_token']}"}
    assert (await client.get(path, headers=there)).status_code == 200
    # And there they are what they are there.
    assert (await client.delete(path, headers=there)).status_code == 403


async def test_sec_tenant_isolation_api_13_the_platform_looks_into_a_tenant_for_a_reason_only(
    client: httpx.AsyncClient, acme: Organisation, house: House, admin: asyncpg.Connection
) -> None:
    bare = await platform_headers(house, client) | {"X-Tenant-ID": str(acme.id)}
    for reason in ({}, {"X-Break-Glass-Reason": "why"}):
        assert (await client.get("/v1/projects", headers=bare | reason)).status_code == 403
    glass = bare | {"X-Break-Glass-Reason": "Support case 4711, asked by the owner"}
    assert (await client.get("/v1/projects", headers=glass)).status_code == 200
    assert (await client.get("/v1/projects", headers=bare)).status_code == 403
    for method, path in (("POST", "/v1/projects"), ("DELETE", "/v1/tenants/me")):
        answer = await client.request(method, path, json={"name": "x"}, headers=glass)
        assert answer.status_code == 403
        assert answer.json()["details"]["required_permission"]
    for log in (acme.id, PLATFORM_TENANT):
        told = await admin.fetchval(
            "SELECT count(*) FROM events WHERE tenant_id = $1 AND name = 'break_glass.used'"
            " AND payload->>'into_tenant_id' = $2",
            log,
            str(acme.id),
        )
        assert told == 3
