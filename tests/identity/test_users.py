"""People of a tenant: added, changed, disabled, and never above one's own role."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.identity import service
from leanvibe_server.identity.permissions import may_grant, permissions_of
from leanvibe_server.kernel.access import ROLE_PERMISSIONS, Permission, Role
from leanvibe_server.kernel.errors import Conflict
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import PLATFORM_TENANT
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation, fresh_email, organisation
from tests.identity.given_people import add_person, system_scope


async def add(client: httpx.AsyncClient, headers: dict[str, str], **body: Any) -> httpx.Response:
    return await client.post("/v1/users", json={"email": fresh_email()} | body, headers=headers)


async def test_an_admin_adds_somebody_who_can_sign_in_at_once(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client, "admin")
    added = await add(client, headers, username="New", password="a good long password")
    assert added.status_code == 201, added.text
    body = added.json()
    assert (body["role"], body["status"], body["is_active"]) == ("developer", "active", True)
    assert body["tenant_id"] == str(acme.id)
    answer = await client.post(
        "/v1/auth/login", json={"email": body["email"], "password": "a good long password"}
    )
    assert answer.status_code == 200


async def test_without_a_password_an_invitation_is_mailed(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client)
    added = await add(client, headers, role="viewer")
    assert added.status_code == 201
    assert (added.json()["status"], added.json()["is_active"]) == ("invited", False)
    body = await admin.fetchval(
        "SELECT body FROM outgoing_mail WHERE recipient = $1", added.json()["email"]
    )
    assert "http://localhost:8765/invitations/" in body


async def test_nobody_gives_a_role_above_their_own(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client, "admin")
    assert (await add(client, headers, role="owner")).status_code == 403
    assert (await add(client, headers, role="admin")).status_code == 201
    for role in ("platform_admin", "emperor", ""):
        assert (await add(client, headers, role=role)).status_code == 400
    owner = str(acme.people["owner"].id)
    for change in ({"role": "viewer"}, {"status": "disabled"}, {"username": "Hacked"}):
        answer = await client.patch(f"/v1/users/{owner}", json=change, headers=headers)
        assert answer.status_code == 403


@pytest.mark.parametrize("role", ["manager", "developer", "viewer", "guest"])
async def test_only_admins_and_owners_add_people(
    client: httpx.AsyncClient, acme: Organisation, role: str
) -> None:
    headers = await acme.headers(client, role)
    assert (await add(client, headers)).status_code == 403


async def test_sec_password_account_13_fields_nobody_may_set_are_ignored(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client)
    forged = {
        "tenant_id": str(globex.id),
        "is_platform_admin": True,
        "email_verified": True,
        "email_verified_at": "2026-01-01T00:00:00Z",
        "account_id": str(acme.people["owner"].id),
        "status": "active",
        "id": str(uuid4()),
    }
    added = await add(client, headers, **forged)
    assert added.status_code == 201
    row = await admin.fetchrow("SELECT * FROM users WHERE email = $1", added.json()["email"])
    assert row is not None
    assert (row["tenant_id"], row["status"], row["email_verified_at"], row["role"]) == (
        acme.id,
        "invited",
        None,
        "developer",
    )
    assert str(row["id"]) != forged["id"]
    changed = await client.patch(f"/v1/users/{row['id']}", json=forged, headers=headers)
    assert changed.status_code == 200
    after = await admin.fetchrow("SELECT * FROM users WHERE email = $1", added.json()["email"])
    assert after is not None
    assert (after["tenant_id"], after["email_verified_at"]) == (acme.id, None)


async def test_an_address_is_taken_once_in_a_tenant(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    again = await add(client, headers, email=acme.people["viewer"].email.upper())
    assert again.status_code == 409


@pytest.mark.parametrize("email", ["nonsense", "a@", "@b.example", "a b@c.example", "a@b@c.de"])
async def test_what_is_no_address_is_refused(
    client: httpx.AsyncClient, acme: Organisation, email: str
) -> None:
    answer = await add(client, await acme.headers(client), email=email)
    assert answer.status_code == 400
    assert answer.json()["details"]["field"] == "email"


async def test_the_plan_s_users_are_counted(
    client: httpx.AsyncClient, globex: Organisation, house: House
) -> None:
    headers = await globex.headers(client)
    answer = await add(client, headers)
    assert answer.status_code == 429
    assert answer.json()["error"] == "quota_exceeded"
    assert answer.json()["details"] == {
        "quota_type": "users",
        "current_usage": 1,
        "quota_limit": 1,
        "reset_date": None,
    }
    assert answer.json()["upgrade_options"]
    async with house.database.tenant(globex.id) as conn:
        assert await service.count_users(system_scope(house, globex, conn)) == 1


async def test_people_are_listed_page_by_page(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client, "viewer")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": "4"} | ({} if cursor is None else {"cursor": cursor})
        page = (await client.get("/v1/users", params=params, headers=headers)).json()
        seen += [user["email"] for user in page["data"]]
        assert page["has_more"] is (page["next_cursor"] is not None)
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(person.email for person in acme.people.values())
    assert "password_hash" not in str(page)


async def test_a_person_of_another_tenant_is_not_found(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    headers = await acme.headers(client)
    hers = globex.people["owner"].id
    for path in (f"/v1/users/{hers}", f"/v1/users/{uuid4()}", "/v1/users/nonsense"):
        assert (await client.get(path, headers=headers)).status_code == 404
        patched = await client.patch(path, json={"role": "viewer"}, headers=headers)
        assert patched.status_code == 404


@pytest.mark.parametrize("change", [{"role": "viewer"}, {"status": "disabled"}])
async def test_the_last_owner_stays(
    client: httpx.AsyncClient, acme: Organisation, house: House, change: dict[str, str]
) -> None:
    headers = await acme.headers(client)
    path = f"/v1/users/{acme.people['owner'].id}"
    answer = await client.patch(path, json=change, headers=headers)
    assert answer.status_code == 409
    await add_person(house, acme, email=fresh_email(), role="owner")
    assert (await client.patch(path, json=change, headers=headers)).status_code == 200


async def test_an_owner_who_never_accepted_does_not_count(
    client: httpx.AsyncClient, acme: Organisation, house: House
) -> None:
    await add_person(house, acme, email=fresh_email(), role="owner", password=None)
    answer = await client.patch(
        f"/v1/users/{acme.people['owner'].id}",
        json={"role": "viewer"},
        headers=await acme.headers(client),
    )
    assert answer.status_code == 409


async def test_two_owners_who_demote_each_other_do_not_both_succeed(
    client: httpx.AsyncClient, acme: Organisation, house: House, admin: asyncpg.Connection
) -> None:
    email = fresh_email()
    other = await add_person(house, acme, email=email, role="owner")
    login = await client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    first = await acme.headers(client)
    second = {"Authorization": f"Bearer {login.json()['access_token']}"}
    answers = await asyncio.gather(
        client.patch(f"/v1/users/{other.id}", json={"role": "viewer"}, headers=first),
        client.patch(
            f"/v1/users/{acme.people['owner'].id}", json={"role": "viewer"}, headers=second
        ),
    )
    # The slower one is refused as the last owner, or is an owner no longer when it comes in.
    done, refused = sorted(answer.status_code for answer in answers)
    assert done == 200
    assert refused in (403, 409)
    owners = await admin.fetchval(
        "SELECT count(*) FROM users WHERE tenant_id = $1 AND role = 'owner'", acme.id
    )
    assert owners == 1


async def test_people_added_side_by_side_do_not_pass_the_limit(
    client: httpx.AsyncClient, house: House
) -> None:
    team = await organisation(house, plan="team", name="Team")
    headers = await team.headers(client)
    answers = await asyncio.gather(*(add(client, headers) for _ in range(6)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] * 4 + [429] * 2


async def test_disabling_ends_sessions_and_keys_at_once(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client)
    person = acme.people["developer"]
    theirs = await acme.headers(client, "developer")
    key = (
        await client.post(
            "/v1/api-keys", json={"name": "ci", "user_id": str(person.id)}, headers=headers
        )
    ).json()["key"]
    by_key = {"Authorization": f"Bearer {key}"}
    assert (await client.get("/v1/auth/me", headers=by_key)).status_code == 200
    path = f"/v1/users/{person.id}"
    disabled = await client.patch(path, json={"status": "disabled"}, headers=headers)
    assert disabled.json()["is_active"] is False
    for shown in (theirs, by_key):
        assert (await client.get("/v1/auth/me", headers=shown)).status_code == 401
    back = await client.patch(path, json={"status": "active"}, headers=headers)
    assert back.json()["is_active"] is True
    for shown in (theirs, by_key):
        assert (await client.get("/v1/auth/me", headers=shown)).status_code == 401
    assert (await acme.headers(client, "developer")) is not None
    names = [
        row["name"]
        for row in await admin.fetch(
            "SELECT name FROM events WHERE tenant_id = $1 ORDER BY id", acme.id
        )
    ]
    assert {"user.updated", "session.ended", "api_key.revoked"} <= set(names)


async def test_a_guest_s_access_ends_by_itself(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    headers = await acme.headers(client)
    guest = (await add(client, headers, role="guest", password="a good long password")).json()
    assert guest["expires_at"] == "2026-04-01T12:00:00Z"
    past = await add(client, headers, role="guest", expires_at="2026-01-01T00:00:00Z")
    assert past.status_code == 400
    changed = await client.patch(
        f"/v1/users/{guest['id']}", json={"role": "developer"}, headers=headers
    )
    assert changed.json()["expires_at"] is None


async def test_an_invitation_can_be_sent_again_and_only_the_last_works(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection, clock: FakeClock
) -> None:
    headers = await acme.headers(client)
    user = (await add(client, headers)).json()
    clock.advance(minutes=1)
    again = await client.post(f"/v1/users/{user['id']}/invitation", headers=headers)
    assert again.status_code == 200
    links = [
        row["body"].split("/invitations/")[1].split()[0]
        for row in await admin.fetch(
            "SELECT body FROM outgoing_mail WHERE recipient = $1 ORDER BY id", user["email"]
        )
    ]
    answers = [
        (
            await client.post(
                "/v1/auth/invitations/accept",
                json={"token": token, "password": "a good long password"},
            )
        ).status_code
        for token in links
    ]
    assert answers == [404, 200]
    active = await client.post(f"/v1/users/{acme.people['viewer'].id}/invitation", headers=headers)
    assert active.status_code == 409


def test_every_role_may_give_itself_and_less() -> None:
    ranked = [Role.OWNER, Role.ADMIN, Role.MANAGER, Role.DEVELOPER, Role.VIEWER, Role.GUEST]
    for place, granter in enumerate(ranked):
        given = [role for role in ranked if may_grant(granter, role)]
        assert given == ranked[place:]
        assert not may_grant(granter, Role.PLATFORM_ADMIN)


def test_a_key_never_has_more_than_its_role() -> None:
    for role, allowed in ROLE_PERMISSIONS.items():
        assert permissions_of(role, None) == allowed
        assert permissions_of(role, list(Permission)) == allowed
        assert permissions_of(role, ["task:read", "nonsense"]) == allowed & {"task:read"}


async def test_platform_admins_are_made_by_the_command_line(
    house: House, client: httpx.AsyncClient, admin: asyncpg.Connection
) -> None:
    email = fresh_email()
    user, link = await service.create_platform_admin(house, email, PASSWORD)
    assert (user.tenant_id, user.role, link) == (PLATFORM_TENANT, "platform_admin", None)
    answer = await client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    assert answer.json()["user"]["role"] == "platform_admin"
    with pytest.raises(Conflict):
        await service.create_platform_admin(house, email, PASSWORD)
    invited, link = await service.create_platform_admin(house, fresh_email(), None)
    assert link is not None
    accepted = await client.post(
        "/v1/auth/invitations/accept",
        json={"token": link.rpartition("/")[2], "password": "a good long password"},
    )
    assert accepted.status_code == 200
    assert accepted.json()["id"] == str(invited.id)


async def test_people_and_sessions_show_in_the_tenant_s_usage(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    await acme.headers(client, "viewer")
    usage = (await client.get("/v1/tenants/me/usage", headers=headers)).json()
    assert usage["users_count"] == len(acme.people)
    assert usage["concurrent_sessions"] == 2
