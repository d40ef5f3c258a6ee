"""People coming and going: lists, invitations, guests, leaving, ownership."""

from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.people import endings
from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation
from tests.identity.given_people import add_person

Headers = dict[str, str]


def address(organisation: Organisation, name: str) -> str:
    return f"{name}@{organisation.people['owner'].email.partition('@')[2]}"


async def emails(client: httpx.AsyncClient, headers: Headers, **query: Any) -> list[str]:
    answer = await client.get("/v1/users", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return [user["email"].partition("@")[0] for user in answer.json()["data"]]


def without(shape: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in shape.items() if name not in names}


async def told(admin: asyncpg.Connection, organisation: Organisation, name: str) -> int:
    count: int = await admin.fetchval(
        "SELECT count(*) FROM events WHERE tenant_id = $1 AND name = $2", organisation.id, name
    )
    return count


async def test_people_are_found_by_role_status_name_and_the_end_of_their_access(
    client: httpx.AsyncClient, acme: Organisation, house: House
) -> None:
    owner = await acme.headers(client)
    await add_person(house, acme, email=address(acme, "a_b"), role="viewer", password=None)
    await add_person(house, acme, email=address(acme, "axb"), role="viewer")
    assert await emails(client, owner, role="viewer") == ["viewer", "a_b", "axb"]
    assert await emails(client, owner, status="invited") == ["a_b"]
    assert await emails(client, owner, q="A_B") == ["a_b"]
    assert await emails(client, owner, q="%") == []
    assert await emails(client, owner, guest=True) == ["guest"]
    assert "guest" not in await emails(client, owner, guest=False)
    now = house.clock.now().isoformat()
    assert "owner" not in await emails(client, owner, last_login_before=now)
    assert "viewer" in await emails(client, owner, last_login_before=now)
    for wrong in ({"status": "gone"}, {"sort": "password"}, {"last_login_before": "soon"}):
        answer = await client.get("/v1/users", params=wrong, headers=owner)
        assert answer.status_code == 400, wrong


@pytest.mark.parametrize("sort", ["email", "-email", "username", "-last_login_at", "-created_at"])
async def test_pages_in_any_order_hold_everybody_once(
    sort: str, client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    await acme.headers(client, "viewer")
    whole = await emails(client, owner, sort=sort, limit=100)
    cursor, found = None, []
    while True:
        query = {"sort": sort, "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/users", params=query, headers=owner)).json()
        found += [user["email"].partition("@")[0] for user in page["data"]]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert found == whole
    assert len(set(found)) == len(found) == 6


async def test_a_hundred_are_invited_at_once_and_each_line_is_answered(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client, "admin")
    lines = [
        {"email": address(acme, "one")},
        {"email": address(acme, "two"), "role": "viewer"},
        {"email": address(acme, "one")},
        {"email": "no address"},
        {"email": address(acme, "three"), "role": "owner"},
        {"email": acme.people["viewer"].email},
    ]
    answer = await client.post(
        "/v1/users/bulk-invite", json={"invitations": lines, "role": "guest"}, headers=headers
    )
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["invited"], body["refused"]) == (2, 4)
    codes = [line["error"] and line["error"]["error"] for line in body["data"]]
    assert codes == [None, None, "conflict", "invalid_request", "forbidden", "conflict"]
    people = (await client.get("/v1/invitations", headers=headers)).json()["data"]
    assert [(one["email"].partition("@")[0], one["role"]) for one in people] == [
        ("one", "guest"), ("two", "viewer"),
    ]  # fmt: skip
    mails = await admin.fetchval("SELECT count(*) FROM outgoing_mail WHERE tenant_id = $1", acme.id)
    assert mails == 2
    many = [{"email": address(acme, f"n{number}")} for number in range(101)]
    refused = await client.post(
        "/v1/users/bulk-invite", json={"invitations": many}, headers=headers
    )
    assert refused.status_code == 400


async def test_the_places_of_the_plan_bound_what_is_invited(
    client: httpx.AsyncClient, globex: Organisation
) -> None:
    lines = {"invitations": [{"email": "more@globex.example"}]}
    answer = await client.post(
        "/v1/users/bulk-invite", json=lines, headers=await globex.headers(client)
    )
    assert answer.json()["data"][0]["error"]["error"] == "quota_exceeded"


async def test_who_may_not_see_people_learns_from_no_invitation_who_is_here(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client, "admin")
    made = await client.post(
        "/v1/api-keys", json={"name": "hr", "scopes": ["user:create"]}, headers=headers
    )
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    here, new = acme.people["viewer"].email, address(acme, "new")
    for path, body in (
        ("/v1/users/bulk-invite", {"invitations": [{"email": here}, {"email": new}]}),
    ):
        lines = (await client.post(path, json=body, headers=key)).json()["data"]
        first, second = [
            {k: v for k, v in one.items() if k not in ("email", "index")} for one in lines
        ]
        assert first == second
    shapes = []
    for email in (here, address(acme, "newer")):
        answer = await client.post("/v1/users", json={"email": email}, headers=key)
        assert answer.status_code == 201
        shapes.append(
            {k: v for k, v in answer.json().items() if k not in ("id", "email", "username")}
        )
    assert shapes[0] == shapes[1]
    assert (
        await admin.fetchval(
            "SELECT role FROM users WHERE tenant_id = $1 AND email = $2", acme.id, here
        )
        == "viewer"
    )


async def test_an_invitation_is_withdrawn_until_it_is_accepted(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client, "admin")
    new = await client.post(
        "/v1/users", json={"email": address(acme, "new"), "invitation_days": 2}, headers=headers
    )
    pending = (await client.get("/v1/invitations", headers=headers)).json()["data"][0]
    assert pending["expires_at"].startswith("2026-03-04")
    path = f"/v1/users/{new.json()['id']}/invitation"
    assert (await client.delete(path, headers=headers)).status_code == 204
    assert (await client.delete(path, headers=headers)).status_code == 404
    assert (await client.get("/v1/invitations", headers=headers)).json()["data"] == []
    accepted = f"/v1/users/{acme.people['viewer'].id}/invitation"
    assert (await client.delete(accepted, headers=headers)).status_code == 409
    assert await told(admin, acme, "invitation.withdrawn") == 1


async def test_a_guest_is_reminded_and_then_ended_and_the_log_says_so(
    client: httpx.AsyncClient,
    acme: Organisation,
    admin: asyncpg.Connection,
    house: House,
    clock: FakeClock,
) -> None:
    owner = await acme.headers(client)
    end = clock.now() + timedelta(days=10)
    path = f"/v1/users/{acme.people['guest'].id}"
    change = {"expires_at": end.isoformat()}
    assert (await client.patch(path, json=change, headers=owner)).status_code == 200
    guest = await acme.headers(client, "guest")
    await endings.sweep(house)
    assert await told(admin, acme, "user.access_ending") == 0
    clock.advance(days=8)
    for _ in range(2):
        await endings.sweep(house)
    assert await told(admin, acme, "user.access_ending") == 1
    mail = await admin.fetchrow(
        "SELECT subject FROM outgoing_mail WHERE tenant_id = $1 AND recipient = $2",
        acme.id,
        acme.people["guest"].email,
    )
    assert mail is not None
    assert "ends soon" in mail["subject"]

    clock.advance(days=3)
    assert (await client.get("/v1/projects", headers=guest)).status_code == 401
    for _ in range(2):
        await endings.sweep(house)
    assert await told(admin, acme, "user.access_ended") == 1
    shown = (await client.get(path, headers=await acme.headers(client))).json()
    assert shown["status"] == "disabled"
    assert await told(admin, acme, "session.ended") >= 1


async def test_access_that_was_extended_goes_on_and_is_told_again_before_its_new_end(
    client: httpx.AsyncClient,
    acme: Organisation,
    admin: asyncpg.Connection,
    house: House,
    clock: FakeClock,
) -> None:
    path = f"/v1/users/{acme.people['guest'].id}"
    for days in (2, 12):
        owner = await acme.headers(client)
        change = {"expires_at": (clock.now() + timedelta(days=days)).isoformat()}
        assert (await client.patch(path, json=change, headers=owner)).status_code == 200
        clock.advance(days=days - 1)
        await endings.sweep(house)
    assert await told(admin, acme, "user.access_ending") == 2
    assert await told(admin, acme, "user.access_ended") == 0


async def test_the_end_of_access_is_sound(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    owner = await acme.headers(client)
    soon = (clock.now() + timedelta(days=1)).isoformat()
    guest, me = f"/v1/users/{acme.people['guest'].id}", f"/v1/users/{acme.people['owner'].id}"
    for path, change in (
        (guest, {"expires_at": None}),
        (guest, {"expires_at": "2020-01-01T00:00:00Z"}),
        (me, {"expires_at": soon}),
    ):
        answer = await client.patch(path, json=change, headers=owner)
        assert answer.status_code == 400, change
    new = {"email": address(acme, "boss"), "role": "owner", "expires_at": soon}
    assert (await client.post("/v1/users", json=new, headers=owner)).status_code == 400
    promoted = await client.patch(guest, json={"role": "viewer", "expires_at": None}, headers=owner)
    assert promoted.json()["expires_at"] is None


async def test_somebody_is_removed_with_sessions_and_keys_and_stays_in_the_log(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection, clock: FakeClock
) -> None:
    owner = await acme.headers(client)
    developer = await acme.headers(client, "developer")
    made = await client.post(
        "/v1/api-keys",
        json={"name": "k", "user_id": str(acme.people["developer"].id)},
        headers=owner,
    )
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    path = f"/v1/users/{acme.people['developer'].id}"
    manager = await acme.headers(client, "manager")
    assert (await client.delete(path, headers=manager)).status_code == 403
    assert (await client.delete(path, headers=owner)).status_code == 204
    for gone in (developer, key):
        assert (await client.get("/v1/projects", headers=gone)).status_code == 401
    assert (await client.get(path, headers=owner)).status_code == 404
    login = {"email": acme.people["developer"].email, "password": PASSWORD}
    assert (await client.post("/v1/auth/login", json=login)).status_code == 401
    assert await told(admin, acme, "user.deleted") == 1
    assert await told(admin, acme, "user.created") == 6
    clock.advance(minutes=11)
    viewer = f"/v1/users/{acme.people['viewer'].id}"
    stale = await client.delete(viewer, headers=owner)
    assert stale.json()["details"]["reason"] == "step_up_required"


async def test_the_last_owner_neither_leaves_nor_is_removed_nor_made_less(
    client: httpx.AsyncClient, acme: Organisation, house: House
) -> None:
    owner = await acme.headers(client)
    me = f"/v1/users/{acme.people['owner'].id}"
    assert (await client.delete("/v1/auth/me", headers=owner)).status_code == 409
    assert (await client.delete(me, headers=owner)).status_code == 409
    assert (await client.patch(me, json={"role": "admin"}, headers=owner)).status_code == 409
    admin = await acme.headers(client, "admin")
    assert (await client.delete(me, headers=admin)).status_code in (403, 409)
    await add_person(house, acme, email=address(acme, "second"), role="owner")
    assert (await client.delete("/v1/auth/me", headers=owner)).status_code == 204
    assert (await client.get("/v1/auth/me", headers=owner)).status_code == 401


async def test_an_owner_hands_the_organisation_over(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    owner = await acme.headers(client)
    heir = acme.people["developer"]
    body = {"user_id": str(heir.id), "keep_role": "viewer"}
    by_admin = await client.post(
        "/v1/tenants/me/ownership", json=body, headers=await acme.headers(client, "admin")
    )
    assert by_admin.status_code == 403
    for wrong, status in (
        ({"user_id": str(acme.people["owner"].id)}, 409),
        ({"user_id": "018f0000-0000-7000-8000-000000000000"}, 404),
        ({**body, "keep_role": "owner"}, 409),
        ({**body, "keep_role": "emperor"}, 400),
    ):
        answer = await client.post("/v1/tenants/me/ownership", json=wrong, headers=owner)
        assert answer.status_code == status, wrong
    done = await client.post("/v1/tenants/me/ownership", json=body, headers=owner)
    assert (done.status_code, done.json()["role"]) == (200, "owner")
    assert (await client.get("/v1/auth/me", headers=owner)).json()["role"] == "viewer"
    assert (await client.get("/v1/api-keys", headers=owner)).status_code == 403
    mails = await admin.fetch(
        "SELECT recipient FROM outgoing_mail WHERE tenant_id = $1 AND subject LIKE '%new owner'",
        acme.id,
    )
    assert {row["recipient"] for row in mails} == {heir.email, acme.people["owner"].email}
    assert await told(admin, acme, "tenant.ownership_transferred") == 1


async def test_a_former_owner_who_stays_as_a_guest_stays_for_a_while(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    body = {"user_id": str(acme.people["developer"].id), "keep_role": "guest"}
    done = await client.post("/v1/tenants/me/ownership", json=body, headers=owner)
    assert done.status_code == 200, done.text
    former = await client.get(
        f"/v1/users/{acme.people['owner'].id}", headers=await acme.headers(client, "admin")
    )
    assert former.json()["role"] == "guest"
    assert former.json()["expires_at"] is not None


async def test_nobody_raises_themselves_and_nothing_unnamed_is_taken_over(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client, "admin")
    me = f"/v1/users/{acme.people['admin'].id}"
    assert (await client.patch(me, json={"role": "owner"}, headers=headers)).status_code == 403
    extra = {"tenant_id": "018f0000-0000-7000-8000-000000000000", "is_platform_admin": True,
             "email_verified": True, "account_id": str(acme.people["owner"].id),
             "email": "other@evil.example", "status": "active", "password_hash": "x",
             "permissions": ["tenant:delete"]}  # fmt: skip
    before = await admin.fetchrow("SELECT * FROM users WHERE id = $1", acme.people["viewer"].id)
    path = f"/v1/users/{acme.people['viewer'].id}"
    assert (await client.patch(path, json=extra, headers=headers)).status_code == 200
    after = await admin.fetchrow("SELECT * FROM users WHERE id = $1", acme.people["viewer"].id)
    assert before is not None
    assert after is not None
    assert {**dict(before), "updated_at": 0} == {**dict(after), "updated_at": 0}
    lines = {
        "invitations": [
            {"email": address(acme, "x"), **{k: v for k, v in extra.items() if k != "email"}}
        ]
    }
    await client.post("/v1/users/bulk-invite", json=lines, headers=headers)
    row = await admin.fetchrow(
        "SELECT tenant_id, status, email_verified_at FROM users WHERE email = $1",
        address(acme, "x"),
    )
    assert row is not None
    assert (row["tenant_id"], row["status"], row["email_verified_at"]) == (acme.id, "invited", None)
