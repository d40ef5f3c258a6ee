"""The security policy of a tenant: who sets it, what it refuses, and that it holds at once."""

import json
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from leanvibe_server.identity.policy import SecurityPolicy
from leanvibe_server.identity.security.service import lift_networks
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.house import House
from leanvibe_server.wiring import Doors
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_mail import letters_to
from tests.identity.given_sessions import (
    bearer,
    coming_from,
    names_of_events,
    set_policy,
    sign_in,
    status,
)

HERE, ELSEWHERE = "127.0.0.0/8", "203.0.113.0/24"


async def put(client: httpx.AsyncClient, headers: dict[str, str], **change: Any) -> httpx.Response:
    return await client.put("/v1/tenants/me/security", json=change, headers=headers)


async def test_the_policy_begins_as_the_product_s_own(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    answer = await client.get("/v1/tenants/me/security", headers=await acme.headers(client))
    assert answer.status_code == 200
    body = answer.json()
    assert body["password_min_length"] == 15
    assert body["allowed_networks"] == []
    assert body["session_idle_minutes"] is None
    assert body["mfa_required"] is False
    assert body["your_address"] == "127.0.0.1"


async def test_an_admin_sets_what_they_name_and_the_log_says_what_changed(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client, "admin")
    first = await put(client, headers, password_min_length=16, allowed_networks=[HERE])
    assert first.status_code == 200, first.text
    second = await put(client, headers, session_idle_minutes=30)
    assert second.json()["password_min_length"] == 16
    assert second.json()["session_idle_minutes"] == 30
    payloads = [
        json.loads(row["payload"])
        for row in await admin.fetch(
            "SELECT payload FROM events WHERE tenant_id = $1 AND name = 'security_policy.changed' "
            "ORDER BY id",
            acme.id,
        )
    ]
    assert payloads[0]["changed"] == {
        "password_min_length": ["15", "16"],
        "allowed_networks": ["", HERE],
    }
    assert set(payloads[1]["changed"]) == {"session_idle_minutes"}
    back = await put(client, headers, session_idle_minutes=None, password_min_length=None)
    assert (back.json()["session_idle_minutes"], back.json()["password_min_length"]) == (None, 15)
    kept = await admin.fetchval("SELECT security FROM tenants WHERE id = $1", acme.id)
    assert json.loads(kept) == {"allowed_networks": [HERE]}


async def test_nothing_changed_is_no_news(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    answer = await put(
        client,
        await acme.headers(client),
        password_min_length=15,
        mfa_methods=["email", "sms", "webauthn", "totp", "totp"],
    )
    assert answer.status_code == 200
    assert "security_policy.changed" not in await names_of_events(admin, acme)


async def test_passwords_may_be_shorter_only_where_everybody_has_a_second_factor(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    refused = await put(client, headers, password_min_length=8)
    assert refused.json()["details"]["validation_errors"] == [
        "password_min_length: must be at least 15, unless everybody needs a second factor"
    ]
    short = await put(client, headers, password_min_length=8, mfa_required=True)
    assert short.json()["password_min_length"] == 8
    # Where that is asked of nobody any more, the shorter length ends with it.
    policy = SecurityPolicy(password_min_length=8, mfa_required=True)
    assert policy.shortest_password == 8
    assert msgspec.structs.replace(policy, mfa_required=False).shortest_password == 15


@pytest.mark.parametrize("role", ["manager", "developer", "viewer", "guest"])
async def test_others_than_admins_neither_see_nor_set_it(
    client: httpx.AsyncClient, acme: Organisation, role: str
) -> None:
    headers = await acme.headers(client, role)
    seen = await client.get("/v1/tenants/me/security", headers=headers)
    assert (seen.status_code, (await put(client, headers)).status_code) == (403, 403)


async def test_an_old_proof_of_identity_is_not_enough_to_set_it(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    headers = await acme.headers(client)
    clock.advance(minutes=11)
    answer = await put(client, headers, password_min_length=8)
    assert answer.status_code == 403
    assert answer.json()["details"]["reason"] == "step_up_required"


@pytest.mark.parametrize(
    "change",
    [
        {"password_min_length": 14},
        {"password_min_length": 7, "mfa_required": True},
        {"password_min_length": 65},
        {"password_history": 25},
        {"session_idle_minutes": 4},
        {"session_idle_minutes": 43_201},
        {"session_absolute_hours": 0},
        {"session_absolute_hours": 2_161},
        {"session_idle_minutes": 600, "session_absolute_hours": 1},
        {"max_sessions": 0},
        {"max_sessions": 101},
        {"max_sessions": True},
        {"password_history": False},
        {"allowed_networks": ["not a network"]},
        {"allowed_networks": ["203.0.113.7/24"]},
        {"allowed_networks": ["203.0.113.7", ""]},
        {"mfa_methods": []},
        {"mfa_methods": ["carrier pigeon"]},
        {"mfa_required": "perhaps"},
    ],
)
async def test_what_no_policy_can_be_is_refused_by_field(
    client: httpx.AsyncClient, acme: Organisation, change: dict[str, Any]
) -> None:
    answer = await put(client, await acme.headers(client), **change)
    assert answer.status_code == 400, answer.text
    assert answer.json()["details"]["field"].split(".")[0] in change


async def test_an_admin_does_not_shut_themselves_out_by_mistake(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    refused = await put(client, headers, allowed_networks=[ELSEWHERE])
    assert refused.status_code == 409
    assert refused.json()["details"]["address"] == "127.0.0.1"
    forced = await put(client, headers, allowed_networks=[ELSEWHERE], force=True)
    assert forced.status_code == 200
    again = await client.get("/v1/auth/me", headers=headers)
    assert again.status_code == 403
    assert again.json()["details"]["reason"] == "address_not_allowed"


async def test_sso_alone_is_refused_while_nobody_could_sign_in(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    no_provider = await put(client, await acme.headers(client), sso_required=True)
    assert no_provider.status_code == 409
    no_plan = await put(client, await globex.headers(client), sso_required=True)
    assert no_plan.status_code == 403
    assert no_plan.json()["upgrade_options"]


async def test_the_allow_list_holds_for_sessions_keys_and_refreshes_that_exist(
    client: httpx.AsyncClient, doors: Doors, house: House, acme: Organisation
) -> None:
    held = await sign_in(client, acme)
    key = (await client.post("/v1/api-keys", json={"name": "CI"}, headers=bearer(held))).json()[
        "key"
    ]
    await set_policy(house, acme, allowed_networks=[ELSEWHERE])
    for credential in (held["access_token"], key):
        headers = {"Authorization": f"Bearer {credential}"}
        refused = await client.get("/v1/projects", headers=headers)
        assert refused.status_code == 403
        assert refused.json()["details"]["reason"] == "address_not_allowed"
    async with coming_from(doors, "203.0.113.9") as inside:
        for credential in (held["access_token"], key):
            headers = {"Authorization": f"Bearer {credential}"}
            assert (await inside.get("/v1/projects", headers=headers)).status_code == 200
    renewal = {"refresh_token": held["refresh_token"]}
    assert (await client.post("/v1/auth/refresh", json=renewal)).status_code == 403


async def test_sec_password_account_01_from_beyond_the_allow_list_no_password_is_confirmed(
    client: httpx.AsyncClient, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    await set_policy(house, acme, allowed_networks=[ELSEWHERE])
    owner = acme.people["owner"]
    body = {"email": owner.email, "password": owner.password}
    answers = [
        await client.post("/v1/auth/login", json=body, headers={"X-Forwarded-For": "203.0.113.9"}),
        await client.post("/v1/auth/login", json=body | {"password": "a wrong password"}),
        await client.post("/v1/auth/login", json=body | {"email": f"no-{owner.email}"}),
    ]
    assert {answer.status_code for answer in answers} == {401}
    fixed = [{**answer.json(), "request_id": "", "timestamp": ""} for answer in answers]
    assert fixed[0] == fixed[1] == fixed[2]
    assert [sorted(answer.headers) for answer in answers[:2]] == [sorted(answers[0].headers)] * 2
    # The organisation knows better, and so does the person.
    assert (await names_of_events(admin, acme))[-2:] == ["user.login_refused", "user.login_failed"]
    assert [subject for subject, _ in await letters_to(admin, owner.email)] == [
        "A sign-in from a network that is not allowed"
    ]
    assert await admin.fetchval("SELECT count(*) FROM sessions WHERE tenant_id = $1", acme.id) == 0


async def test_right_passwords_from_beyond_the_allow_list_count_as_failures(
    client: httpx.AsyncClient, house: House, acme: Organisation
) -> None:
    await set_policy(house, acme, allowed_networks=[ELSEWHERE])
    owner = acme.people["owner"]
    body = {"email": owner.email, "password": owner.password}
    statuses = [(await client.post("/v1/auth/login", json=body)).status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]


async def test_an_operator_lets_a_tenant_back_in_that_shut_itself_out(
    client: httpx.AsyncClient, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    tokens = await sign_in(client, acme)
    await set_policy(house, acme, allowed_networks=[ELSEWHERE], password_min_length=14)
    assert await status(client, tokens) == 403
    assert await lift_networks(house, acme.tenant.slug) is True
    assert await status(client, tokens) == 200
    assert await lift_networks(house, acme.tenant.slug) is False
    kept = await admin.fetchval("SELECT security FROM tenants WHERE id = $1", acme.id)
    assert json.loads(kept) == {"password_min_length": 14}
    assert "security_policy.changed" in await names_of_events(admin, acme)
    with pytest.raises(NotFound):
        await lift_networks(house, "nobody-s-slug")


async def test_tighter_times_end_sessions_that_began_under_looser_ones(
    client: httpx.AsyncClient, house: House, acme: Organisation, clock: FakeClock
) -> None:
    tokens = await sign_in(client, acme)
    clock.advance(minutes=20)
    await set_policy(house, acme, session_idle_minutes=15)
    assert await status(client, tokens) == 401
    renewal = {"refresh_token": tokens["refresh_token"]}
    assert (await client.post("/v1/auth/refresh", json=renewal)).status_code == 401
    busy = await sign_in(client, acme)
    await set_policy(house, acme, session_absolute_hours=1)
    for _ in range(5):
        clock.advance(minutes=11)
        assert await status(client, busy) == 200
    clock.advance(minutes=6)
    assert await status(client, busy) == 401


async def test_fewer_sessions_than_the_plan_end_the_oldest(
    client: httpx.AsyncClient, house: House, acme: Organisation, clock: FakeClock
) -> None:
    await set_policy(house, acme, max_sessions=1)
    first = await sign_in(client, acme)
    clock.advance(seconds=1)
    second = await sign_in(client, acme)
    assert (await status(client, first), await status(client, second)) == (401, 200)


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("203.0.113.7", True),
        ("203.0.114.7", False),
        ("::ffff:203.0.113.7", True),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("unknown", False),
        ("", False),
        (None, False),
    ],
)
def test_an_address_is_inside_or_not(address: str | None, inside: bool) -> None:
    policy = SecurityPolicy(allowed_networks=("203.0.113.0/24", "2001:db8::/32"))
    assert policy.allows(address) is inside
    assert SecurityPolicy().allows(address)
