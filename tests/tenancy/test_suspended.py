"""A tenant that is suspended or waits to be deleted: it is read and taken along, not changed."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel.access import READS, ROLE_PERMISSIONS, Role
from leanvibe_server.wiring import Doors
from tests.given import Organisation
from tests.identity.given_providers import add_provider
from tests.isolation.test_routes import _routes, _ways_in

# Changes that go on: taking data along, and what keeps it from being erased.
LEAVING = ("/v1/privacy/exports", "/v1/privacy/holds")


async def set_status(admin: asyncpg.Connection, organisation: Organisation, status: str) -> None:
    await admin.execute(
        "UPDATE tenants SET status = $2, deletes_at = CASE WHEN $2 = 'deleting'"
        " THEN now() + interval '10 years' END WHERE id = $1",
        organisation.id,
        status,
    )


@pytest.mark.parametrize("status", ["suspended", "deleting"])
async def test_every_list_is_read_and_nothing_is_changed(
    client: httpx.AsyncClient,
    doors: Doors,
    acme: Organisation,
    admin: asyncpg.Connection,
    status: str,
) -> None:
    headers = await acme.headers(client)
    await set_status(admin, acme, status)
    read, refused = 0, 0
    for method, path, permission in _guarded(doors):
        if method == "GET":
            read += 1
            answer = await client.get(path, headers=headers)
            assert "tenant_suspended" not in answer.text, path
        elif permission not in READS and not path.startswith(LEAVING):
            refused += 1
            answer = await client.request(method, path, json={}, headers=headers)
            assert answer.json()["error"] == "tenant_suspended", (method, path, answer.text)
    assert read > 50
    assert refused > 50


def _guarded(doors: Doors) -> Iterator[tuple[str, str, str]]:
    """Every route of the API that an owner holds the permission for, with an id of nothing."""
    known = doors.api.openapi()["paths"]
    for route in _routes(doors):
        (permission, *_) = *_ways_in(route.dependant), ""
        if permission not in ROLE_PERMISSIONS[Role.OWNER] or f"/v1{route.path}" not in known:
            continue
        path = f"/v1{re.sub('{[^}]+}', str(uuid4()), route.path)}"
        yield from ((method, path, permission) for method in route.methods)


@pytest.mark.parametrize("status", ["suspended", "deleting"])
async def test_what_is_kept_can_be_taken_along(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection, status: str
) -> None:
    owner, manager = await acme.headers(client), await acme.headers(client, "manager")
    await set_status(admin, acme, status)
    asked = await client.post("/v1/privacy/exports", json={}, headers=owner)
    assert asked.status_code == 201, asked.text
    listed = await client.get("/v1/privacy/exports", headers=owner)
    assert [one["id"] for one in listed.json()["data"]] == [asked.json()["id"]]
    refused = await client.post("/v1/privacy/exports", json={}, headers=manager)
    assert refused.json()["error"] == "forbidden"
    erasure = {"user_id": str(acme.people["viewer"].id)}
    erased = await client.post("/v1/privacy/erasures", json=erasure, headers=owner)
    assert erased.json()["error"] == "tenant_suspended"


async def _call(client: httpx.AsyncClient, how: str, path: str, token: str, **more: Any) -> int:
    answer = await client.request(
        how, f"/v1{path}", headers={"Authorization": f"Bearer {token}"}, **more
    )
    return answer.status_code


@pytest.mark.parametrize("status", ["suspended", "deleting"])
async def test_nobody_is_kept_signed_in(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection, status: str
) -> None:
    here, there, third = [await acme.token(client, "viewer") for _ in range(3)]
    headers = {"Authorization": f"Bearer {there}"}
    sessions = (await client.get("/v1/auth/sessions", headers=headers)).json()["data"]
    (current,) = (one["id"] for one in sessions if one["current"])
    await set_status(admin, acme, status)
    assert await _call(client, "DELETE", f"/auth/sessions/{current}", here) == 200
    assert await _call(client, "GET", "/auth/me", there) == 401
    assert await _call(client, "POST", "/auth/logout", third) == 200
    assert await _call(client, "GET", "/auth/me", third) == 401
    # They sign in again to read, and out of everywhere.
    again = await acme.token(client, "viewer")
    assert await _call(client, "POST", "/auth/logout-all", again) == 200
    for token in (here, again):
        assert await _call(client, "GET", "/auth/me", token) == 401


@pytest.mark.parametrize("status", ["suspended", "deleting"])
async def test_keys_read_and_do_nothing_else(
    client: httpx.AsyncClient,
    doors: Doors,
    acme: Organisation,
    admin: asyncpg.Connection,
    status: str,
) -> None:
    headers = await acme.headers(client)
    scopes = sorted(ROLE_PERMISSIONS[Role.OWNER])
    made = await client.post(
        "/v1/api-keys", json={"name": "all", "scopes": scopes}, headers=headers
    )
    assert made.status_code == 201, made.text
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    await set_status(admin, acme, status)
    for path in ("/projects", "/users", "/tasks", "/api-keys", "/admin/audit", "/tenants/me/info"):
        assert (await client.get(f"/v1{path}", headers=key)).status_code == 200, path
    looked = await client.post("/v1/tasks/batch", json={"task_ids": [str(uuid4())]}, headers=key)
    assert looked.status_code == 200, looked.text
    refused = 0
    for method, path, _ in _guarded(doors):
        if method != "GET" and path != "/v1/tasks/batch":
            answer = await client.request(method, path, json={}, headers=key)
            assert answer.json()["error"] == "tenant_suspended", (method, path, answer.text)
            refused += 1
    restored = await client.post(f"/v1/tenants/{acme.id}/restore", headers=key)
    assert restored.json()["error"] == "tenant_suspended"
    assert refused > 70


WHY = "Ticket 4711: a key of theirs leaked"


async def test_a_platform_admin_ends_what_lets_others_in_which_its_people_cannot(
    client: httpx.AsyncClient,
    acme: Organisation,
    admin: asyncpg.Connection,
    platform: dict[str, str],
) -> None:
    owner = await acme.headers(client)
    key = (await client.post("/v1/api-keys", json={"name": "k"}, headers=owner)).json()
    provider = await add_provider(acme.house, acme)
    inside = platform | {"X-Tenant-ID": str(acme.id), "X-Break-Glass-Reason": WHY}
    viewer, leaver = acme.people["viewer"], acme.people["owner"]
    held = await acme.token(client, "viewer")
    acts = (
        ("DELETE", f"/v1/users/{leaver.id}/sessions", None),
        ("DELETE", f"/v1/api-keys/{key['id']}", None),
        ("PATCH", f"/v1/users/{viewer.id}", {"status": "disabled"}),
        ("POST", f"/v1/auth/sso/providers/{provider.id}/disable", None),
    )
    for method, path, body in acts:
        running = await client.request(method, path, json=body, headers=inside)
        assert running.status_code == 403, (path, running.text)
    await set_status(admin, acme, "suspended")
    for method, path, body in acts[1:]:
        own = await client.request(method, path, json=body, headers=owner)
        assert own.json()["error"] == "tenant_suspended", path
    for path in ("/v1/api-keys", f"/v1/users/{viewer.id}/sessions"):
        assert (await client.get(path, headers=inside)).json()["data"], path
    for method, path, body in acts:
        silent = {name: word for name, word in inside.items() if "Reason" not in name}
        assert (await client.request(method, path, json=body, headers=silent)).status_code == 403
        done = await client.request(method, path, json=body, headers=inside)
        assert done.status_code in (200, 204), (path, done.text)
    for token in (key["key"], held, owner["Authorization"].removeprefix("Bearer ")):
        assert await _call(client, "GET", "/projects", token) == 401
    told = await admin.fetch(
        "SELECT name, payload FROM events WHERE tenant_id = $1 ORDER BY id DESC LIMIT 40", acme.id
    )
    assert {"api_key.revoked", "user.updated"} <= {row["name"] for row in told}
    assert sum(WHY in row["payload"] for row in told) >= len(acts)


async def test_behind_the_glass_of_a_suspended_tenant_nothing_else_is_changed(
    client: httpx.AsyncClient,
    doors: Doors,
    acme: Organisation,
    admin: asyncpg.Connection,
    platform: dict[str, str],
) -> None:
    inside = platform | {"X-Tenant-ID": str(acme.id), "X-Break-Glass-Reason": WHY}
    await set_status(admin, acme, "suspended")
    viewer = f"/v1/users/{acme.people['viewer'].id}"
    for change in (
        {"status": "active"},
        {"role": "owner"},
        {"status": "disabled", "role": "owner"},
        {"username": "x"},
        {},
    ):
        answer = await client.patch(viewer, json=change, headers=inside)
        assert answer.json()["error"] == "forbidden", change
    owner = f"/v1/users/{acme.people['owner'].id}"
    last = await client.patch(owner, json={"status": "disabled"}, headers=inside)
    assert last.status_code == 409
    for method, path, _ in _guarded(doors):
        if method != "GET":
            answer = await client.request(method, path, json={}, headers=inside)
            assert answer.status_code in (400, 403, 404), (method, path, answer.text)
