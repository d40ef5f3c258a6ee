"""Every route has one way in, and a foreign id behind it answers like a random one."""

import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi.routing import APIRoute

from leanvibe_server.wiring import Doors
from tests.given import Organisation

# Routes that anyone may call without a credential, each with its reason.
PUBLIC = {
    "/health": "sign of life",
    "/health/live": "sign of life",
    "/health/ready": "sign of life",
    "/health/enterprise": "sign of life",
    "/metrics": "token or loopback, checked inside",
    "/.well-known/jwks.json": "public keys",
}


def _routes(doors: Doors) -> list[APIRoute]:
    return [route for route in _walk(doors.api.routes) if isinstance(route, APIRoute)]


def _walk(routes: Any) -> Any:
    for route in routes:
        yield route
        yield from _walk(getattr(getattr(route, "original_router", None), "routes", ()))


def _ways_in(dependant: Any) -> set[str]:
    found = {getattr(dependant.call, "way_in", None)} - {None}
    for inner in dependant.dependencies:
        found |= _ways_in(inner)
    return found


async def test_every_route_says_who_may_enter(doors: Doors) -> None:
    routes = _routes(doors)
    assert len(routes) > 40
    open_routes = {
        f"{sorted(route.methods)} {route.path}"
        for route in routes
        if not _ways_in(route.dependant) and route.path not in PUBLIC
    }
    assert open_routes == set()


def _operations(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
        if re.search(r"\{\w*id\}", path)
    ]


async def _things_of(client: httpx.AsyncClient, owner: Organisation) -> dict[str, str]:
    """One thing of each kind that belongs to a tenant."""
    headers = await owner.headers(client)
    project = await client.post("/v1/projects", json={"name": "theirs"}, headers=headers)
    assert project.status_code == 201, project.text
    task = await client.post(
        "/v1/tasks",
        json={"title": "Fix lint", "project_id": project.json()["id"]},
        headers=headers,
    )
    assert task.status_code == 201, task.text
    sessions = await client.get("/v1/auth/sessions", headers=headers)
    key = await client.post("/v1/api-keys", json={"name": "theirs"}, headers=headers)
    assert key.status_code == 201, key.text
    return {
        "project_id": project.json()["id"],
        "task_id": task.json()["id"],
        "key_id": key.json()["id"],
        "session_id": sessions.json()["data"][0]["id"],
        "user_id": str(owner.people["owner"].id),
        "tenant_id": str(owner.id),
    }


async def test_sec_tenant_isolation_api_01_a_foreign_id_answers_like_a_random_one(
    doors: Doors, client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    theirs = await _things_of(client, globex)
    headers = await acme.headers(client)
    operations = _operations(doors.api.openapi())
    assert len(operations) > 10
    for method, path in operations:
        name = re.findall(r"\{(\w*id)\}", path)[-1]
        if name not in theirs:
            pytest.fail(f"{method} {path}: say what a {name} is in _things_of")
        foreign, random = [
            await client.request(method, re.sub(r"\{\w+\}", value, path), headers=headers, json={})
            for value in (theirs[name], str(uuid4()))
        ]
        assert foreign.status_code == random.status_code, f"{method} {path}"
        assert foreign.status_code in (400, 403, 404), f"{method} {path}: {foreign.text}"
        mine, other = foreign.json(), random.json()
        for varying in ("request_id", "timestamp"):
            mine.pop(varying), other.pop(varying)
        assert mine == other, f"{method} {path}"


async def test_sec_tenant_isolation_api_02_foreign_ids_in_bodies_filters_and_cursors_find_nothing(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    theirs = await _things_of(client, globex)
    headers = await acme.headers(client)

    async def create(project_id: str) -> httpx.Response:
        return await client.post(
            "/v1/tasks", json={"title": "Fix lint", "project_id": project_id}, headers=headers
        )

    foreign, random = await create(theirs["project_id"]), await create(str(uuid4()))
    assert foreign.status_code == random.status_code == 404
    assert foreign.json()["message"] == random.json()["message"]
    listed = await client.get(
        "/v1/tasks", params={"project_id": theirs["project_id"]}, headers=headers
    )
    assert listed.status_code in (200, 404)
    assert listed.json().get("data", []) == []
    batch = await client.post(
        "/v1/tasks/batch", json={"task_ids": [theirs["task_id"]]}, headers=headers
    )
    assert theirs["task_id"] not in str(batch.json().get("data"))


async def test_sec_tenant_isolation_api_03_a_named_tenant_that_is_not_the_token_s_is_refused(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    headers = await acme.headers(client)
    for named in (str(globex.id), str(UUID(int=7)), "nonsense"):
        answer = await client.get("/v1/auth/me", headers=headers | {"X-Tenant-ID": named})
        assert answer.status_code == 403, named
    own = await client.get("/v1/auth/me", headers=headers | {"X-Tenant-ID": str(acme.id)})
    assert own.status_code == 200
