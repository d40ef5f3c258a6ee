"""A tenant's region is found at once, for good, and costs nothing where there is only one."""

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import InvalidRequest
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import Reason, across_tenants
from leanvibe_server.kernel.regions import PLATFORM_TENANT, Whereabouts
from leanvibe_server.tenancy.directory import require_region
from tests.given import PASSWORD, Organisation, platform_headers
from tests.tenancy.given_trees import create_below

pytestmark = pytest.mark.filterwarnings("error")


async def _count(world: House, region: str, statement: str, *values: object) -> int:
    async with across_tenants(world.database, Reason.DEMO, region=region) as conn:
        count: int = await conn.fetchval(statement, *values)
    return count


async def test_a_tenant_s_rows_are_in_its_region_and_nowhere_else(
    world: House, berlin: Organisation, boston: Organisation
) -> None:
    for table, column in (("tenants", "id"), ("users", "tenant_id"), ("events", "tenant_id")):
        statement = f"SELECT count(*) FROM {table} WHERE {column} = $1"
        assert await _count(world, "eu", statement, berlin.id) > 0, table
        assert await _count(world, "us", statement, berlin.id) == 0, table
        assert await _count(world, "us", statement, boston.id) > 0, table
        assert await _count(world, "eu", statement, boston.id) == 0, table


async def test_people_of_every_region_sign_in_at_one_address_and_see_their_own(
    caller: httpx.AsyncClient, berlin: Organisation, boston: Organisation
) -> None:
    for organisation in (berlin, boston):
        headers = await organisation.headers(caller)
        info = (await caller.get("/v1/tenants/me/info", headers=headers)).json()
        assert info["id"] == str(organisation.id)
        made = await caller.post("/v1/projects", json={"name": "one"}, headers=headers)
        assert made.status_code == 201, made.text
    headers = await boston.headers(caller)
    foreign = await caller.get(f"/v1/tenants/{berlin.id}", headers=headers)
    assert foreign.status_code == 404


async def test_health_is_that_of_the_caller_s_own_region(
    caller: httpx.AsyncClient, berlin: Organisation, boston: Organisation
) -> None:
    for organisation, region in ((berlin, "eu"), (boston, "us")):
        headers = await organisation.headers(caller)
        whole = (await caller.get("/v1/health", headers=headers)).json()
        assert whole["services"]["database"]["region"] == region
        path = f"/v1/health/tenant/{organisation.id}"
        own = (await caller.get(path, headers=headers)).json()
        assert own["services"]["database"]["region"] == own["data_residency"] == region
    foreign = await caller.get(f"/v1/health/tenant/{berlin.id}", headers=headers)
    assert foreign.status_code == 404


async def test_the_directory_holds_of_a_person_elsewhere_only_a_keyed_hash(
    world: House, berlin: Organisation, admin: asyncpg.Connection
) -> None:
    rows = await admin.fetch("SELECT * FROM remote_directory WHERE tenant_id = $1", berlin.id)
    assert len(rows) == len(berlin.people)
    assert {type(value) for row in rows for value in row.values()} <= {
        asyncpg.pgproto.pgproto.UUID,
        UUID,
        bytes,
        type(rows[0]["noted_at"]),
    }
    entry = await admin.fetchrow("SELECT * FROM tenant_directory WHERE tenant_id = $1", berlin.id)
    assert entry is not None
    assert (entry["slug"], entry["region"]) == (berlin.tenant.slug, "eu")


async def test_a_slug_is_taken_in_every_region_once_it_is_in_one(
    caller: httpx.AsyncClient, berlin: Organisation
) -> None:
    for region in ("us", "eu", "au"):
        again = await caller.post(
            "/v1/tenants",
            json={
                "organization_name": "Another",
                "slug": berlin.tenant.slug,
                "admin_email": f"a@{uuid4().hex}.example",
                "plan": "enterprise",
                "data_residency": region,
            },
        )
        assert (again.status_code, again.json()["details"]["field"]) == (409, "slug"), region


@pytest.mark.parametrize(
    ("plan", "region", "status"),
    [
        ("developer", "us", 201),
        ("developer", "eu", 400),
        ("team", "eu", 201),
        ("team", "au", 400),
        ("enterprise", "au", 201),
        ("enterprise", "ca", 400),
        ("enterprise", "mars", 400),
    ],
)
async def test_a_plan_holds_its_regions_as_far_as_they_have_a_database(
    caller: httpx.AsyncClient, world: House, plan: str, region: str, status: int
) -> None:
    answer = await caller.post(
        "/v1/tenants",
        json={
            "organization_name": f"Org {uuid4().hex}",
            "admin_email": f"owner@{uuid4().hex}.example",
            "plan": plan,
            "data_residency": region,
        },
    )
    assert answer.status_code == status, answer.text
    if status == 201:
        assert answer.json()["data_residency"] == region
        there = "SELECT count(*) FROM tenants WHERE id = $1"
        assert await _count(world, region, there, UUID(answer.json()["id"])) == 1
    else:
        assert answer.json()["details"]["field"] == "data_residency"


@pytest.mark.parametrize(
    ("region", "production", "advice"),
    [
        ("ca", False, "DEV_REGIONS=all ./start.sh"),
        ("ca", True, "which only its operator can change"),
        ("mars", False, "there is no other region"),
    ],
)
def test_who_asks_for_a_region_without_a_database_is_told_what_to_do(
    world: House, region: str, production: bool, advice: str
) -> None:
    settings = replace(world.settings, environment="production" if production else "development")
    with pytest.raises(InvalidRequest) as refused:
        require_region(replace(world, settings=settings), region)
    assert advice in refused.value.message
    assert ("DEV_REGIONS" in refused.value.message) == (region == "ca" and not production)
    assert refused.value.details["available_regions"] == list(world.database.regions)


async def test_a_platform_admin_s_new_organisation_lives_where_the_one_above_does(
    caller: httpx.AsyncClient, world: House, berlin: Organisation
) -> None:
    headers = await platform_headers(world, caller)
    made = await create_below(caller, headers, berlin.id, "Potsdam", plan="team")
    assert (made.status_code, made.json()["data_residency"]) == (201, "eu"), made.text
    elsewhere = await create_below(caller, headers, berlin.id, "Boston", data_residency="us")
    assert (elsewhere.status_code, elsewhere.json()["details"]["field"]) == (400, "data_residency")


async def test_an_invited_owner_of_another_region_comes_in_by_the_link_in_the_mail(
    caller: httpx.AsyncClient, world: House
) -> None:
    email = f"owner@{uuid4().hex}.example"
    made = await caller.post(
        "/v1/tenants",
        json={
            "organization_name": "Perth Works",
            "admin_email": email,
            "plan": "enterprise",
            "data_residency": "au",
        },
    )
    async with across_tenants(world.database, Reason.DEMO, region="au") as conn:
        body = await _mail_to(conn, email)
    token = body.partition("/invitations/")[2].split()[0]
    accepted = await caller.post(
        "/v1/auth/invitations/accept", json={"token": token, "password": PASSWORD}
    )
    assert accepted.status_code == 200, accepted.text
    answer = await caller.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    info = (await caller.get("/v1/tenants/me/info", headers=headers)).json()
    assert (info["id"], info["data_residency"]) == (made.json()["id"], "au")


async def _mail_to(conn: Connection, email: str) -> str:
    body: str = await conn.fetchval(
        "SELECT body FROM outgoing_mail WHERE recipient = $1 ORDER BY id DESC LIMIT 1", email
    )
    return body


async def test_what_was_learned_is_asked_once_and_an_unknown_tenant_is_asked_again() -> None:
    asked: list[UUID] = []
    known, unknown = uuid4(), uuid4()

    async def ask(tenant_id: UUID) -> str | None:
        asked.append(tenant_id)
        return "eu" if tenant_id == known else None

    whereabouts = Whereabouts("us", ask)
    for _ in range(3):
        assert await whereabouts.region_of(known) == "eu"
        assert await whereabouts.region_of(unknown) == "us"
        assert await whereabouts.region_of(PLATFORM_TENANT) == "us"
    assert asked == [known, unknown, unknown, unknown]


async def test_an_installation_with_one_region_never_asks_the_directory(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    async with admin.transaction():
        # Whoever reads it now waits until the end of this block.
        await admin.execute("LOCK TABLE tenant_directory IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(10):
            headers = await acme.headers(client)
            assert (await client.get("/v1/projects", headers=headers)).status_code == 200
