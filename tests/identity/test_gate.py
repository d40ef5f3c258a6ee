"""The gate: who is let in, where to, and what is given back when not."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server import wiring
from leanvibe_server.identity.gate import HouseGate
from leanvibe_server.kernel.errors import AppError, Unauthorized
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import PLATFORM_TENANT
from leanvibe_server.kernel.request import Credentials, Visit
from leanvibe_server.wiring import Doors
from tests.conftest import FakeClock, Ground
from tests.given import Organisation, platform_headers


async def me(client: httpx.AsyncClient, headers: dict[str, str]) -> httpx.Response:
    return await client.get("/v1/auth/me", headers=headers)


async def test_nothing_shown_is_answered_with_how_to_sign_in(client: httpx.AsyncClient) -> None:
    answer = await me(client, {})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Basic dTpw", "Token x", "bearer lv_", "Bearer null"]
)
async def test_what_is_no_bearer_token_is_refused(client: httpx.AsyncClient, value: str) -> None:
    answer = await me(client, {"Authorization": value})
    assert answer.status_code == 401


async def test_a_token_in_the_address_is_never_looked_at(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    token = await acme.token(client)
    for name in ("token", "access_token", "api_key"):
        answer = await client.get("/v1/auth/me", params={name: token})
        assert answer.status_code in (400, 401)


async def test_the_role_of_the_database_counts_and_not_the_token_s(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client, "admin")
    assert (await client.get("/v1/api-keys", headers=headers)).status_code == 200
    await admin.execute("UPDATE users SET role = 'viewer' WHERE id = $1", acme.people["admin"].id)
    answer = await client.get("/v1/api-keys", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["details"]["required_permission"] == "api_key:manage"


@pytest.mark.parametrize(
    "change",
    ["status = 'disabled'", "status = 'invited'", "expires_at = '2026-03-02T11:59:59Z'"],
)
async def test_a_token_dies_with_its_user_s_standing(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection, change: str
) -> None:
    headers = await acme.headers(client, "guest")
    await admin.execute(f"UPDATE users SET {change} WHERE id = $1", acme.people["guest"].id)
    assert (await me(client, headers)).status_code == 401


async def test_a_guest_s_access_ends_when_its_time_is_up(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection, clock: FakeClock
) -> None:
    await admin.execute(
        "UPDATE users SET expires_at = $2 WHERE id = $1",
        acme.people["guest"].id,
        clock.now().replace(minute=30),
    )
    headers = await acme.headers(client, "guest")
    assert (await me(client, headers)).status_code == 200
    clock.advance(minutes=31)
    assert (await me(client, headers)).status_code == 401


async def test_headers_that_name_another_tenant_are_refused(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    headers = await acme.headers(client)
    for named in (str(globex.id), str(uuid4()), "nonsense", ""):
        assert (await me(client, headers | {"X-Tenant-ID": named})).status_code == 403
    for slug in (globex.tenant.slug, "nonsense"):
        assert (await me(client, headers | {"X-Tenant-Slug": slug})).status_code == 403
    own = headers | {"X-Tenant-ID": str(acme.id).upper(), "X-Tenant-Slug": acme.tenant.slug}
    assert (await me(client, own)).status_code == 200


async def test_a_named_tenant_alone_lets_nobody_in(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    assert (await me(client, {"X-Tenant-ID": str(acme.id)})).status_code == 401


async def test_a_suspended_tenant_reads_and_does_not_write(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client)
    await admin.execute("UPDATE tenants SET status = 'suspended' WHERE id = $1", acme.id)
    assert (await me(client, headers)).status_code == 200
    answer = await client.post("/v1/users", json={"email": "a@b.example"}, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (403, "tenant_suspended")
    assert (await client.post("/v1/auth/logout", headers=headers)).status_code == 200


async def test_calls_of_a_tenant_share_its_plan_s_rate(
    client: httpx.AsyncClient, globex: Organisation
) -> None:
    headers = await globex.headers(client)
    answers = [await me(client, headers) for _ in range(201)]
    assert answers[0].headers["x-ratelimit-limit"] == "100"
    assert [answer.status_code for answer in answers[198:]] == [200, 200, 429]
    assert answers[-1].json()["error"] == "rate_limited"
    assert int(answers[-1].headers["x-ratelimit-retry-after"]) >= 1


async def test_bad_credentials_count_against_the_address(client: httpx.AsyncClient) -> None:
    headers = {"Authorization": "Bearer not-a-token"}
    answers = [(await me(client, headers)).status_code for _ in range(301)]
    assert answers[299:] == [401, 429]


async def test_a_session_is_noted_as_seen_once_a_minute(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection, clock: FakeClock
) -> None:
    headers = await acme.headers(client)

    async def seen() -> Any:
        return await admin.fetchval(
            "SELECT max(last_seen_at) FROM sessions WHERE tenant_id = $1", acme.id
        )

    opened = await seen()
    clock.advance(seconds=30)
    await me(client, headers)
    assert await seen() == opened
    clock.advance(seconds=31)
    await me(client, headers)
    assert await seen() == clock.now()


@pytest.fixture
async def narrow(ground: Ground, clock: FakeClock) -> AsyncIterator[tuple[House, Doors]]:
    """A house whose pool has one connection: a leak stops it at once."""
    house = await wiring.open_house(replace(ground.settings, database_pool_size=1))
    house.clock = clock
    doors = await wiring.build_app(house)
    yield house, doors
    await house.database.close()


async def test_every_refusal_gives_its_connection_back(
    narrow: tuple[House, Doors], acme: Organisation, globex: Organisation, client: httpx.AsyncClient
) -> None:
    headers = await acme.headers(client)
    guest = await acme.headers(client, "guest")
    hers = str(globex.id)
    transport = httpx.ASGITransport(app=narrow[1].app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as tight:
        for _ in range(3):
            refused = [
                await me(tight, {"Authorization": "Bearer nonsense"}),
                await me(tight, {"Authorization": f"Bearer lv_test_{'0' * 60}"}),
                await me(tight, headers | {"X-Tenant-ID": hers}),
                await me(tight, headers | {"X-Tenant-ID": hers, "X-Break-Glass-Reason": "x" * 20}),
                await me(tight, headers | {"X-Tenant-Slug": "nonsense"}),
                await tight.get("/v1/api-keys", headers=guest),
                await tight.post("/v1/users", json={"email": 7}, headers=headers),
                await tight.get(f"/v1/users/{uuid4()}", headers=headers),
                await tight.post(
                    "/v1/auth/login", json={"email": "x@y.example", "password": "a wrong one"}
                ),
                await tight.post("/v1/auth/refresh", json={"refresh_token": "lr_nonsense"}),
            ]
            assert {answer.status_code for answer in refused} <= {400, 401, 403, 404}
        assert (await me(tight, headers)).status_code == 200


async def test_a_credential_that_is_looked_at_again_is_no_call_and_keeps_nothing_awake(
    client: httpx.AsyncClient,
    doors: Doors,
    house: House,
    clock: FakeClock,
    acme: Organisation,
    admin: asyncpg.Connection,
) -> None:
    gate: HouseGate = doors.api.state.gate
    token = await acme.token(client)
    seen = "SELECT max(last_seen_at) FROM sessions WHERE tenant_id = $1"
    before = await admin.fetchval(seen, acme.id)
    clock.advance(minutes=30)
    visit = Visit(house, "req_x", "GET", "/", {}, {}, "127.0.0.1", False)
    shown = Credentials(visit, token, None, None, None, None, again=True)
    admission = await gate.admit(house, shown)
    await admission.transaction.commit()
    assert await admin.fetchval(seen, acme.id) == before
    await client.post("/v1/auth/logout", headers={"Authorization": f"Bearer {token}"})
    with pytest.raises(Unauthorized):
        await gate.admit(house, shown)


WHY = "Ticket 4711: the owner cannot see their usage"


async def test_a_platform_admin_breaks_the_glass_to_read_and_both_logs_say_so(
    client: httpx.AsyncClient, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await platform_headers(house, client)
    inside = headers | {"X-Tenant-ID": str(acme.id), "X-Break-Glass-Reason": WHY}
    people = await client.get("/v1/users", headers=inside)
    assert people.status_code == 200
    assert {row["tenant_id"] for row in people.json()["data"]} == {str(acme.id)}
    for tenant_id in (acme.id, PLATFORM_TENANT):
        event = await admin.fetchrow(
            "SELECT * FROM events WHERE tenant_id = $1 AND name = 'break_glass.used' "
            "ORDER BY id DESC LIMIT 1",
            tenant_id,
        )
        assert event is not None
        assert event["area"] == "auth"
        assert WHY in event["payload"]
        assert str(acme.id) in event["payload"]


async def test_behind_broken_glass_nothing_can_be_changed(
    client: httpx.AsyncClient, house: House, acme: Organisation
) -> None:
    headers = await platform_headers(house, client)
    inside = headers | {"X-Tenant-ID": str(acme.id), "X-Break-Glass-Reason": WHY}
    for attempt in (
        client.post("/v1/users", json={"email": "new@acme.example"}, headers=inside),
        client.post("/v1/api-keys", json={"name": "k"}, headers=inside),
        client.patch(
            f"/v1/users/{acme.people['guest'].id}", json={"role": "owner"}, headers=inside
        ),
        client.post("/v1/auth/logout", headers=inside),
        client.put("/v1/tenants/me/info", json={"display_name": "Mine"}, headers=inside),
    ):
        assert (await attempt).status_code == 403


@pytest.mark.parametrize("reason", [None, "", "short", " " * 30])
async def test_without_a_reason_the_glass_holds(
    client: httpx.AsyncClient, house: House, acme: Organisation, reason: str | None
) -> None:
    headers = await platform_headers(house, client) | {"X-Tenant-ID": str(acme.id)}
    if reason is not None:
        headers["X-Break-Glass-Reason"] = reason
    assert (await client.get("/v1/users", headers=headers)).status_code == 403


async def test_nobody_else_breaks_the_glass(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    headers = await acme.headers(client) | {
        "X-Tenant-ID": str(globex.id),
        "X-Break-Glass-Reason": WHY,
    }
    assert (await client.get("/v1/users", headers=headers)).status_code == 403


async def test_refusals_are_our_own_errors(client: httpx.AsyncClient) -> None:
    assert issubclass(Unauthorized, AppError)
    answer = await me(client, {"Authorization": "Bearer x"})
    assert set(answer.json()) == {"error", "message", "details", "request_id", "timestamp"}
