"""A repeated POST gets the first answer; a different one under the same key is refused."""

import asyncio
from uuid import uuid4

import httpx

from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.idempotency import sweep_idempotency_keys
from tests.conftest import FakeClock
from tests.given import Organisation


async def test_a_repeat_with_the_same_body_gets_the_first_answer_and_makes_nothing(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client) | {"Idempotency-Key": str(uuid4())}
    first = await client.post("/v1/projects", json={"name": "one"}, headers=headers)
    again = await client.post("/v1/projects", json={"name": "one"}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    listed = await client.get("/v1/projects", headers=headers)
    assert len(listed.json()["data"]) == 1


async def test_another_body_or_path_under_the_same_key_is_a_conflict(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client) | {"Idempotency-Key": "mine"}
    await client.post("/v1/projects", json={"name": "one"}, headers=headers)
    body = await client.post("/v1/projects", json={"name": "two"}, headers=headers)
    path = await client.post("/v1/tasks", json={"name": "one"}, headers=headers)
    assert (body.status_code, path.status_code) == (409, 409)


async def test_ten_repeats_at_once_make_one_thing(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client) | {"Idempotency-Key": "at once"}
    answers = await asyncio.gather(
        *(client.post("/v1/projects", json={"name": "one"}, headers=headers) for _ in range(10))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_an_answer_that_bears_a_secret_is_never_given_twice(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client) | {"Idempotency-Key": "a key"}
    first = await client.post("/v1/api-keys", json={"name": "ci"}, headers=headers)
    again = await client.post("/v1/api-keys", json={"name": "ci"}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 409)
    assert "lv_" not in again.text


async def test_a_refused_request_may_be_tried_again_under_its_key(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client) | {"Idempotency-Key": "later"}
    refused = await client.post("/v1/projects", json={"name": ""}, headers=headers)
    made = await client.post("/v1/projects", json={"name": "now"}, headers=headers)
    assert (refused.status_code, made.status_code) == (400, 201)


async def test_a_key_is_forgotten_after_a_day(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    key = await _api_key(client, acme)
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "daily"}
    first = await client.post("/v1/projects", json={"name": "one"}, headers=headers)
    clock.advance(hours=25)
    second = await client.post("/v1/projects", json={"name": "one"}, headers=headers)
    assert first.json()["id"] != second.json()["id"]


async def test_sec_tenant_isolation_api_07_one_tenant_s_key_replays_nothing_to_another(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    shared = {"Idempotency-Key": "the same"}
    first = await client.post(
        "/v1/projects", json={"name": "one"}, headers=await acme.headers(client) | shared
    )
    other = await client.post(
        "/v1/projects", json={"name": "one"}, headers=await globex.headers(client) | shared
    )
    assert other.status_code == 201
    assert other.json()["id"] != first.json()["id"]


async def _api_key(client: httpx.AsyncClient, acme: Organisation) -> str:
    answer = await client.post(
        "/v1/api-keys", json={"name": "ci"}, headers=await acme.headers(client)
    )
    return str(answer.json()["key"])


async def test_the_worker_sweeps_keys_that_hold_no_longer(
    house: House, clock: FakeClock, client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    await client.post(
        "/v1/projects", json={"name": "a"}, headers=headers | {"Idempotency-Key": "a"}
    )
    clock.advance(hours=23)
    headers = await acme.headers(client)
    await client.post(
        "/v1/projects", json={"name": "b"}, headers=headers | {"Idempotency-Key": "b"}
    )
    clock.advance(hours=2)
    await sweep_idempotency_keys(house)
    async with house.database.tenant(acme.id) as conn:
        rows = await conn.fetch("SELECT key FROM idempotency_keys WHERE tenant_id = $1", acme.id)
    assert [row["key"] for row in rows] == ["b"]
