"""Whom lists of people and of invitations show, and to whom."""

from datetime import timedelta

import asyncpg
import httpx

from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.ids import new_id
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation
from tests.identity.given_mail import link_to
from tests.identity.given_people import add_person
from tests.identity.mfa.given_factors import enrol
from tests.identity.test_people import address, emails

ACCEPT = "/v1/auth/invitations/accept"


async def states(client: httpx.AsyncClient, headers: dict[str, str], **query: str) -> list[str]:
    answer = await client.get("/v1/invitations", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return [f"{one['email'].partition('@')[0]} {one['state']}" for one in answer.json()["data"]]


async def test_those_who_look_after_people_find_who_has_no_second_factor(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    await enrol(client, acme, clock, "developer")
    headers = await acme.headers(client, "admin")
    assert await emails(client, headers, mfa="enrolled") == ["developer"]
    without = await emails(client, headers, mfa="none")
    assert len(without) == 5
    assert "developer" not in without
    one = await client.get(f"/v1/users/{acme.people['developer'].id}", headers=headers)
    assert one.json()["mfa_enabled"] is True


async def test_sec_rbac_04_who_may_only_see_people_learns_nothing_of_their_second_factors(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    viewer = await acme.headers(client, "viewer")
    listed = (await client.get("/v1/users", headers=viewer)).json()["data"]
    assert {one["mfa_enabled"] for one in listed} == {None}
    for value in ("enrolled", "none"):
        asked = await client.get("/v1/users", params={"mfa": value}, headers=viewer)
        assert asked.status_code == 403, asked.text
    guest = await acme.headers(client, "guest")
    for path in ("/v1/users", "/v1/invitations", "/v1/groups", "/v1/roles"):
        assert (await client.get(path, headers=guest)).status_code == 403


async def test_people_are_found_by_when_they_signed_in(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    await acme.headers(client, "viewer")
    clock.advance(days=2)
    owner = await acme.headers(client)
    yesterday = (clock.now() - timedelta(days=1)).isoformat()
    assert await emails(client, owner, last_login_after=yesterday) == ["owner"]
    before = await emails(client, owner, last_login_before=yesterday)
    assert "viewer" in before
    assert "owner" not in before
    both = {"last_login_before": clock.now().isoformat(), "last_login_after": yesterday}
    assert await emails(client, owner, **both) == []


async def test_a_list_goes_on_behind_somebody_who_was_removed_meanwhile(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    for sort, status in (("created_at", 200), ("email", 400)):
        query = {"sort": sort, "limit": 2}
        page = (await client.get("/v1/users", params=query, headers=owner)).json()
        last = page["data"][-1]["id"]
        assert last != str(acme.people["owner"].id)
        assert (await client.delete(f"/v1/users/{last}", headers=owner)).status_code == 204
        query["cursor"] = page["next_cursor"]
        rest = await client.get("/v1/users", params=query, headers=owner)
        assert rest.status_code == status, rest.text
        if status == 200:
            assert rest.json()["data"], "nobody was lost"


async def test_invitations_are_listed_by_what_became_of_them(
    client: httpx.AsyncClient,
    acme: Organisation,
    admin: asyncpg.Connection,
    house: House,
    clock: FakeClock,
) -> None:
    owner = await acme.headers(client)
    for name, days in (("early", 1), ("late", 30), ("come", 30)):
        new = {"email": address(acme, name), "invitation_days": days}
        assert (await client.post("/v1/users", json=new, headers=owner)).status_code == 201
    await add_person(house, acme, email=address(acme, "made"), role="viewer", password=None)
    token = await link_to(admin, address(acme, "come"), "invitations")
    done = await client.post(ACCEPT, json={"token": token, "password": PASSWORD})
    assert done.status_code == 200, done.text
    clock.advance(days=2)
    owner = await acme.headers(client)
    waiting = ["early expired", "late pending", "made not_sent"]
    assert await states(client, owner) == waiting
    for one in waiting:
        assert await states(client, owner, state=one.split()[1]) == [one]
    assert await states(client, owner, state="accepted") == ["come accepted"]
    wrong = await client.get("/v1/invitations", params={"state": "lost"}, headers=owner)
    assert wrong.status_code == 400
    again = await client.post(ACCEPT, json={"token": token, "password": PASSWORD})
    assert again.status_code == 404


async def test_nobody_has_one_address_flooded_with_invitations(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    owner = await acme.headers(client)
    victim = f"victim@{new_id(acme.house.clock.now()).hex[-10:]}.example"
    made = await client.post("/v1/users", json={"email": victim}, headers=owner)
    path = f"/v1/users/{made.json()['id']}/invitation"
    codes = [(await client.post(path, headers=owner)).status_code for _ in range(8)]
    assert codes[:4] == [200] * 4
    assert codes[-1] == 429
    await client.delete(path, headers=owner)
    line = {"invitations": [{"email": victim}, {"email": address(acme, "other")}]}
    bulk = await client.post("/v1/users/bulk-invite", json=line, headers=owner)
    assert [one["status"] for one in bulk.json()["data"]] == ["refused", "invited"]
    left = await admin.fetchval("SELECT count(*) FROM users WHERE email = $1", victim)
    assert left == 0, "a line that is refused leaves nothing behind"


async def test_a_stranger_has_no_address_flooded_by_founding_organisations(
    client: httpx.AsyncClient, house: House
) -> None:
    mark = new_id(house.clock.now()).hex[-10:]
    codes = []
    for number in range(8):
        new = {"organization_name": f"Org {mark} {number}", "admin_email": f"v@{mark}.example"}
        codes.append((await client.post("/v1/tenants", json=new)).status_code)
    assert codes[:5] == [201] * 5
    assert codes[-1] == 429
