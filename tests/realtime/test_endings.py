"""Whose access ends while they watch is told nothing more, and the stream closes at once: over
WebSocket and event stream, in another process than the one that ended it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from leanvibe_server import wiring
from leanvibe_server.identity.passwords import PasswordDesk
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.ratelimit import ANONYMOUS
from leanvibe_server.realtime import feed
from tests import given
from tests.conftest import FakeClock, Ground
from tests.given import Organisation, platform_headers
from tests.identity.given_sessions import sign_in
from tests.realtime.conftest import Server, Teller, serving
from tests.realtime.readers import events_of, next_message, until_closed, watch
from tests.tenancy.given_trees import put_below

# Well below the time after which a stream is looked at anyway.
AT_ONCE_S = feed.RECHECK_S / 3


@pytest.fixture
async def elsewhere(ground: Ground, clock: FakeClock, house: House) -> AsyncIterator[Server]:
    """Another process of the product, on the same database."""
    other = await wiring.open_house(ground.settings)
    other.clock = clock
    other.place(PasswordDesk(beat_s=0))
    doors = await wiring.build_app(other)
    async with doors.live, serving(doors) as server:
        yield server
    await other.database.close()


@dataclass
class Case:
    """Somebody watches with `token`, and an owner who can end that."""

    client: httpx.AsyncClient
    acme: Organisation
    teller: Teller
    owner: dict[str, str]
    role: str = "viewer"
    token: str = ""
    held: dict[str, Any] = field(default_factory=dict)

    @property
    def watcher(self) -> UUID:
        return self.acme.people[self.role].id

    @property
    def own(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def ask(
        self, method: str, path: str, by: dict[str, str] | None = None, **body: Any
    ) -> Any:
        answer = await self.client.request(
            method, path, headers=by or self.owner, **({"json": body} if body else {})
        )
        assert answer.is_success, (path, answer.text)
        return answer.json() if answer.content else None

    async def project(self) -> str:
        return str((await self.ask("GET", f"/v1/tasks/{self.teller.task_id}"))["project_id"])


Step = Callable[[Case], Awaitable[None]]


async def _by_session(case: Case) -> None:
    case.held = await sign_in(case.client, case.acme, case.role)
    case.token = case.held["access_token"]


async def _by_key(case: Case) -> None:
    case.role = "admin"
    await _by_session(case)
    made = await case.ask("POST", "/v1/api-keys", case.own, name="watch", scopes=["task:read"])
    case.held, case.token = {"id": made["id"]}, made["key"]


async def _by_client(case: Case) -> None:
    account = await case.ask("POST", "/v1/service-accounts", name="watcher", role="viewer")
    path = f"/v1/service-accounts/{account['id']}/clients"
    made = await case.ask("POST", path, name="watch", scopes=["task:read"])
    basic = httpx.BasicAuth(made["client_id"], made["client_secret"])
    answer = await case.client.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, auth=basic
    )
    case.held = {"path": f"{path}/{made['id']}", "basic": basic}
    case.token = answer.json()["access_token"]


async def _as_member_of_a_restricted_project(case: Case) -> None:
    await _by_session(case)
    project = await case.project()
    await case.ask("PATCH", f"/v1/projects/{project}", visibility="members")
    await case.ask("PUT", f"/v1/projects/{project}/members/{case.watcher}", role="viewer")


async def _as_one_of_a_group_on_a_restricted_project(case: Case) -> None:
    await _by_session(case)
    project = await case.project()
    await case.ask("PATCH", f"/v1/projects/{project}", visibility="members")
    group = await case.ask("POST", "/v1/groups", name=f"Watchers of {project}")
    case.held |= {"group": f"/v1/groups/{group['id']}"}
    await case.ask("POST", f"{case.held['group']}/members", user_ids=[str(case.watcher)])
    await case.ask("PUT", f"/v1/projects/{project}/groups/{group['id']}", role="viewer")


async def _log_out(case: Case) -> None:
    await case.ask("POST", "/v1/auth/logout", case.own)


async def _log_out_everywhere(case: Case) -> None:
    await case.ask("POST", "/v1/auth/logout-all", case.own)


async def _end_the_session(case: Case) -> None:
    await case.ask("DELETE", f"/v1/users/{case.watcher}/sessions")


async def _use_a_refresh_token_twice(case: Case) -> None:
    for agent in ("one", "one", "another"):
        await case.client.post(
            "/v1/auth/refresh",
            json={"refresh_token": case.held["refresh_token"]},
            headers={"User-Agent": agent},
        )


async def _disable(case: Case) -> None:
    await case.ask("PATCH", f"/v1/users/{case.watcher}", status="disabled")


async def _remove(case: Case) -> None:
    await case.ask("DELETE", f"/v1/users/{case.watcher}")


async def _take_the_role(case: Case) -> None:
    await case.ask("POST", "/v1/roles", name="nothing-much", permissions=["user:read"])
    await case.ask("PATCH", f"/v1/users/{case.watcher}", role="nothing-much")


async def _revoke_the_key(case: Case) -> None:
    await case.ask("DELETE", f"/v1/api-keys/{case.held['id']}")


async def _revoke_the_client(case: Case) -> None:
    await case.ask("DELETE", case.held["path"])


async def _revoke_the_token(case: Case) -> None:
    answer = await case.client.post(
        "/oauth/revoke", data={"token": case.token}, auth=case.held["basic"]
    )
    assert answer.status_code == 200, answer.text


async def _change_the_networks(case: Case) -> None:
    await case.ask(
        "PUT", "/v1/tenants/me/security", allowed_networks=["203.0.113.0/24"], force=True
    )


async def _ask_for_a_second_factor(case: Case) -> None:
    await case.ask("PUT", "/v1/tenants/me/security", mfa_required=True, force=True)


async def _restrict_the_project(case: Case) -> None:
    await case.ask("PATCH", f"/v1/projects/{await case.project()}", visibility="members")


async def _take_the_project(case: Case) -> None:
    await case.ask("DELETE", f"/v1/projects/{await case.project()}/members/{case.watcher}")


async def _take_out_of_the_group(case: Case) -> None:
    await case.ask("DELETE", f"{case.held['group']}/members/{case.watcher}")


async def _delete_the_group(case: Case) -> None:
    await case.ask("DELETE", case.held["group"])


@pytest.mark.parametrize(
    ("begin", "end", "code"),
    [
        (_by_session, _log_out, 4401),
        (_by_session, _log_out_everywhere, 4401),
        (_by_session, _end_the_session, 4401),
        (_by_session, _use_a_refresh_token_twice, 4401),
        (_by_session, _disable, 4401),
        (_by_session, _remove, 4401),
        (_by_session, _take_the_role, 4403),
        (_by_session, _change_the_networks, 4403),
        (_by_session, _ask_for_a_second_factor, 4401),
        (_by_session, _restrict_the_project, 4404),
        (_as_member_of_a_restricted_project, _take_the_project, 4404),
        (_as_one_of_a_group_on_a_restricted_project, _take_out_of_the_group, 4404),
        (_as_one_of_a_group_on_a_restricted_project, _delete_the_group, 4404),
        (_by_key, _revoke_the_key, 4401),
        (_by_key, _disable, 4401),
        (_by_key, _change_the_networks, 4403),
        (_by_client, _revoke_the_client, 4401),
        (_by_client, _revoke_the_token, 4401),
    ],
)
async def test_nothing_is_told_after_an_ending(
    client: httpx.AsyncClient,
    acme: Organisation,
    teller: Teller,
    elsewhere: Server,
    begin: Step,
    end: Step,
    code: int,
) -> None:
    case = Case(client, acme, teller, await acme.headers(client))
    await begin(case)
    url = f"{elsewhere.http}/v1/tasks/{teller.task_id}/events"
    async with (
        httpx.AsyncClient(timeout=10) as browser,
        watch(elsewhere, teller.task_id, case.token) as socket,
        browser.stream("GET", url, headers=case.own) as response,
    ):
        events = events_of(response)
        await teller.progress(15, "code_generation")
        assert (await anext(events))[1]["type"] == "task_update"
        await next_message(socket)
        await end(case)
        await teller.progress(40, "test_generation")
        async with asyncio.timeout(AT_ONCE_S):
            told = [message["percentage"] async for _, message in events]
            told += [message["percentage"] for message in await until_closed(socket)]
    assert 40 not in told
    assert socket.close_code == code


async def test_who_was_above_is_out_at_once_when_the_platform_moves_one_in_between(
    client: httpx.AsyncClient, house: House, acme: Organisation, teller: Teller, elsewhere: Server
) -> None:
    """The task is two levels below who watches it, and what moves is the level between."""
    top, between = [
        await given.organisation(house, plan="enterprise", name=name, roles=("owner",))
        for name in ("Top", "Between")
    ]
    await put_below(house, between.id, top.id)
    await put_below(house, acme.id, between.id)
    acting = {"X-Tenant-ID": str(acme.id)}
    token = await top.token(client)
    async with watch(elsewhere, teller.task_id, token, **acting) as socket:
        await next_message(socket)
        # Until it waits for news, it asks again anyway.
        await asyncio.sleep(1)
        await put_below(house, between.id, None)
        async with asyncio.timeout(AT_ONCE_S):
            assert await until_closed(socket) == []
    assert socket.close_code == 4403


async def test_time_that_ran_out_while_nobody_told_is_seen_before_the_next_message(
    client: httpx.AsyncClient, acme: Organisation, teller: Teller, server: Server, clock: FakeClock
) -> None:
    token = await acme.token(client, "viewer")
    async with watch(server, teller.task_id, token) as socket:
        await next_message(socket)
        clock.advance(hours=2)
        await teller.progress(40, "test_generation")
        assert await until_closed(socket) == []
    assert socket.close_code == 4401


async def test_a_reader_cannot_stay_by_using_up_the_calls_of_their_address(
    client: httpx.AsyncClient, acme: Organisation, teller: Teller, server: Server
) -> None:
    owner, token = await acme.headers(client), await acme.token(client, "viewer")
    async with watch(server, teller.task_id, token) as socket:
        await next_message(socket)
        for _ in range(ANONYMOUS.burst + 5):
            answer = await client.get("/v1/auth/me", headers={"Authorization": "Bearer nothing"})
        assert answer.status_code == 429
        await client.delete(f"/v1/users/{acme.people['viewer'].id}/sessions", headers=owner)
        await teller.progress(40, "test_generation")
        assert await until_closed(socket) == []
    assert socket.close_code == 4401


async def test_a_stream_behind_broken_glass_is_noted_once_however_long_it_is(
    client: httpx.AsyncClient,
    house: House,
    teller: Teller,
    server: Server,
    admin: asyncpg.Connection,
) -> None:
    headers = await platform_headers(house, client)
    inside = {"X-Tenant-ID": str(teller.tenant_id), "X-Break-Glass-Reason": "Ticket 4711: it hangs"}
    token = headers["Authorization"].removeprefix("Bearer ")
    async with watch(server, teller.task_id, token, **inside) as socket:
        await next_message(socket)
        for percentage in (15, 40):
            await teller.progress(percentage, "test_generation")
            assert (await next_message(socket))["percentage"] == percentage
    noted = await admin.fetchval(
        "SELECT count(*) FROM events WHERE tenant_id = $1 AND name = 'break_glass.used'",
        teller.tenant_id,
    )
    assert noted == 1


async def test_a_stream_is_one_call_however_much_is_told(
    client: httpx.AsyncClient, acme: Organisation, teller: Teller, server: Server
) -> None:
    case = Case(client, acme, teller, await acme.headers(client))
    await _by_key(case)

    async def calls_left() -> int:
        answer = await client.get("/v1/tasks", headers=case.own)
        return int(answer.headers["x-ratelimit-remaining"])

    before = await calls_left()
    async with watch(server, teller.task_id, case.token) as socket:
        await next_message(socket)
        for percentage in (15, 40, 60):
            await teller.progress(percentage, "test_generation")
            await next_message(socket)
        assert await calls_left() == before - 2
