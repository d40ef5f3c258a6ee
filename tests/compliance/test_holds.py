"""What a legal hold keeps is erased by nobody until the hold is lifted."""

from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from leanvibe_server.compliance import retention
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.tenancy import purge
from leanvibe_server.tenancy import service as tenancy
from tests.conftest import FakeClock
from tests.given import Organisation

Headers = dict[str, str]
HOLDS = "/v1/privacy/holds"


async def _place(client: httpx.AsyncClient, headers: Headers, user_id: UUID | None = None) -> str:
    body: dict[str, Any] = {"reason": "Smith v. Acme"}
    if user_id is not None:
        body["user_id"] = str(user_id)
    placed = await client.post(HOLDS, json=body, headers=headers)
    assert placed.status_code == 201, placed.text
    return str(placed.json()["id"])


async def _erase(client: httpx.AsyncClient, headers: Headers, user_id: UUID) -> httpx.Response:
    body = {"user_id": str(user_id)}
    return await client.post("/v1/privacy/erasures", json=body, headers=headers)


@pytest.mark.parametrize("whole", [False, True])
async def test_who_is_on_hold_is_neither_erased_nor_removed_nor_leaves(
    client: httpx.AsyncClient, acme: Organisation, whole: bool
) -> None:
    owner = await acme.headers(client)
    kept = acme.people["viewer"].id
    hold = await _place(client, owner, None if whole else kept)
    for refused in (
        await _erase(client, owner, kept),
        await client.delete(f"/v1/users/{kept}", headers=owner),
        await client.delete("/v1/auth/me", headers=await acme.headers(client, "viewer")),
        await client.delete("/v1/tenants/me", params={"confirm": acme.tenant.slug}, headers=owner),
    ):
        answer = refused.json()
        assert (refused.status_code, answer["error"]) == (409, "legal_hold"), refused.text
        assert answer["details"] == {"hold_id": hold}
    other = acme.people["guest"].id
    assert (await _erase(client, owner, other)).status_code == (409 if whole else 201)
    lifted = await client.post(f"{HOLDS}/{hold}/lift", json={"reason": "settled"}, headers=owner)
    assert lifted.status_code == 204, lifted.text
    assert (await _erase(client, owner, kept)).status_code == 201


async def test_both_reasons_are_needed_and_stay_in_the_log(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    owner = await acme.headers(client)
    for body in ({}, {"reason": "  "}):
        assert (await client.post(HOLDS, json=body, headers=owner)).status_code == 400
    hold = await _place(client, owner)
    again = await client.post(HOLDS, json={"reason": "another"}, headers=owner)
    assert (again.status_code, again.json()["error"]) == (409, "conflict")
    lift = f"{HOLDS}/{hold}/lift"
    assert (await client.post(lift, json={}, headers=owner)).status_code == 400
    assert (await client.post(lift, json={"reason": "over"}, headers=owner)).status_code == 204
    assert (await client.post(lift, json={"reason": "over"}, headers=owner)).status_code == 404
    told = await admin.fetch(
        "SELECT name, payload ->> 'reason' AS reason FROM events"
        " WHERE tenant_id = $1 AND name LIKE 'privacy.hold%' ORDER BY id", acme.id,
    )  # fmt: skip
    assert [tuple(row) for row in told] == [
        ("privacy.hold_placed", "Smith v. Acme"),
        ("privacy.hold_lifted", "over"),
    ]


async def test_holds_are_for_who_manages_privacy_with_a_fresh_proof_and_never_ones_own_to_lift(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation, clock: FakeClock
) -> None:
    refused = await client.post(
        HOLDS, json={"reason": "x"}, headers=await acme.headers(client, "manager")
    )
    assert refused.status_code == 403
    foreign = {"reason": "x", "user_id": str(globex.people["owner"].id)}
    owner = await acme.headers(client)
    assert (await client.post(HOLDS, json=foreign, headers=owner)).status_code == 404
    hold = await _place(client, owner, acme.people["admin"].id)
    lift = f"{HOLDS}/{hold}/lift"
    own = await client.post(lift, json={"reason": "x"}, headers=await acme.headers(client, "admin"))
    assert own.status_code == 403
    assert len((await client.get(HOLDS, headers=owner)).json()["data"]) == 1
    clock.advance(minutes=11)
    stale = await client.post(lift, json={"reason": "x"}, headers=owner)
    assert stale.json()["details"]["reason"] == "step_up_required"


async def test_periods_that_end_leave_what_is_on_hold(
    house: House,
    client: httpx.AsyncClient,
    clock: FakeClock,
    acme: Organisation,
    admin: asyncpg.Connection,
) -> None:
    owner = await acme.headers(client)
    viewer = acme.people["viewer"]
    await acme.headers(client, "viewer")
    hold = await _place(client, owner, viewer.id)
    count = """SELECT count(*) FILTER (WHERE person_id = $2), count(*)
               FROM event_personal WHERE tenant_id = $1"""
    kept, _ = await admin.fetchrow(count, acme.id, viewer.id) or (0, 0)
    assert kept
    clock.advance(days=401)
    await retention.sweep(house)
    assert tuple(await admin.fetchrow(count, acme.id, viewer.id) or ()) == (kept, kept)
    owner = await acme.headers(client)
    await client.post(f"{HOLDS}/{hold}/lift", json={"reason": "over"}, headers=owner)
    await retention.sweep(house)
    left, _ = await admin.fetchrow(count, acme.id, viewer.id) or (0, 0)
    assert left == 0


async def test_a_tenant_on_its_way_out_stays_while_somebody_in_it_is_on_hold(
    house: House,
    client: httpx.AsyncClient,
    clock: FakeClock,
    acme: Organisation,
    admin: asyncpg.Connection,
) -> None:
    owner = await acme.headers(client)
    gone = await client.delete(
        "/v1/tenants/me", params={"confirm": acme.tenant.slug}, headers=owner
    )
    assert gone.status_code == 200, gone.text
    hold = await _place(client, owner, acme.people["viewer"].id)
    clock.advance(days=31)
    await purge.sweep(house)
    people = "SELECT count(*) FROM users WHERE tenant_id = $1"
    assert await admin.fetchval(people, acme.id) == len(acme.people)
    owner = await acme.headers(client)
    lifted = await client.post(f"{HOLDS}/{hold}/lift", json={"reason": "over"}, headers=owner)
    assert lifted.status_code == 204, lifted.text
    await purge.sweep(house)
    assert await admin.fetchval(people, acme.id) == 0


async def test_the_database_itself_keeps_who_is_on_hold(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    kept = acme.people["viewer"].id
    await _place(client, await acme.headers(client), kept)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await admin.execute("DELETE FROM users WHERE id = $1", kept)


async def test_the_demo_is_made_anew_whatever_was_tried_in_it(
    house: House, client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    await _place(client, await acme.headers(client), acme.people["viewer"].id)
    async with across_tenants(house.database, Reason.WORKER) as conn:
        platform = Scope(conn, PLATFORM_TENANT, SYSTEM, house.clock, house)
        await tenancy.delete_tenant(platform, acme.id)
    assert await admin.fetchval("SELECT count(*) FROM tenants WHERE id = $1", acme.id) == 0
