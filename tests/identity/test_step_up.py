"""Proving once more who one is, and sessions that end everywhere."""

from uuid import uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.devices import device_name
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation
from tests.identity.given_people import make_one_person
from tests.identity.given_sessions import bearer, names_of_events, sign_in, status


async def step_up(
    client: httpx.AsyncClient, headers: dict[str, str], **proof: str
) -> httpx.Response:
    return await client.post("/v1/auth/step-up", json=proof, headers=headers)


async def test_sec_session_refresh_08_a_step_up_rotates_id_and_tokens(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    before = await sign_in(client, acme)
    old = (await client.get("/v1/auth/me", headers=bearer(before))).json()["session"]
    clock.advance(minutes=11)
    sensitive = {"password_min_length": 16}
    refused = await client.put("/v1/tenants/me/security", json=sensitive, headers=bearer(before))
    assert refused.json()["details"]["reason"] == "step_up_required"
    answer = await step_up(client, bearer(before), password=PASSWORD)
    assert answer.status_code == 200, answer.text
    after = answer.json()
    done = await client.put("/v1/tenants/me/security", json=sensitive, headers=bearer(after))
    assert done.status_code == 200
    new = (await client.get("/v1/auth/me", headers=bearer(after))).json()["session"]
    assert new["id"] != old["id"]
    assert (new["created_at"], new["expires_at"]) == (old["created_at"], old["expires_at"])
    assert await status(client, before) == 401
    stale = await client.post("/v1/auth/refresh", json={"refresh_token": before["refresh_token"]})
    assert stale.status_code == 401
    assert await status(client, after) == 200
    assert "session.stepped_up" in await names_of_events(admin, acme)


async def test_a_stale_session_takes_no_lasting_secret_along_but_a_key_goes_on(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    tokens = await sign_in(client, acme)
    headers, keys, accounts = bearer(tokens), "/v1/api-keys", "/v1/service-accounts"
    new = {"name": "CI"}
    maker = {"name": "maker", "scopes": ["api_key:manage", "task:read"]}
    key = (await client.post(keys, json=maker, headers=headers)).json()
    robot = (await client.post(accounts, json={"name": "Robot"}, headers=headers)).json()
    clients = f"{accounts}/{robot['id']}/clients"
    held = (await client.post(clients, json=new, headers=headers)).json()
    asking = (
        keys,
        f"{keys}/{key['id']}/rotate",
        f"{accounts}/{robot['id']}/api-keys",
        clients,
        f"{clients}/{held['id']}/rotate",
    )
    clock.advance(minutes=11)
    for path in asking:
        refused = await client.post(path, json=new, headers=headers)
        assert refused.status_code == 403, path
        assert refused.json()["details"]["reason"] == "step_up_required", path
    by_key = {"Authorization": f"Bearer {key['key']}"}
    assert (await client.post(keys, json=new, headers=by_key)).status_code == 201
    assert (await client.delete(f"{keys}/{key['id']}", headers=headers)).status_code == 204
    fresh = bearer((await step_up(client, headers, password=PASSWORD)).json())
    for path in (keys, *asking[2:]):
        assert (await client.post(path, json=new, headers=fresh)).status_code == 201, path


async def test_a_wrong_proof_leaves_the_session_and_is_counted(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    tokens = await sign_in(client, acme)
    for expected in [403] * 5 + [429]:
        assert (await step_up(client, bearer(tokens), password="wrong")).status_code == expected
    assert await status(client, tokens) == 200
    clock.advance(minutes=16)
    assert (await step_up(client, bearer(tokens), password=PASSWORD)).status_code == 200


async def test_a_step_up_needs_some_proof_and_a_person(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    tokens = await sign_in(client, acme)
    assert (await step_up(client, bearer(tokens))).status_code == 400
    key = (await client.post("/v1/api-keys", json={"name": "CI"}, headers=bearer(tokens))).json()[
        "key"
    ]
    by_key = await step_up(client, {"Authorization": f"Bearer {key}"}, password=PASSWORD)
    assert by_key.status_code in (401, 403)


async def test_moving_to_another_tenant_makes_no_old_proof_fresh(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation, clock: FakeClock,
    admin: asyncpg.Connection,
) -> None:  # fmt: skip
    await make_one_person(admin, acme.people["owner"], globex.people["owner"])
    tokens = await sign_in(client, acme)
    clock.advance(minutes=11)
    moved = await client.post(
        "/v1/auth/switch-tenant", json={"tenant_id": str(globex.id)}, headers=bearer(tokens)
    )
    assert moved.status_code == 200, moved.text
    refused = await client.put(
        "/v1/tenants/me/security", json={"password_min_length": 8}, headers=bearer(moved.json())
    )
    assert refused.json()["details"]["reason"] == "step_up_required"


async def test_signing_out_everywhere_ends_all_or_all_but_this(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    first, second, third = [await sign_in(client, acme) for _ in range(3)]
    kept = await client.post(
        "/v1/auth/logout-all", json={"keep_current": True}, headers=bearer(first)
    )
    assert kept.json() == {"success": True, "ended": 2}
    assert [await status(client, one) for one in (first, second, third)] == [200, 401, 401]
    fourth = await sign_in(client, acme)
    everywhere = await client.post("/v1/auth/logout-all", headers=bearer(fourth))
    assert everywhere.json()["ended"] == 2
    assert [await status(client, one) for one in (first, fourth)] == [401, 401]


async def test_sessions_say_device_address_and_how_they_were_proved(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    person = acme.people["owner"]
    agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
    answer = await client.post(
        "/v1/auth/login",
        json={"email": person.email, "password": person.password},
        headers={"User-Agent": agent},
    )
    listed = await client.get("/v1/auth/sessions", headers=bearer(answer.json()))
    entry = listed.json()["data"][0]
    assert entry["device"] == "Firefox on Windows"
    assert entry["address"] == "127.0.0.1"
    assert entry["amr"] == ["pwd"]
    assert entry["current"] is True


async def test_an_admin_sees_and_ends_sessions_of_their_people_only(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client, "admin")
    held, other = await sign_in(client, acme, "viewer"), await sign_in(client, acme, "viewer")
    base = f"/v1/users/{acme.people['viewer'].id}/sessions"
    listed = (await client.get(base, headers=headers)).json()["data"]
    assert len(listed) == 2
    one = await client.delete(f"{base}/{listed[0]['id']}", headers=headers)
    assert one.status_code == 200
    assert (await status(client, held), await status(client, other)) == (401, 200)
    rest = await client.delete(base, headers=headers)
    assert rest.json() == {"success": True, "ended": 1}
    assert await status(client, other) == 401
    assert (await names_of_events(admin, acme)).count("session.ended") == 2


async def test_sec_session_refresh_13_an_admin_reaches_no_sessions_of_another_tenant(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    headers, theirs = await acme.headers(client, "admin"), await sign_in(client, globex)
    session = (await client.get("/v1/auth/me", headers=bearer(theirs))).json()["session"]["id"]
    stranger = globex.people["owner"].id
    own = acme.people["viewer"].id
    for user_id, session_id in ((stranger, session), (own, session), (uuid4(), uuid4())):
        path = f"/v1/users/{user_id}/sessions/{session_id}"
        assert (await client.delete(path, headers=headers)).status_code == 404
    for method in ("GET", "DELETE"):
        answer = await client.request(method, f"/v1/users/{stranger}/sessions", headers=headers)
        assert answer.status_code == 404
    assert await status(client, theirs) == 200


@pytest.mark.parametrize("role", ["manager", "developer", "viewer", "guest"])
async def test_others_than_admins_see_no_sessions_of_colleagues(
    client: httpx.AsyncClient, acme: Organisation, role: str
) -> None:
    path = f"/v1/users/{acme.people['owner'].id}/sessions"
    headers = await acme.headers(client, role)
    assert (await client.get(path, headers=headers)).status_code == 403
    assert (await client.delete(path, headers=headers)).status_code == 403


async def test_an_admin_does_not_sign_an_owner_out(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await sign_in(client, acme)
    path = f"/v1/users/{acme.people['owner'].id}/sessions"
    refused = await client.delete(path, headers=await acme.headers(client, "admin"))
    assert refused.status_code == 403
    assert await status(client, owner) == 200


CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 "


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (CHROME + "Safari/537.36", "Chrome on Linux"),
        (CHROME + "Safari/537.36 Edg/142.0", "Edge on Linux"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:9) Firefox/140.0", "Firefox on macOS"),
        ("leanvibe-python/1.0 python/3.11.2", "LeanVibe SDK for Python"),
        ("curl/8.14.1", "Curl"),
        ("<script>alert(1)</script>", "Unknown device"),
        ("", "Unknown device"),
        (None, "Unknown device"),
    ],
)
def test_a_device_has_a_name_that_people_use(agent: str | None, name: str) -> None:
    assert device_name(agent) == name
