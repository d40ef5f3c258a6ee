"""Sessions: renewed, moved, ended, and given away by a stolen token."""

import asyncio
from uuid import uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.identity import login, sessions
from leanvibe_server.identity.housekeeping import sweep
from leanvibe_server.identity.models import User
from leanvibe_server.identity.schemas import LoginRequest
from leanvibe_server.kernel.access import may
from leanvibe_server.kernel.errors import Unauthorized
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.request import Credentials, Visit
from leanvibe_server.wiring import Doors
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation
from tests.identity.given_people import add_person, system_scope
from tests.identity.given_sessions import bearer, sign_in, status


async def refresh(
    client: httpx.AsyncClient, token: str, agent: str | None = None
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    if agent is not None:
        headers["User-Agent"] = agent
    return await client.post("/v1/auth/refresh", headers=headers)


async def test_a_refresh_token_gives_fresh_tokens_as_printed(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    first = await sign_in(client, acme)
    answer = await refresh(client, first["refresh_token"])
    assert answer.status_code == 200
    second = answer.json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["user"] == first["user"]
    assert await status(client, second) == 200


async def test_a_refresh_token_may_come_in_the_body(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    first = await sign_in(client, acme)
    answer = await client.post("/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert answer.status_code == 200


async def test_sec_session_refresh_01_a_used_token_ends_the_whole_family(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    first = await sign_in(client, acme)
    second = (await refresh(client, first["refresh_token"])).json()
    third = (await refresh(client, second["refresh_token"])).json()
    clock.advance(seconds=11)
    assert (await refresh(client, first["refresh_token"])).status_code == 401
    for tokens in (first, second, third):
        assert await status(client, tokens) == 401
    assert (await refresh(client, third["refresh_token"])).status_code == 401
    noted = await admin.fetchval(
        "SELECT count(*) FROM events WHERE tenant_id = $1 AND name = 'refresh.reuse' "
        "AND area = 'auth'",
        acme.id,
    )
    assert noted == 1


async def test_sec_session_refresh_02_a_retry_gets_the_very_same_successor(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    first = await sign_in(client, acme)
    answers = [await refresh(client, first["refresh_token"])]
    clock.advance(seconds=9)
    answers.append(await refresh(client, first["refresh_token"]))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    clock.advance(seconds=2)
    assert (await refresh(client, first["refresh_token"])).status_code == 401
    assert await status(client, answers[0].json()) == 401


async def test_sec_session_refresh_02_parallel_refreshes_leave_one_child(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    first = await sign_in(client, acme)
    answers = await asyncio.gather(*(refresh(client, first["refresh_token"]) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    unused = await admin.fetchval(
        "SELECT count(*) FROM refresh_tokens WHERE tenant_id = $1 AND used_at IS NULL", acme.id
    )
    assert unused == 1


async def test_sec_session_refresh_01_a_token_whose_successor_was_used_is_no_retry(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    first = await sign_in(client, acme)
    second = (await refresh(client, first["refresh_token"])).json()
    third = (await refresh(client, second["refresh_token"])).json()
    assert (await refresh(client, first["refresh_token"])).status_code == 401
    assert await status(client, third) == 401


async def test_sec_session_refresh_02_another_client_gets_no_second_chance(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    first = await sign_in(client, acme)
    second = (await refresh(client, first["refresh_token"], agent="the owner's")).json()
    assert (await refresh(client, first["refresh_token"], agent="a thief's")).status_code == 401
    assert await status(client, second) == 401


@pytest.mark.parametrize(
    "token", ["", "lr_", "nonsense", "lr_" + "0" * 65, "lr_" + "z" * 65, "lr_" + "é" * 65]
)
async def test_what_is_no_refresh_token_is_refused(client: httpx.AsyncClient, token: str) -> None:
    answer = await client.post("/v1/auth/refresh", json={"refresh_token": token})
    assert answer.status_code == 401


async def test_a_refresh_without_any_token_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/auth/refresh")).status_code == 401


async def test_an_access_token_refreshes_nothing(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    tokens = await sign_in(client, acme)
    assert (await refresh(client, tokens["access_token"])).status_code == 401


async def test_a_disabled_user_refreshes_nothing(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    tokens = await sign_in(client, acme, "viewer")
    await admin.execute(
        "UPDATE users SET status = 'disabled' WHERE id = $1", acme.people["viewer"].id
    )
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401


async def test_sec_session_refresh_15_logout_ends_both_tokens_at_once(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    tokens, other = await sign_in(client, acme), await sign_in(client, acme)
    answer = await client.post("/v1/auth/logout", headers=bearer(tokens))
    assert answer.status_code == 200
    assert answer.json() == {"success": True}
    assert await status(client, tokens) == 401
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401
    assert await status(client, other) == 200
    names = {
        row["name"]
        for row in await admin.fetch("SELECT name FROM events WHERE tenant_id = $1", acme.id)
    }
    assert "user.logout" in names


async def test_sec_session_refresh_10_a_session_ends_by_idleness(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    tokens = await sign_in(client, acme)
    clock.advance(days=29)
    tokens = (await refresh(client, tokens["refresh_token"])).json()
    clock.advance(days=31)
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401


async def test_sec_session_refresh_10_and_by_age_however_busy(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    tokens = await sign_in(client, acme)
    for _ in range(4):
        clock.advance(days=22)
        answer = await refresh(client, tokens["refresh_token"])
        assert answer.status_code == 200
        tokens = answer.json()
    clock.advance(days=3)
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401


async def test_sec_session_refresh_12_a_user_ends_another_of_their_sessions(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    here = await sign_in(client, acme)
    clock.advance(seconds=1)
    lost = await sign_in(client, acme)
    theirs = await sign_in(client, acme, "viewer")
    listed = (await client.get("/v1/auth/sessions", headers=bearer(here))).json()["data"]
    assert [entry["current"] for entry in listed] == [True, False]
    ended = await client.delete(f"/v1/auth/sessions/{listed[1]['id']}", headers=bearer(here))
    assert ended.status_code == 200
    assert await status(client, lost) == 401
    assert await status(client, here) == 200
    foreign = (await client.get("/v1/auth/sessions", headers=bearer(theirs))).json()["data"][0]
    for session_id in (foreign["id"], str(uuid4()), "nonsense"):
        answer = await client.delete(f"/v1/auth/sessions/{session_id}", headers=bearer(here))
        assert answer.status_code == 404
    assert await status(client, theirs) == 200


async def test_sec_session_refresh_13_nobody_ends_sessions_of_another_tenant(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    mine, theirs = await sign_in(client, acme), await sign_in(client, globex)
    session = (await client.get("/v1/auth/me", headers=bearer(theirs))).json()["session"]
    answer = await client.delete(f"/v1/auth/sessions/{session['id']}", headers=bearer(mine))
    assert answer.status_code == 404
    assert await status(client, theirs) == 200


async def person_of_both(
    house: House, acme: Organisation, globex: Organisation, role: str = "manager"
) -> tuple[str, User]:
    """One person with a user in each tenant, joined by the account."""
    email = f"both-{uuid4().hex[:8]}@people.example"
    first = await add_person(house, acme, email=email, role="developer")
    await add_person(
        house, globex, email=email, role=role, account_of=first, password="another good password"
    )
    return email, first


async def test_sec_session_refresh_08_a_session_moves_to_another_tenant_under_a_new_name(
    client: httpx.AsyncClient, house: House, acme: Organisation, globex: Organisation
) -> None:
    email, _ = await person_of_both(house, acme, globex)
    before = (
        await client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    ).json()
    old_session = (await client.get("/v1/auth/me", headers=bearer(before))).json()["session"]
    answer = await client.post(
        "/v1/auth/switch-tenant", json={"tenant_id": str(globex.id)}, headers=bearer(before)
    )
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert after["user"]["tenant_id"] == str(globex.id)
    me = (await client.get("/v1/auth/me", headers=bearer(after))).json()
    assert me["role"] == "manager"
    assert me["session"]["id"] != old_session["id"]
    assert await status(client, before) == 401
    assert (await refresh(client, before["refresh_token"])).status_code == 401


async def test_a_session_moves_only_to_one_s_own_tenants(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    tokens = await sign_in(client, acme)
    for tenant_id in (str(globex.id), str(uuid4()), str(acme.id)):
        answer = await client.post(
            "/v1/auth/switch-tenant", json={"tenant_id": tenant_id}, headers=bearer(tokens)
        )
        assert answer.status_code == 404
    assert await status(client, tokens) == 200


async def test_a_session_does_not_move_where_its_person_is_disabled(
    client: httpx.AsyncClient,
    house: House,
    acme: Organisation,
    globex: Organisation,
    admin: asyncpg.Connection,
) -> None:
    email, _ = await person_of_both(house, acme, globex)
    tokens = (
        await client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    ).json()
    await admin.execute(
        "UPDATE users SET status = 'disabled' WHERE tenant_id = $1 AND email = $2",
        globex.id,
        email,
    )
    answer = await client.post(
        "/v1/auth/switch-tenant", json={"tenant_id": str(globex.id)}, headers=bearer(tokens)
    )
    assert answer.status_code == 404
    assert await status(client, tokens) == 200


def browser(house: House, cookies: dict[str, str]) -> Visit:
    return Visit(house, "req_x", "GET", "/", {}, cookies, "127.0.0.1", False)


async def test_a_cookie_opens_the_dashboard_and_no_endpoint_of_the_api(
    client: httpx.AsyncClient, doors: Doors, house: House, acme: Organisation
) -> None:
    person = acme.people["owner"]
    visit = browser(house, {})
    cookie, user = await login.open_web_session(
        visit, LoginRequest(email=person.email, password=person.password)
    )
    assert user.id == person.id
    seen = browser(house, {"lv_session": cookie})
    admission = await doors.api.state.gate.admit(house, seen.credentials(cookie=True))
    assert admission.actor.id == person.id
    session_id = admission.actor.session_id
    await admission.transaction.rollback()
    for shown in ({"Cookie": f"lv_session={cookie}"}, {"Authorization": f"Bearer {cookie}"}):
        assert (await client.get("/v1/auth/me", headers=shown)).status_code == 401
    async with house.database.tenant(acme.id) as conn:
        await sessions.end_session(system_scope(house, acme, conn), session_id, "logout")
    with pytest.raises(Unauthorized):
        await doors.api.state.gate.admit(house, seen.credentials(cookie=True))


async def test_sec_session_refresh_10_the_dashboard_forgets_sooner(
    doors: Doors, house: House, acme: Organisation, clock: FakeClock
) -> None:
    person = acme.people["owner"]
    cookie, _ = await login.open_web_session(
        browser(house, {}), LoginRequest(email=person.email, password=person.password)
    )
    credentials = browser(house, {"lv_session": cookie}).credentials(cookie=True)
    clock.advance(hours=11)
    admission = await doors.api.state.gate.admit(house, credentials)
    await admission.transaction.commit()
    clock.advance(hours=13)
    with pytest.raises(Unauthorized):
        await doors.api.state.gate.admit(house, credentials)


async def test_sec_session_refresh_07_a_planted_cookie_is_worth_nothing_after_sign_in(
    doors: Doors, house: House, acme: Organisation
) -> None:
    person = acme.people["owner"]
    planted = "0" * 65
    cookie, _ = await login.open_web_session(
        browser(house, {"lv_session": planted}),
        LoginRequest(email=person.email, password=person.password),
    )
    assert cookie != planted
    credentials = Credentials(browser(house, {}), None, planted, None, None, None)
    with pytest.raises(Unauthorized):
        await doors.api.state.gate.admit(house, credentials)


async def test_what_is_over_for_long_is_forgotten(
    client: httpx.AsyncClient,
    house: House,
    acme: Organisation,
    clock: FakeClock,
    admin: asyncpg.Connection,
) -> None:
    over, held = await sign_in(client, acme), await sign_in(client, acme)
    await client.post("/v1/auth/logout", headers=bearer(over))
    await client.post("/v1/auth/login", json={"email": "x@y.example", "password": "wrong one"})
    clock.advance(days=29)
    held = (await refresh(client, held["refresh_token"])).json()
    count = "SELECT count(*) FROM sessions WHERE tenant_id = $1"
    await sweep(house)
    assert await admin.fetchval(count, acme.id) == 2
    assert await admin.fetchval("SELECT count(*) FROM login_failures") == 0
    clock.advance(days=2)
    await sweep(house)
    assert await admin.fetchval(count, acme.id) == 1
    assert (await refresh(client, held["refresh_token"])).status_code == 200


def test_endpoints_take_no_cookie_unless_they_say_so() -> None:
    assert may.__kwdefaults__["cookie"] is False


async def test_a_key_neither_sees_nor_ends_the_sessions_of_its_person(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    me = await sign_in(client, acme)
    made = await client.post("/v1/api-keys", json={"name": "CI"}, headers=bearer(me))
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    [session] = (await client.get("/v1/auth/sessions", headers=bearer(me))).json()["data"]
    assert (await client.get("/v1/auth/sessions", headers=key)).status_code == 403
    ended = await client.delete(f"/v1/auth/sessions/{session['id']}", headers=key)
    assert ended.status_code == 403
    assert await status(client, me) == 200
