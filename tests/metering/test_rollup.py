"""What a tree of organisations uses, told to the one at its top."""

from time import perf_counter
from typing import Any

import asyncpg
import httpx

from leanvibe_server.kernel.house import House
from leanvibe_server.metering import service
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_people import system_scope
from tests.identity.given_sessions import set_policy
from tests.tenancy.given_trees import below, put_below

PATH = "/v1/tenants/me/organizations/usage"
NUMBERS = (
    "users_count",
    "projects_count",
    "api_calls_this_month",
    "storage_used_mb",
    "ai_requests_today",
    "concurrent_sessions",
)
# Organisations directly below one, each with three requests of today.
MANY = """
WITH made AS (
    INSERT INTO tenants (id, slug, organization_name, display_name, status, plan, data_residency,
        parent_tenant_id, admin_email, configuration, created_at, updated_at)
    SELECT gen_random_uuid(), 'many-' || gen_random_uuid(), 'Many', 'Many', 'active', 'team', 'us',
        $1, 'x@many.example', '{}', '2026-03-02', '2026-03-02' FROM generate_series(1, $2)
    RETURNING id
), placed AS (
    INSERT INTO tenant_ancestors SELECT id, $1, 1 FROM made
)
INSERT INTO usage_counters (tenant_id, metric, period, used)
SELECT id, 'ai_requests', '2026-03-02', 3 FROM made
"""


async def roll_up(client: httpx.AsyncClient, headers: dict[str, str], **query: Any) -> Any:
    answer = await client.get(PATH, params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def use(house: House, organisation: Organisation, metric: str, amount: int) -> None:
    async with house.database.tenant(organisation.id) as conn:
        scope = system_scope(house, organisation, conn)
        await service.add(scope, metric, amount)


async def add_projects(
    client: httpx.AsyncClient, organisation: Organisation, number: int
) -> dict[str, str]:
    headers = await organisation.headers(client)
    for index in range(number):
        made = await client.post("/v1/projects", json={"name": f"p{index}"}, headers=headers)
        assert made.status_code == 201, made.text
    return headers


async def test_the_sum_is_one_s_own_and_all_below_and_each_is_told(
    client: httpx.AsyncClient, house: House, acme: Organisation, north: Organisation
) -> None:
    pole = await below(house, north, "Pole")
    await add_projects(client, north, 2)
    await add_projects(client, pole, 1)
    await use(house, pole, "ai_requests", 7)
    await use(house, acme, "api_calls", 11)
    headers = await acme.headers(client, "admin")
    told = await roll_up(client, headers)
    assert [row["tenant_id"] for row in told["data"]] == [str(north.id), str(pole.id)]
    assert [row["depth"] for row in told["data"]] == [1, 2]
    assert told["organizations_count"] == 2
    assert told["own"]["tenant_id"] == str(acme.id)
    assert told["own"]["depth"] == 0
    every = [told["own"], *told["data"]]
    for name in NUMBERS:
        assert told["total"][name] == sum(row[name] for row in every), name
    assert [row["projects_count"] for row in every] == [0, 2, 1]
    assert [row["users_count"] for row in every] == [6, 2, 2]
    assert [row["ai_requests_today"] for row in every] == [0, 0, 7]
    assert every[0]["api_calls_this_month"] >= 11
    assert every[1]["quotas"]["max_ai_requests_per_day"] == 10_000


async def test_each_row_says_what_that_organisation_is_told_itself(
    client: httpx.AsyncClient,
    house: House,
    acme: Organisation,
    north: Organisation,
    clock: FakeClock,
) -> None:
    await set_policy(house, north, session_idle_minutes=15)
    await north.headers(client, "viewer")
    clock.advance(minutes=20)
    itself = await add_projects(client, north, 1)
    own = (await client.get("/v1/tenants/me/usage", headers=itself)).json()
    (row,) = (await roll_up(client, await acme.headers(client)))["data"]
    assert {name: row[name] for name in NUMBERS} == {name: own[name] for name in NUMBERS}
    assert row["quotas"] == own["quotas"]


async def test_pages_show_parts_and_the_sum_stays(
    client: httpx.AsyncClient, house: House, acme: Organisation, north: Organisation
) -> None:
    others = [await below(house, north, f"Town {index}") for index in range(3)]
    headers = await acme.headers(client)
    seen, cursor, totals = [], {}, []
    while True:
        told = await roll_up(client, headers, limit=2, **cursor)
        seen += [row["tenant_id"] for row in told["data"]]
        totals.append(told["total"]["users_count"])
        if not told["has_more"]:
            break
        cursor = {"cursor": told["next_cursor"]}
    assert seen == [str(one.id) for one in (north, *others)]
    assert totals == [6 + 4 * 2] * 2


async def test_nothing_is_told_of_those_above_beside_or_gone(
    client: httpx.AsyncClient,
    house: House,
    acme: Organisation,
    globex: Organisation,
    north: Organisation,
) -> None:
    south = await below(house, acme, "South")
    told = await roll_up(client, await north.headers(client))
    assert (told["data"], told["total"]["users_count"]) == ([], 2)
    await put_below(house, south.id, globex.id)
    told = await roll_up(client, await acme.headers(client))
    assert [row["tenant_id"] for row in told["data"]] == [str(north.id)]
    assert told["total"]["users_count"] == 8
    # Who acts for one below is told of what is below that.
    acting = await acme.headers(client) | {"X-Tenant-ID": str(north.id)}
    assert (await roll_up(client, acting))["own"]["tenant_id"] == str(north.id)
    for role in ("manager", "viewer"):
        answer = await client.get(PATH, headers=await acme.headers(client, role))
        assert answer.status_code == 403
    assert (await client.get(PATH)).status_code == 401


async def test_a_thousand_organisations_are_summed_in_one_go(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    await admin.execute(MANY, acme.id, 1_000)
    headers = await acme.headers(client)
    began = perf_counter()
    told = await roll_up(client, headers, limit=100)
    took_s = perf_counter() - began
    await admin.execute("DELETE FROM tenants WHERE parent_tenant_id = $1", acme.id)
    assert took_s < 3
    assert told["organizations_count"] == 1_000
    assert told["total"]["ai_requests_today"] == 3_000
    assert [row["ai_requests_today"] for row in told["data"]] == [3] * 100
