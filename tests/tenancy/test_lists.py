"""The platform's list of tenants: filters that join, and two ways to page."""

from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import Organisation, organisation


@pytest.fixture
async def four(house: House, clock: FakeClock) -> tuple[str, list[Organisation]]:
    """Four tenants, oldest first, whose names share a word nobody else has."""
    word = f"Vier{uuid4().hex[:8]}"
    made = []
    for plan in ("developer", "team", "team", "enterprise"):
        made.append(await organisation(house, plan=plan, name=word, roles=("owner",)))
        clock.advance(minutes=1)
    return word, made


async def _slugs(client: httpx.AsyncClient, headers: dict[str, str], **asked: object) -> list[str]:
    params = {name: str(value) for name, value in asked.items()}
    answer = await client.get("/v1/tenants", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    return [row["slug"] for row in answer.json()["data"]]


async def test_filters_are_joined(
    client: httpx.AsyncClient,
    platform: dict[str, str],
    four: tuple[str, list[Organisation]],
) -> None:
    word, made = four
    newest = [one.tenant.slug for one in reversed(made)]
    assert await _slugs(client, platform, q=word) == newest
    assert await _slugs(client, platform, q=word.upper(), plan="team") == newest[1:3]
    assert await _slugs(client, platform, q=made[0].people["owner"].email) == newest[3:]
    assert await _slugs(client, platform, q=word, status="suspended") == []
    assert await _slugs(client, platform, q=word, region="us", status="active") == newest
    assert await _slugs(client, platform, q=word, data_residency="eu") == []
    later = made[2].tenant.created_at
    assert await _slugs(client, platform, q=word, created_after=later.isoformat()) == newest[:2]
    assert await _slugs(client, platform, q=word, created_before=later.isoformat()) == newest[2:]
    assert await _slugs(client, platform, parent_tenant_id=uuid4()) == []


async def test_percent_and_underscore_are_letters_of_a_search(
    client: httpx.AsyncClient, platform: dict[str, str], four: tuple[str, list[Organisation]]
) -> None:
    assert await _slugs(client, platform, q="%") == []
    assert await _slugs(client, platform, q="_") == []


async def test_a_plan_may_be_named_as_everywhere_else(
    client: httpx.AsyncClient, platform: dict[str, str], four: tuple[str, list[Organisation]]
) -> None:
    word, made = four
    for name in ("starter", "plan-developer"):
        assert await _slugs(client, platform, q=word, plan=name) == [made[0].tenant.slug]
    unknown = await client.get("/v1/tenants", params={"plan": "gold"}, headers=platform)
    assert (unknown.status_code, unknown.json()["details"]["field"]) == (400, "plan")


async def test_cursor_and_offset_walk_the_same_list(
    client: httpx.AsyncClient, platform: dict[str, str], four: tuple[str, list[Organisation]]
) -> None:
    word, made = four
    newest = [one.tenant.slug for one in reversed(made)]
    first = (
        await client.get("/v1/tenants", params={"q": word, "limit": 3}, headers=platform)
    ).json()
    assert [row["slug"] for row in first["data"]] == newest[:3]
    assert (first["has_more"], first["total"]) == (True, None)
    rest = await _slugs(client, platform, q=word, limit=3, cursor=first["next_cursor"])
    assert rest == newest[3:]
    by_offset = (
        await client.get("/v1/tenants", params={"q": word, "offset": 3}, headers=platform)
    ).json()
    assert [row["slug"] for row in by_offset["data"]] == newest[3:]
    assert (by_offset["has_more"], by_offset["total"]) == (False, 4)
    both = await client.get(
        "/v1/tenants",
        params={"offset": 1, "cursor": first["next_cursor"]},
        headers=platform,
    )
    assert (both.status_code, both.json()["details"]["field"]) == (400, "offset")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "sleeping"),
        ("region", "mars"),
        ("offset", "-1"),
        ("limit", "101"),
        ("created_after", "yesterday"),
        ("created_after", "2026-01-01T00:00:00"),
        ("parent_tenant_id", "x"),
        ("cursor", "x"),
    ],
)
async def test_a_filter_that_cannot_be_is_named(
    client: httpx.AsyncClient, platform: dict[str, str], name: str, value: str
) -> None:
    answer = await client.get("/v1/tenants", params={name: value}, headers=platform)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert name in answer.text


async def test_the_clock_of_a_tenant_is_utc(
    client: httpx.AsyncClient, platform: dict[str, str], four: tuple[str, list[Organisation]]
) -> None:
    word, made = four
    moment = made[2].tenant.created_at + timedelta(hours=2)
    shifted = moment.replace(tzinfo=None).isoformat() + "+02:00"
    assert len(await _slugs(client, platform, q=word, created_after=shifted)) == 2
