"""A tenant that is suspended or waits to be deleted: it is read and taken along, not changed."""

import re
from collections.abc import Iterator
from uuid import uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel.access import READS, ROLE_PERMISSIONS, Role
from leanvibe_server.wiring import Doors
from tests.given import Organisation
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
