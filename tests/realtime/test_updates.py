"""A task told live: by WebSocket and as server-sent events, without loss."""

import asyncio
import json
from uuid import uuid4

import asyncpg
import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.given import Organisation
from tests.realtime.conftest import Server, Teller
from tests.realtime.readers import events_of, next_message, until_closed, watch
from tests.web.visitors import Visitor


async def test_the_state_comes_first_then_what_happens_then_the_end(
    server: Server, teller: Teller, token: str
) -> None:
    async with watch(server, teller.task_id, token) as socket:
        state = await next_message(socket)
        assert (state["type"], state["status"]) == ("task_update", "queued")
        assert state["task_id"] == str(teller.task_id)
        await teller.progress(15, "code_generation")
        progress = await next_message(socket)
        assert (progress["type"], progress["percentage"]) == ("progress", 15)
        assert (progress["progress_percentage"], progress["step"]) == (15, "code_generation")
        await teller.complete()
        end = await next_message(socket)
        assert (end["type"], end["status"]) == ("completion", "completed")
        assert end["deliverables"] == {"files_created": 1, "tests_written": 2}
        assert end["quality_score"] == 0.9
        assert await until_closed(socket) == []
    assert socket.close_code == 1000


async def test_a_finished_task_is_told_and_closed_under_both_names(
    server: Server, teller: Teller, token: str
) -> None:
    await teller.complete()
    for path in (f"/v1/tasks/{teller.task_id}/updates", f"/api/v1/ws/tasks/{teller.task_id}"):
        async with connect(f"{server.ws}{path}?token={token}") as socket:
            messages = await until_closed(socket)
        assert [message["type"] for message in messages] == ["task_update", "completion"]
        ids = [message["event_id"] for message in messages]
        assert len(set(ids)) == 2


async def test_nothing_is_lost_over_many_broken_connections(
    server: Server, teller: Teller, token: str
) -> None:
    async def tell() -> None:
        for number in range(60):
            await teller.log(f"line {number}")
        await teller.complete()

    async with watch(server, teller.task_id, token) as socket:
        after = (await next_message(socket))["event_id"]
    telling = asyncio.create_task(tell())
    heard: list[str] = []
    ended = False
    while not ended:
        async with watch(server, teller.task_id, token, f"?after={after}") as socket:
            assert (await next_message(socket))["event_id"] == after
            for _ in range(7):
                message = await next_message(socket)
                after = message["event_id"]
                if message["type"] == "completion":
                    ended = True
                    break
                heard.append(message["log"])
    await telling
    assert heard == [f"line {number}" for number in range(60)]


async def test_a_cancelled_task_ends_as_an_error_and_a_retry_opens_it_again(
    server: Server, client: httpx.AsyncClient, teller: Teller, token: str
) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with watch(server, teller.task_id, token) as socket:
        first = await next_message(socket)
        await client.post(f"/v1/tasks/{teller.task_id}/cancel", headers=headers)
        end = await next_message(socket)
        assert (end["type"], end["status"]) == ("error", "cancelled")
        assert end["error"]["code"] == "cancelled"
    await client.post(f"/v1/tasks/{teller.task_id}/retry", headers=headers)
    query = f"?after={first['event_id']}"
    async with watch(server, teller.task_id, token, query) as socket:
        state = await next_message(socket)
        assert (state["status"], state["event_id"]) == ("queued", first["event_id"])
        replayed = [await next_message(socket), await next_message(socket)]
        assert [message["type"] for message in replayed] == ["task_update", "task_update"]
        assert [message["status"] for message in replayed] == ["cancelled", "queued"]


async def test_the_ways_in(server: Server, teller: Teller, token: str) -> None:
    url = f"{server.ws}/v1/tasks/{teller.task_id}/updates"
    async with connect(url, subprotocols=["bearer", token]) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "bearer"
        assert (await next_message(socket))["type"] == "task_update"
    async with connect(f"{url}?token={token}") as socket:
        assert (await next_message(socket))["type"] == "task_update"


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {}, 401),
        ("?token=lv_test_0123456789abcdef", {}, 401),
        ("?token=a.b.c", {}, 401),
        ("", {"Authorization": "Bearer nonsense"}, 401),
        ("", {"Cookie": "lv_session=made-up", "Origin": "https://evil.example"}, 403),
        ("", {"Cookie": "lv_session=made-up"}, 403),
    ],
)
async def test_who_shows_nothing_valid_is_refused_before_the_handshake(
    server: Server, teller: Teller, query: str, headers: dict[str, str], status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(
            f"{server.ws}/v1/tasks/{teller.task_id}/updates{query}", additional_headers=headers
        ):
            pass
    assert refused.value.response.status_code == status
    body = json.loads(refused.value.response.body or b"{}")
    assert set(body) >= {"error", "message", "details", "request_id", "timestamp"}


async def test_the_dashboard_s_cookie_opens_from_its_own_origin_only(
    server: Server, client: httpx.AsyncClient, teller: Teller, acme: Organisation
) -> None:
    visitor = Visitor(client)
    assert (await visitor.sign_in(acme.people["viewer"])).status_code == 303
    cookie = {"Cookie": f"lv_session={client.cookies['lv_session']}"}
    url = f"{server.ws}/v1/tasks/{teller.task_id}/updates"
    for own in (server.http, "http://localhost:8765"):
        async with connect(url, additional_headers=cookie | {"Origin": own}) as socket:
            assert (await next_message(socket))["type"] == "task_update"
    for strange in ("https://evil.example", "null", f"{server.http}.evil.example"):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(url, additional_headers=cookie | {"Origin": strange}):
                pass
        assert refused.value.response.status_code == 403
    events = f"/v1/tasks/{teller.task_id}/events"
    await teller.complete()
    assert (await client.get(events)).status_code == 200


async def test_a_foreign_task_answers_like_a_random_one(
    server: Server, client: httpx.AsyncClient, teller: Teller, globex: Organisation
) -> None:
    token = await globex.token(client)
    bodies = []
    for task_id in (teller.task_id, uuid4(), "nonsense"):
        with pytest.raises(InvalidStatus) as refused:
            async with watch(server, task_id, token):
                pass
        assert refused.value.response.status_code == 404
        body = json.loads(refused.value.response.body or b"{}")
        bodies.append((body["error"], body["message"], body["details"]))
    assert len(set(map(str, bodies))) == 1


async def test_no_token_is_written_to_the_log(
    server: Server, teller: Teller, token: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with connect(f"{server.ws}/v1/ws/tasks/{teller.task_id}?token={token}") as socket:
        await next_message(socket)
    out, err = capfd.readouterr()
    assert token not in out + err


async def test_events_of_a_stream_resume_by_themselves_and_then_stop(
    server: Server, teller: Teller, token: str
) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{server.http}/v1/tasks/{teller.task_id}/events"
    async with httpx.AsyncClient(timeout=10) as browser:
        async with browser.stream("GET", url, headers=headers) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            events = events_of(response)
            mark, state = await anext(events)
            assert (state["type"], state["event_id"]) == ("task_update", mark)
        await teller.progress(40, "test_generation")
        await teller.complete()
        resumed = headers | {"Last-Event-ID": str(mark)}
        async with browser.stream("GET", url, headers=resumed) as response:
            messages = [message async for _, message in events_of(response)]
        assert [one["type"] for one in messages] == ["task_update", "progress", "completion"]
        had_all = headers | {"Last-Event-ID": messages[-1]["event_id"]}
        assert (await browser.get(url, headers=had_all)).status_code == 204
        assert (await browser.get(f"{url}?after=nonsense", headers=headers)).status_code == 400


async def test_a_lost_ear_is_grown_again(
    server: Server, teller: Teller, token: str, admin: asyncpg.Connection
) -> None:
    async with watch(server, teller.task_id, token) as socket:
        await next_message(socket)
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'leanvibe live%'"
        )
        await teller.progress(15, "code_generation")
        assert (await next_message(socket))["percentage"] == 15


async def test_sec_rate_limit_dos_04_a_tenant_has_so_many_readers_and_no_more(
    server: Server, teller: Teller, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leanvibe_server.realtime.hub.MAX_READERS", 1)
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{server.http}/v1/tasks/{teller.task_id}/events"
    async with httpx.AsyncClient(timeout=10) as browser:
        async with watch(server, teller.task_id, token) as socket:
            await next_message(socket)
            refused = await browser.get(url, headers=headers)
            assert (refused.status_code, refused.json()["error"]) == (429, "rate_limited")
            assert refused.headers["retry-after"] == "10"
            with pytest.raises(InvalidStatus) as turned_away:
                async with watch(server, teller.task_id, token):
                    pass
            assert turned_away.value.response.status_code == 429
        await asyncio.sleep(0.3)
        async with watch(server, teller.task_id, token) as socket:
            await next_message(socket)
