"""How the service is, told to callers with credentials; and how a tenant is, to its own."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.health import service
from leanvibe_server.kernel import metrics
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.traffic import Traffic
from tests.conftest import FakeClock
from tests.given import Organisation, platform_headers

PRINTED: dict[str, set[str]] = {
    "api": {"status", "response_time_ms"},
    "database": {"status", "connection_pool"},
    "cache": {"status", "hit_rate"},
    "ai_services": {"status", "queue_depth"},
    "billing": {"status", "stripe_connectivity"},
}
METRICS = {"requests_per_minute", "average_response_time", "error_rate", "uptime_percentage"}


@pytest.fixture(autouse=True)
def traffic(monkeypatch: pytest.MonkeyPatch) -> Traffic:
    """Only this test's: other tests make servers fail."""
    own = Traffic()
    monkeypatch.setattr(service, "TRAFFIC", own)
    monkeypatch.setattr(metrics, "TRAFFIC", own)
    return own


async def test_the_service_is_told_as_the_reference_prints_it(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client, "viewer")
    for path in ("/v1/health", "/api/v1/health"):
        answer = await client.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        assert (body["status"], body["timestamp"]) == ("healthy", "2026-03-02T12:00:00Z")
        assert set(body["services"]) == set(PRINTED)
        for name, fields in PRINTED.items():
            assert fields <= set(body["services"][name]), name
        assert set(body["metrics"]) == METRICS
        assert body["metrics"]["requests_per_minute"] > 0
        assert body["services"]["database"]["region"] == "us"
        assert 0 < body["services"]["cache"]["hit_rate"] <= 100


async def test_who_has_no_token_or_may_not_see_usage_is_not_told(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    for path in ("/v1/health", f"/v1/health/tenant/{acme.id}"):
        assert (await client.get(path)).status_code == 401
        guest = await client.get(path, headers=await acme.headers(client, "guest"))
        assert guest.status_code == 403
    assert (await client.get("/health")).status_code == 200


async def test_the_queue_is_the_caller_s_own(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    mine, theirs = await acme.headers(client), await globex.headers(client)
    task = await client.post("/v1/tasks", json={"title": "Fix lint"}, headers=mine)
    assert task.status_code == 201, task.text
    for headers, waiting in ((mine, 1), (theirs, 0)):
        told = (await client.get("/v1/health", headers=headers)).json()
        assert told["services"]["ai_services"]["queue_depth"] == waiting


async def test_a_queue_that_nobody_works_on_is_told(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client)
    for title in ("Fix lint", "Fix more lint"):
        made = await client.post("/v1/tasks", json={"title": title}, headers=headers)
        assert made.status_code == 201, made.text

    async def told() -> tuple[str, str]:
        body = (await client.get("/v1/health", headers=headers)).json()
        return body["services"]["ai_services"]["status"], body["status"]

    assert await told() == ("healthy", "healthy")
    clock.advance(seconds=90)
    assert await told() == ("degraded", "degraded")
    await admin.execute(
        "UPDATE tasks SET status = 'in_progress' WHERE tenant_id = $1 AND title = 'Fix lint'",
        acme.id,
    )
    assert await told() == ("healthy", "healthy")


async def test_requests_that_fail_are_told(
    client: httpx.AsyncClient, acme: Organisation, traffic: Traffic
) -> None:
    headers = await acme.headers(client)
    for _ in range(3):
        traffic.note(500, 0.01)
    body = (await client.get("/v1/health", headers=headers)).json()
    assert (body["services"]["api"]["status"], body["status"]) == ("degraded", "degraded")


async def test_a_tenant_is_told_to_its_administrators_and_those_above(
    client: httpx.AsyncClient, acme: Organisation, north: Organisation, globex: Organisation
) -> None:
    above, own = await acme.headers(client, "admin"), await north.headers(client)
    path = f"/v1/health/tenant/{north.id}"
    for headers in (above, own):
        body = (await client.get(path, headers=headers)).json()
        assert (body["tenant_id"], body["status"]) == (str(north.id), "healthy")
        assert body["services"]["database"]["region"] == body["data_residency"] == "us"
        assert body["quotas"]["users"]["current_usage"] == 2
        assert set(body["quotas"]) == {"users", "projects", "api_calls", "storage", "ai_requests"}
    viewer = await client.get(path, headers=await acme.headers(client, "viewer"))
    assert viewer.status_code == 403
    for headers, foreign in ((own, acme.id), (above, globex.id)):
        answers = [
            await client.get(f"/v1/health/tenant/{one}", headers=headers)
            for one in (foreign, uuid4())
        ]
        assert {(a.status_code, a.json()["message"]) for a in answers} == {(404, "No such tenant.")}


async def test_the_platform_sees_how_any_tenant_is(
    client: httpx.AsyncClient, house: House, globex: Organisation
) -> None:
    headers = await platform_headers(house, client)
    path = f"/v1/health/tenant/{globex.id}"
    told = (await client.get(path, headers=headers)).json()
    # One person where one fits: the plan is full, and nothing is wrong.
    assert (told["status"], told["quotas"]["users"]["status"]) == ("healthy", "exceeded")
    reason = {"reason": "Payment overdue"}
    answer = await client.post(f"/v1/tenants/{globex.id}/suspend", json=reason, headers=headers)
    assert answer.status_code == 200
    for who in (headers, await globex.headers(client)):
        assert (await client.get(path, headers=who)).json()["status"] == "suspended"


async def test_calls_that_are_used_up_are_told(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client)
    path = f"/v1/health/tenant/{acme.id}"
    for used, quota, status in ((9_500, "warning", "healthy"), (10_000, "exceeded", "degraded")):
        await admin.execute(
            """INSERT INTO usage_counters (tenant_id, metric, period, used)
               VALUES ($1, 'ai_requests', '2026-03-02', $2)
               ON CONFLICT (tenant_id, metric, period) DO UPDATE SET used = $2""",
            acme.id,
            used,
        )
        told = (await client.get(path, headers=headers)).json()
        assert (told["quotas"]["ai_requests"]["status"], told["status"]) == (quota, status)


def test_the_last_minute_counts_and_what_was_before_does_not() -> None:
    seconds = 1_000.0
    traffic = Traffic(lambda: seconds)
    assert (traffic.average_response_time_ms, traffic.uptime_percentage) == (None, 100)
    for status in (200, 404, 500, 501):
        traffic.note(status, 0.2)
    assert (traffic.requests_per_minute, traffic.average_response_time_ms) == (4, 200)
    assert (traffic.error_rate, traffic.uptime_percentage) == (25, 75)
    seconds += 60
    assert (traffic.requests_per_minute, traffic.error_rate) == (0, 0)
    traffic.note(200, 0.1)
    assert (traffic.requests_per_minute, traffic.average_response_time_ms) == (1, 100)
    assert traffic.uptime_percentage == pytest.approx(80)
