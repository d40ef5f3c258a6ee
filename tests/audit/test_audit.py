"""The audit log: everything that happened, to those who may read it."""

import httpx
import pytest

from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import Organisation, platform_headers


async def _names(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> list[str]:
    answer = await client.get(path, headers=headers, params={"limit": 100})
    assert answer.status_code == 200, answer.text
    return [entry["event_type"] for entry in answer.json()["data"]]


async def test_a_sign_in_a_project_and_a_key_stand_in_the_log_with_who_and_from_where(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client, "admin")
    await client.post("/v1/projects", json={"name": "one"}, headers=headers)
    await client.post("/v1/api-keys", json={"name": "ci"}, headers=headers)
    every = await _names(client, "/v1/admin/audit", headers)
    assert every[:3] == ["api_key.created", "project.created", "user.login"]
    auth = await _names(client, "/v1/admin/audit/auth", headers)
    assert "project.created" not in auth
    assert auth[:2] == ["api_key.created", "user.login"]
    entry = (
        await client.get(
            "/v1/admin/audit", params={"event_type": "project.created"}, headers=headers
        )
    ).json()["data"][0]
    assert entry["actor"]["id"] == str(acme.people["admin"].id)
    assert entry["ip_address"] == "127.0.0.1"
    assert entry["request_id"].startswith("req_")


@pytest.mark.parametrize("role", ["manager", "developer", "viewer", "guest"])
async def test_only_owners_and_admins_read_it(
    client: httpx.AsyncClient, acme: Organisation, role: str
) -> None:
    answer = await client.get("/v1/admin/audit", headers=await acme.headers(client, role))
    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")


async def test_a_tenant_reads_its_own_log_only_and_the_platform_reads_all(
    house: House, client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    headers = await acme.headers(client)
    await globex.headers(client)
    named = await client.get(
        "/v1/admin/audit", params={"tenant_id": str(globex.id)}, headers=headers
    )
    assert named.status_code == 404
    own = await client.get("/v1/admin/audit", headers=headers)
    assert {entry["tenant_id"] for entry in own.json()["data"]} == {str(acme.id)}
    platform = await platform_headers(house, client)
    platform |= {"X-Break-Glass-Reason": "ticket 4711: sign-ins fail"}
    seen = await client.get(
        "/v1/admin/audit", params={"tenant_id": str(globex.id)}, headers=platform
    )
    assert {entry["tenant_id"] for entry in seen.json()["data"]} == {str(globex.id)}


async def test_pages_follow_each_other_without_gap_or_repeat(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    for number in range(7):
        await client.post("/v1/projects", json={"name": str(number)}, headers=headers)
    found: list[str] = []
    cursor = None
    while True:
        params = {"limit": "3", "event_type": "project.created"}
        page = (
            await client.get(
                "/v1/admin/audit",
                params=params | ({"cursor": cursor} if cursor else {}),
                headers=headers,
            )
        ).json()
        found += [entry["details"]["project_name"] for entry in page["data"]]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert found == [str(number) for number in reversed(range(7))]


async def test_days_bound_the_log_and_the_last_one_is_included(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    await acme.headers(client)
    clock.advance(days=2)
    headers = await acme.headers(client)

    async def logins(**days: str) -> int:
        answer = await client.get(
            "/v1/admin/audit/auth", params={"event_type": "user.login"} | days, headers=headers
        )
        return len(answer.json()["data"])

    assert await logins() == 2
    assert await logins(end_date="2026-03-02") == 1
    assert await logins(start_date="2026-03-03") == 1
    assert await logins(start_date="2026-03-05") == 0
    assert await logins(end_date="9999-12-31") == 2


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_days_that_end_before_they_begin_are_refused(
    client: httpx.AsyncClient, acme: Organisation, form: str
) -> None:
    headers = await acme.headers(client, "admin")
    days = {"start_date": "2026-03-03", "end_date": "2026-03-02", "format": form}
    refused = await client.get("/v1/admin/audit", params=days, headers=headers)
    assert (refused.status_code, refused.json()["details"]["field"]) == (400, "end_date")
    days["end_date"] = days["start_date"]
    assert (await client.get("/v1/admin/audit", params=days, headers=headers)).status_code == 200


async def test_sec_audit_03_what_a_caller_sends_is_printed_harmlessly_and_bounded(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    person = acme.people["owner"]
    hostile = "agent\x1b[31m\r\nforged: line" + "x" * 5000
    answer = await client.post(
        "/v1/auth/login",
        json={"email": person.email, "password": person.password},
        headers={"User-Agent": hostile.replace("\r\n", "\t")},
    )
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    entries = await client.get("/v1/admin/audit/auth", headers=headers)
    agent = entries.json()["data"][0]["user_agent"]
    assert len(agent) <= 300
    assert agent.isprintable()
    assert person.password not in entries.text
    assert answer.json()["refresh_token"] not in entries.text
