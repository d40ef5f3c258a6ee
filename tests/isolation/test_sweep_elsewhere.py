"""The sweep of routes, with another tenant's ids where they may stand beside the path."""

import itertools
import re
from typing import Any
from uuid import uuid4

import httpx

from leanvibe_server.kernel.house import House
from leanvibe_server.wiring import Doors
from tests.given import Organisation
from tests.isolation.bodies import body_of
from tests.isolation.test_routes import _fill, _said, _shape, _things_of
from tests.tenancy.given_trees import below

# What stands in a path for what is no id.
NAMES = {"slug": "x", "provider": "oidc", "quota_type": "users", "stem": "x"}


def _operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, operations in document["paths"].items()
        if path.startswith("/v1")
        for method, operation in operations.items()
    ]


def _ids_in_query(operation: dict[str, Any]) -> list[str]:
    return [
        parameter["name"]
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query" and parameter["name"].endswith("_id")
    ]


async def test_sec_tenant_isolation_api_02_another_tenant_s_ids_in_queries_answer_like_random_ones(
    doors: Doors, client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    theirs, mine = await _things_of(client, globex), await _things_of(client, acme)
    theirs |= {"actor_id": theirs["user_id"], "parent_tenant_id": theirs["tenant_id"]}
    headers = await acme.headers(client)
    document, tried = doors.api.openapi(), 0
    for method, path, operation in _operations(document):
        for name in _ids_in_query(operation):
            where = _fill(path, {**NAMES, **mine})
            foreign, random = [
                _said(
                    await client.request(
                        method.upper(), where, params={name: value}, headers=headers,
                        json=body_of(document, path, method),
                    )
                )
                for value in (theirs[name], str(uuid4()))
            ]  # fmt: skip
            assert _shape(foreign) == _shape(random), f"{method} {path}?{name}="
            assert theirs[name] not in str(foreign[1]), f"{method} {path}?{name}="
            tried += 1
    assert tried > 12


async def test_sec_tenant_isolation_api_03_a_header_that_names_another_tenant_is_refused_everywhere(
    doors: Doors, client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    """Every route with a credential: the tenant and the slug of another answer like invented
    ones, and nothing of it is done."""
    mine = await _things_of(client, acme)
    headers = await acme.headers(client)
    document, tried = doors.api.openapi(), 0
    named = {
        "X-Tenant-ID": (str(globex.id), str(uuid4())),
        "X-Tenant-Slug": (globex.tenant.slug, f"nobody-{uuid4().hex[:8]}"),
    }
    for (method, path, operation), header in itertools.product(_operations(document), named):
        if not operation.get("security"):
            continue
        where = _fill(path, {**NAMES, **mine})
        foreign, random = [
            _said(
                await client.request(
                    method.upper(), where, headers=headers | {header: value},
                    json=body_of(document, path, method),
                )
            )
            for value in named[header]
        ]  # fmt: skip
        assert foreign == random, f"{method} {path} with {header}"
        assert foreign[0] == 403, f"{method} {path} with {header}: {foreign}"
        tried += 1
    assert tried > 200


async def test_sec_tenant_isolation_api_03_a_subdomain_of_another_tenant_is_refused(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    headers = await acme.headers(client)
    key = await client.post("/v1/api-keys", json={"name": "k"}, headers=headers)
    by_key = {"Authorization": f"Bearer {key.json()['key']}"}

    async def ask(who: dict[str, str], slug: str, **more: str) -> httpx.Response:
        host = {"Host": f"{slug}.localhost:8765"}
        return await client.get("/v1/projects", headers=who | host | more)

    for who in (headers, by_key):
        foreign, random = await ask(who, globex.tenant.slug), await ask(who, "nobody-here")
        assert (foreign.status_code, foreign.json()["message"]) == (403, random.json()["message"])
        for fine in (acme.tenant.slug, acme.tenant.slug.upper(), "api", "www"):
            assert (await ask(who, fine)).status_code == 200, fine
        own = {"X-Tenant-Slug": acme.tenant.slug}
        assert (await ask(who, globex.tenant.slug, **own)).status_code == 403


async def test_who_acts_for_an_organisation_below_does_so_at_its_subdomain_or_their_own(
    client: httpx.AsyncClient, house: House, acme: Organisation, globex: Organisation
) -> None:
    north = await below(house, acme, "North")
    acting = await acme.headers(client) | {"X-Tenant-ID": str(north.id)}
    for slug, status in (
        (acme.tenant.slug, 200), (north.tenant.slug, 200), (globex.tenant.slug, 403),
    ):  # fmt: skip
        host = {"Host": f"{slug}.localhost:8765"}
        answer = await client.get("/v1/projects", headers=acting | host)
        assert answer.status_code == status, slug


async def test_a_cursor_of_another_tenant_leads_to_nothing_of_theirs(
    doors: Doors, client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    """Both have several of everything; the place in one list is put into the other's request."""
    for org in (globex, acme):
        for _ in range(2):
            await _things_of_again(client, org)
    theirs, mine = await globex.headers(client), await acme.headers(client)
    walked = 0
    for method, path, operation in _operations(doors.api.openapi()):
        names = {parameter["name"] for parameter in operation.get("parameters", ())}
        if method != "get" or "cursor" not in names or "{" in path:
            continue
        first = await client.get(path, params={"limit": 1}, headers=theirs)
        cursor = first.json().get("next_cursor")
        if cursor is None:
            continue
        walked += 1
        answer = await client.get(path, params={"limit": 100, "cursor": cursor}, headers=mine)
        assert answer.status_code in (200, 400), f"{path}: {answer.text}"
        own = await client.get(path, params={"limit": 100}, headers=mine)
        shown = set(re.findall(r'"id":"([^"]+)"', answer.text))
        assert shown <= set(re.findall(r'"id":"([^"]+)"', own.text)), path
        assert str(globex.id) not in answer.text, path
    assert walked >= 5


async def _things_of_again(client: httpx.AsyncClient, org: Organisation) -> None:
    headers = await org.headers(client)
    project = await client.post("/v1/projects", json={"name": uuid4().hex}, headers=headers)
    assert project.status_code == 201, project.text
    for path, body in (
        ("/v1/tasks", {"title": "Fix lint", "project_id": project.json()["id"]}),
        ("/v1/api-keys", {"name": "k"}),
        ("/v1/groups", {"name": uuid4().hex}),
        ("/v1/service-accounts", {"name": uuid4().hex}),
        ("/v1/privacy/consents", {"purpose": "news", "version": "1"}),
    ):
        answer = await client.post(path, json=body, headers=headers)
        assert answer.status_code == 201, answer.text
