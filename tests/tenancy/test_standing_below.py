"""Organisations suspended and reactivated by those above them."""

import asyncpg
import httpx

from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.tenancy.given_trees import below, create_below, put_below


async def put(
    client: httpx.AsyncClient, headers: dict[str, str], organisation: Organisation, verb: str
) -> httpx.Response:
    body = {"reason": "Contract ended"} if verb == "suspend" else None
    path = f"/v1/tenants/me/organizations/{organisation.id}/{verb}"
    return await client.post(path, json=body, headers=headers)


async def writes(client: httpx.AsyncClient, headers: dict[str, str]) -> int:
    answer = await client.post("/v1/projects", json={"name": "x"}, headers=headers)
    return answer.status_code


async def test_who_is_above_stops_the_writes_of_one_below_and_lets_them_go_on(
    client: httpx.AsyncClient, house: House, acme: Organisation, north: Organisation
) -> None:
    pole = await below(house, north, "Pole")
    above, inside = await acme.headers(client, "admin"), await north.headers(client)
    stopped = await put(client, above, north, "suspend")
    assert (stopped.status_code, stopped.json()["status"]) == (200, "suspended"), stopped.text
    assert await writes(client, inside) == 403
    assert (await client.get("/v1/projects", headers=inside)).status_code == 200
    assert await writes(client, await pole.headers(client)) == 201
    listed = (await client.get("/v1/tenants/me/organizations", headers=above)).json()["data"]
    assert listed[0]["suspended_reason"] == "Contract ended"
    assert listed[0]["suspended_by_tenant_id"] == str(acme.id)
    again = await put(client, above, north, "reactivate")
    assert (again.status_code, again.json()["status"]) == (200, "active")
    assert await writes(client, inside) == 201


async def test_nobody_stops_one_that_is_not_below_theirs(
    client: httpx.AsyncClient,
    house: House,
    acme: Organisation,
    globex: Organisation,
    north: Organisation,
) -> None:
    south = await below(house, acme, "South")
    admin = await acme.headers(client, "admin")
    for who, whom in (
        (admin, acme),
        (admin, globex),
        (await north.headers(client), acme),
        (await north.headers(client), south),
        (await north.headers(client), north),
        (await globex.headers(client), north),
    ):
        for verb in ("suspend", "reactivate"):
            assert (await put(client, who, whom, verb)).status_code == 404
    path = f"/v1/tenants/me/organizations/{north.id}/suspend"
    blank = await client.post(path, json={"reason": " \u202e"}, headers=admin)
    assert blank.status_code == 400
    manager = await acme.headers(client, "manager")
    assert (await put(client, manager, north, "suspend")).status_code == 403


async def test_what_was_stopped_from_further_above_stays_stopped(
    client: httpx.AsyncClient,
    house: House,
    acme: Organisation,
    north: Organisation,
    admin: asyncpg.Connection,
) -> None:
    pole = await below(house, north, "Pole")
    top, middle = await acme.headers(client, "admin"), await north.headers(client)
    await put(client, middle, pole, "suspend")
    # Now it is the word of the one further above.
    await put(client, top, pole, "suspend")
    assert (await put(client, middle, pole, "reactivate")).status_code == 403
    assert (await put(client, middle, pole, "suspend")).json()["status"] == "suspended"
    assert (await put(client, middle, pole, "reactivate")).status_code == 403
    assert (await put(client, top, pole, "reactivate")).status_code == 200
    # What somebody below stopped, one further above may let go on.
    await put(client, middle, pole, "suspend")
    assert (await put(client, top, pole, "reactivate")).json()["status"] == "active"
    # The platform's own word.
    await admin.execute("UPDATE tenants SET status = 'suspended' WHERE id = $1", pole.id)
    for headers in (top, middle):
        await put(client, headers, pole, "suspend")
        assert (await put(client, headers, pole, "reactivate")).status_code == 403


async def test_who_moved_away_is_not_held_by_the_one_that_was_above(
    client: httpx.AsyncClient,
    house: House,
    acme: Organisation,
    globex: Organisation,
    north: Organisation,
) -> None:
    await put(client, await acme.headers(client), north, "suspend")
    await put_below(house, north.id, globex.id)
    assert (await put(client, await acme.headers(client), north, "reactivate")).status_code == 404
    freed = await put(client, await globex.headers(client), north, "reactivate")
    assert freed.json()["status"] == "active"


async def test_both_logs_tell_and_a_proof_is_asked_for(
    client: httpx.AsyncClient,
    acme: Organisation,
    north: Organisation,
    admin: asyncpg.Connection,
    clock: FakeClock,
) -> None:
    headers = await acme.headers(client, "admin")
    await put(client, headers, north, "suspend")
    await put(client, headers, north, "reactivate")
    for log, expected in (
        (acme, ["organization.suspended", "organization.reactivated"]),
        (north, ["tenant.suspended", "tenant.reactivated"]),
    ):
        told = await admin.fetch(
            "SELECT name FROM events WHERE tenant_id = $1 AND name = ANY ($2) ORDER BY id",
            log.id,
            expected,
        )
        assert [row["name"] for row in told] == expected
    clock.advance(minutes=11)
    late = await put(client, headers, north, "suspend")
    assert late.json()["details"]["reason"] == "step_up_required"


async def test_a_deletion_that_is_taken_back_leaves_the_suspension_whose_it_was(
    client: httpx.AsyncClient, acme: Organisation, north: Organisation
) -> None:
    above, owner = await acme.headers(client), await north.headers(client)
    await put(client, above, north, "suspend")
    path = f"/v1/tenants/me?confirm={north.tenant.slug}"
    assert (await client.delete(path, headers=owner)).json()["status"] == "deleting"
    for verb in ("suspend", "reactivate"):
        assert (await put(client, above, north, verb)).status_code == 409
    back = await client.post(f"/v1/tenants/{north.id}/restore", headers=owner)
    assert back.json()["status"] == "suspended"
    assert (await put(client, above, north, "reactivate")).json()["status"] == "active"


async def test_nothing_new_goes_below_one_that_is_stopped_or_is_going(
    client: httpx.AsyncClient, house: House, acme: Organisation, north: Organisation
) -> None:
    south = await below(house, acme, "South")
    above = await acme.headers(client)
    await put(client, above, north, "suspend")
    assert (await create_below(client, above, north.id, "Late")).status_code == 409
    await put(client, above, north, "reactivate")
    path = f"/v1/tenants/me?confirm={north.tenant.slug}"
    assert (await client.delete(path, headers=await north.headers(client))).status_code == 200
    assert (await create_below(client, above, north.id, "Late")).status_code == 409
    moved = await client.put(
        f"/v1/tenants/{south.id}/parent",
        json={"parent_tenant_id": str(north.id)},
        headers=above,
    )
    assert moved.status_code == 409
