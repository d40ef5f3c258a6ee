"""The quota gate: limits hold, are told in time, and cost nothing when they refuse."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanvibe_server.entitlements.errors import QuotaExceeded
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.metering import repository, service
from leanvibe_server.metering.calls import CallMeter
from leanvibe_server.metering.periods import period_end, period_of
from tests.conftest import FakeClock
from tests.given import Organisation

MOMENT = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001  (hypothesis adds the zone)
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def _scope(house: House, conn: object, tenant: Organisation, plan: str = "developer") -> Scope:
    return Scope(conn, tenant.id, SYSTEM, house.clock, house, plan=plan)  # type: ignore[arg-type]  # any connection


@given(MOMENT)
@pytest.mark.parametrize("metric", ["api_calls", "ai_requests"])
def test_a_period_ends_when_the_next_one_begins(metric: str, moment: datetime) -> None:
    end = period_end(metric, moment)
    assert moment < end
    assert period_of(metric, end) != period_of(metric, moment)
    assert period_of(metric, end.replace(hour=0)) == period_of(metric, end)


async def test_the_last_of_a_limit_passes_and_the_next_stores_nothing(
    house: House, globex: Organisation
) -> None:
    async with house.database.tenant(globex.id) as conn:
        await service.reserve(_scope(house, conn, globex), "ai_requests", 100)
    with pytest.raises(QuotaExceeded) as refused:
        async with house.database.tenant(globex.id) as conn:
            await service.reserve(_scope(house, conn, globex), "ai_requests")
    assert refused.value.details == {
        "quota_type": "ai_requests",
        "current_usage": 100,
        "quota_limit": 100,
        "reset_date": "2026-03-03T00:00:00Z",
    }
    assert [option["plan"] for option in refused.value.upgrade_options or []] == [
        "team",
        "enterprise",
    ]


async def test_fifty_callers_at_once_share_exactly_what_is_left(
    house: House, globex: Organisation
) -> None:
    async def take() -> bool:
        try:
            async with house.database.tenant(globex.id) as conn:
                await service.reserve(_scope(house, conn, globex), "ai_requests", 7)
        except QuotaExceeded:
            return False
        return True

    taken = await asyncio.gather(*(take() for _ in range(50)))
    assert sum(taken) == 100 // 7


async def test_a_warning_is_told_once_at_ninety_percent_and_a_notice_once_at_the_limit(
    house: House, globex: Organisation
) -> None:
    for amount in (89, 1, 1, 9):
        async with house.database.tenant(globex.id) as conn:
            await service.reserve(_scope(house, conn, globex), "ai_requests", amount)
    async with house.database.tenant(globex.id) as conn:
        names = await conn.fetch(
            "SELECT name, payload->>'current_usage' AS used FROM events"
            " WHERE tenant_id = $1 AND name LIKE 'tenant.quota%' ORDER BY id",
            globex.id,
        )
    assert [tuple(row) for row in names] == [
        ("tenant.quota_warning", "90"),
        ("tenant.quota_exceeded", "100"),
    ]


async def test_a_new_day_begins_with_a_full_quota(
    house: House, clock: FakeClock, globex: Organisation
) -> None:
    async with house.database.tenant(globex.id) as conn:
        await service.reserve(_scope(house, conn, globex), "ai_requests", 100)
    clock.advance(days=1)
    async with house.database.tenant(globex.id) as conn:
        await service.reserve(_scope(house, conn, globex), "ai_requests", 100)


async def test_usage_under_one_key_is_written_once(house: House, globex: Organisation) -> None:
    async def record() -> bool:
        async with house.database.tenant(globex.id) as conn:
            return await service.record(
                _scope(house, conn, globex),
                metric="ai_requests",
                quantity=1,
                idempotency_key="run 1",
            )

    assert sorted(await asyncio.gather(*(record() for _ in range(8)))) == [False] * 7 + [True]


async def test_the_quota_check_prints_what_would_fit(
    client: httpx.AsyncClient, globex: Organisation
) -> None:
    headers = await globex.headers(client)
    answer = await client.get(
        "/v1/tenants/me/quota-check/projects", params={"amount": 6}, headers=headers
    )
    assert answer.json() == {
        "quota_type": "projects",
        "available": False,
        "current_usage": 0,
        "quota_limit": 5,
        "requested_amount": 6,
        "remaining": 5,
    }
    unknown = await client.get("/v1/tenants/me/quota-check/unicorns", headers=headers)
    assert (unknown.status_code, unknown.json()["details"]["field"]) == (400, "quota_type")


async def test_api_calls_are_counted_and_refused_at_the_month_s_limit(
    house: House, client: httpx.AsyncClient, globex: Organisation, doors: object
) -> None:
    headers = await globex.headers(client)
    async with house.database.tenant(globex.id) as conn:
        await repository.add(conn, globex.id, metric="api_calls", period="2026-03", amount=9_998)
    assert (await client.get("/v1/auth/me", headers=headers)).status_code == 200
    assert (await client.get("/v1/auth/me", headers=headers)).status_code == 200
    refused = await client.get("/v1/auth/me", headers=headers)
    assert (refused.status_code, refused.json()["error"]) == (429, "quota_exceeded")
    assert refused.json()["details"]["reset_date"] == "2026-04-01T00:00:00Z"
    # From noon of the second of March to the first of April.
    assert refused.headers["Retry-After"] == str(int(29.5 * 86_400))
    assert refused.headers["X-RateLimit-Retry-After"] == refused.headers["Retry-After"]
    await doors.calls.flush()  # type: ignore[attr-defined]  # the doors of the fixture
    async with house.database.tenant(globex.id) as conn:
        used = await repository.used(conn, globex.id, metric="api_calls", period="2026-03")
    assert used == 10_000


async def test_calls_that_cannot_be_written_now_are_written_later(
    house: House, globex: Organisation
) -> None:
    meter = CallMeter(house)
    async with house.database.tenant(globex.id) as conn:
        await meter.count(conn, globex.id, "developer")
    database = house.database
    house.database = None  # type: ignore[assignment]  # nobody answers
    await meter.flush()
    house.database = database
    await meter.flush()
    async with house.database.tenant(globex.id) as conn:
        used = await repository.used(conn, globex.id, metric="api_calls", period="2026-03")
    assert used == 1
