"""Who was kept from what stands in the log: once, with a count, however often they try."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from leanvibe_server.kernel import refusals
from leanvibe_server.wiring import Doors
from tests.conftest import FakeClock
from tests.given import Organisation


async def _refused(client: httpx.AsyncClient, headers: dict[str, str]) -> list[dict[str, Any]]:
    """The refusals in the log, the first first."""
    answer = await client.get(
        "/v1/admin/audit/auth",
        params={"event_type": "access.refused", "limit": 100},
        headers=headers,
    )
    assert answer.status_code == 200, answer.text
    return list(reversed(answer.json()["data"]))


async def _key(client: httpx.AsyncClient, headers: dict[str, str], **about: Any) -> str:
    made = await client.post("/v1/api-keys", json={"name": "ci"} | about, headers=headers)
    assert made.status_code == 201, made.text
    return str(made.json()["key"])


async def test_sec_audit_05_a_refused_permission_is_logged_with_who_what_and_from_where(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    viewer = await acme.headers(client, "viewer")
    assert (await client.get("/v1/admin/audit", headers=viewer)).status_code == 403
    owner = await acme.headers(client)
    (entry,) = await _refused(client, owner)
    assert entry["actor"]["id"] == str(acme.people["viewer"].id)
    assert entry["ip_address"] == "127.0.0.1"
    assert entry["request_id"].startswith("req_")
    assert entry["details"] == {
        "permission": "audit:read",
        "reason": "permission",
        "method": "GET",
        "route": "/admin/audit",
        "times": 1,
    }
    of_viewer = {"user_id": str(acme.people["viewer"].id), "event_type": "access.refused"}
    found = await client.get("/v1/admin/audit/auth", params=of_viewer, headers=owner)
    assert [one["id"] for one in found.json()["data"]] == [entry["id"]]


async def test_sec_audit_05_a_flood_of_refusals_is_one_entry_a_minute_with_a_count(
    client: httpx.AsyncClient, acme: Organisation, doors: Doors, clock: FakeClock
) -> None:
    viewer = await acme.headers(client, "viewer")
    for _ in range(20):
        assert (await client.get("/v1/admin/audit", headers=viewer)).status_code == 403
    owner = await acme.headers(client)
    assert [one["details"]["times"] for one in await _refused(client, owner)] == [1]
    await doors.refusals.flush()
    assert len(await _refused(client, owner)) == 1
    clock.advance(seconds=61)
    await doors.refusals.flush()
    assert [one["details"]["times"] for one in await _refused(client, owner)] == [1, 19]
    clock.advance(seconds=61)
    await doors.refusals.flush()
    assert (await client.get("/v1/admin/audit", headers=viewer)).status_code == 403
    assert [one["details"]["times"] for one in await _refused(client, owner)] == [1, 19, 1]


async def test_sec_audit_05_what_was_counted_is_written_when_the_server_stops(
    client: httpx.AsyncClient, acme: Organisation, doors: Doors
) -> None:
    viewer = await acme.headers(client, "viewer")
    for _ in range(3):
        await client.delete("/v1/tenants/me", headers=viewer)
        await client.get("/v1/admin/audit", headers=viewer)
    await doors.refusals.flush(every=True)
    counted = [
        (one["details"]["permission"], one["details"]["times"])
        for one in await _refused(client, await acme.headers(client))
    ]
    assert ("audit:read", 2) in counted


async def test_sec_audit_05_more_kinds_than_are_remembered_make_entries_more_and_never_less(
    client: httpx.AsyncClient,
    acme: Organisation,
    doors: Doors,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refusals, "MOST", 1)
    viewer = await acme.headers(client, "viewer")
    for _ in range(2):
        await client.get("/v1/admin/audit", headers=viewer)
        await client.get("/v1/admin/audit", headers=viewer)
        await client.get("/v1/api-keys", headers=viewer)
    await doors.refusals.flush(every=True)
    told = await _refused(client, await acme.headers(client))
    by_permission = {"audit:read": 0, "api_key:manage": 0}
    for one in told:
        by_permission[one["details"]["permission"]] += one["details"]["times"]
    assert by_permission == {"audit:read": 4, "api_key:manage": 2}


async def test_sec_audit_05_keys_without_the_scope_or_from_elsewhere_are_logged_too(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    narrow = await _key(client, owner, scopes=["project:read"])
    far = await _key(client, owner, name="far", allowed_addresses=["203.0.113.0/24"])
    for key in (narrow, far):
        bearer = {"Authorization": f"Bearer {key}"}
        assert (await client.get("/v1/users", headers=bearer)).status_code == 403
    told = await _refused(client, owner)
    assert [(one["actor"]["kind"], one["details"]["reason"]) for one in told] == [
        ("api_key", "permission"),
        ("api_key", "address_not_allowed"),
    ]


async def test_sec_audit_05_a_proof_that_is_too_old_and_another_tenant_are_logged_at_home(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation, clock: FakeClock
) -> None:
    owner = await acme.headers(client)
    abroad = owner | {"X-Tenant-ID": str(globex.id)}
    assert (await client.get("/v1/tenants/me", headers=abroad)).status_code == 403
    clock.advance(minutes=11)
    assert (await client.delete("/v1/tenants/me", headers=owner)).status_code == 403
    told = await _refused(client, owner)
    assert [one["details"]["reason"] for one in told] == ["other_tenant", "step_up_required"]
    other = await globex.headers(client)
    assert await _refused(client, other) == []


async def test_sec_audit_05_a_tenant_that_is_named_is_told_to_the_log_alone(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    owner = await acme.headers(client)
    provider = {"provider_type": "oidc", "provider_name": "Corp", "client_id": "c", "issuer": "x"}
    bodies = []
    for named in (globex.id, globex.tenant.slug, uuid4()):
        answer = await client.post(
            "/v1/auth/sso/providers", json=provider | {"tenant_id": str(named)}, headers=owner
        )
        assert answer.status_code == 403, answer.text
        bodies.append((answer.json()["message"], answer.json()["details"]))
    assert bodies[0] == bodies[1] == bodies[2]
    assert bodies[0][1] == {}
    (entry,) = await _refused(client, owner)
    assert entry["details"]["reason"] == "other_tenant"


async def test_sec_audit_05_pages_are_logged_like_the_api(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    person = acme.people["viewer"]
    page = await client.get("/login")
    token = page.text.split('name="form_token" value="')[1].split('"')[0]
    form = {"form_token": token, "email": person.email, "password": person.password}
    assert (await client.post("/login", data=form)).status_code == 303
    assert (await client.get("/audit")).status_code == 403
    client.cookies.clear()
    told = await _refused(client, await acme.headers(client))
    assert [one["details"]["permission"] for one in told] == ["audit:read"]


async def test_what_the_plan_lacks_is_no_refusal_of_the_caller(
    client: httpx.AsyncClient, globex: Organisation
) -> None:
    owner = await globex.headers(client)
    token = {"name": "Okta"}
    refused = await client.post("/v1/scim/tokens", json=token, headers=owner)
    assert refused.status_code == 403, refused.text
    assert await _refused(client, owner) == []


async def test_a_log_that_cannot_be_written_refuses_all_the_same(
    client: httpx.AsyncClient, acme: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = await acme.headers(client, "viewer")

    async def fail(*_: object) -> None:
        raise OSError("no database")

    monkeypatch.setattr("leanvibe_server.kernel.scope.write_event", fail)
    assert (await client.get("/v1/admin/audit", headers=viewer)).status_code == 403
