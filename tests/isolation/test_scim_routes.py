"""The sweep of routes for provisioning clients, which OpenAPI does not describe."""

import itertools
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi.routing import APIRoute

from leanvibe_server.identity.scim.api import street_router
from leanvibe_server.identity.scim.errors import SCHEMA
from leanvibe_server.kernel.house import House
from leanvibe_server.wiring import Doors
from tests import given
from tests.given import Organisation
from tests.identity.given_scim import add, add_scim_token, patch, patch_of, person, provisioner
from tests.isolation.test_routes import METHODS, _fill, _shape

START = "/scim/v2/{tenant_slug}"
ROUTES = [route for route in street_router.routes if isinstance(route, APIRoute)]
PATHS = sorted({route.path.removeprefix(START) for route in ROUTES})
# What stands in a path for what is no id of a tenant's thing.
NAMES = {"name": "User"}


@pytest.fixture
async def initech(house: House) -> Organisation:
    """Another tenant whose plan holds provisioning, too."""
    return await given.organisation(house, plan="enterprise", name="Initech", roles=("owner",))


@pytest.fixture
async def clients(
    doors: Doors, acme: Organisation, initech: Organisation
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """A provisioning client of the one who tries, and one of the other."""
    async with AsyncExitStack() as stack:
        mine, theirs = [
            await stack.enter_async_context(provisioner(doors, org)) for org in (acme, initech)
        ]
        yield mine, theirs


async def _things_of(idp: httpx.AsyncClient) -> dict[str, str]:
    """One thing of each kind that a provisioning client knows."""
    someone = await add(idp)
    group = await idp.post(
        "/Groups",
        json={"displayName": uuid4().hex, "members": [{"value": someone["id"]}]},
    )
    assert group.status_code == 201, group.text
    return {"user_id": someone["id"], "group_id": group.json()["id"]}


def _body(path: str, method: str) -> dict[str, Any] | None:
    if method == "PATCH":
        name = "userName" if path.startswith("/Users") else "displayName"
        value = f"{uuid4().hex}@people.example"
        return patch_of({"op": "replace", "path": name, "value": value})
    if method in ("PUT", "POST"):
        return person() if path.startswith("/Users") else {"displayName": uuid4().hex}
    return None


def _said(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json() if answer.content else None


def test_the_sweep_knows_every_route_for_provisioning_clients() -> None:
    assert len(ROUTES) > 15
    assert all(route.path.startswith(f"{START}/") for route in ROUTES)
    names = {name for path in PATHS for name in re.findall(r"\{(\w+)\}", path)}
    assert names == {"user_id", "group_id", *NAMES}


async def test_sec_tenant_isolation_api_01_a_foreign_id_answers_a_provisioning_client_like_random(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    mine, other = clients
    own, theirs = await _things_of(mine), await _things_of(other)
    before = [(await other.get(f"/{kind}")).json() for kind in ("Users", "Groups")]
    tried = 0
    for path, method in itertools.product(PATHS, METHODS):
        for name in re.findall(r"\{(\w+_id)\}", path):
            body = _body(path, method)
            foreign, random = [
                _said(await mine.request(method, _fill(path, NAMES | own | {name: one}), json=body))
                for one in (theirs[name], str(uuid4()))
            ]
            assert foreign == random, f"{method} {path} with another's {name}"
            assert foreign[0] in (404, 405), f"{method} {path}: {foreign}"
            # And where it is not refused, the same request is done to one's own.
            if foreign[0] == 404 and method in ("GET", "PUT", "PATCH"):
                done = await mine.request(method, _fill(path, NAMES | own), json=body)
                assert done.status_code in (200, 204), f"{method} {path}: {done.text}"
            tried += 1
    assert tried == 2 * len(METHODS)
    assert [(await other.get(f"/{kind}")).json() for kind in ("Users", "Groups")] == before


async def test_sec_tenant_isolation_api_03_another_tenant_s_slug_answers_like_one_nobody_has(
    client: httpx.AsyncClient, acme: Organisation, initech: Organisation
) -> None:
    """Every route × every method × whatever credential."""
    token = (await add_scim_token(acme)).token
    owner = await acme.headers(client)
    made = {"name": "k", "scopes": ["scim:manage"]}
    key = (await client.post("/v1/api-keys", json=made, headers=owner)).json()["key"]
    own = {"user_id": str(acme.people["viewer"].id), "group_id": str(uuid4())}
    shown = [{"Authorization": f"Bearer {secret}"} for secret in (token, key)]
    for who, path, method in itertools.product([*shown, owner, {}], PATHS, METHODS):
        foreign, random = [
            _said(
                await client.request(
                    method,
                    f"/scim/v2/{slug}{_fill(path, NAMES | own)}",
                    headers=who,
                    json=_body(path, method),
                )
            )
            for slug in (initech.tenant.slug, f"nobody-{uuid4().hex[:8]}")
        ]
        assert foreign == random, f"{method} {path}"
        assert foreign[0] in ((404, 405) if who in shown else (401, 405)), f"{method} {path}"
        if foreign[1] is not None:
            assert foreign[1]["schemas"] == [SCHEMA], f"{method} {path}"
        # Neither does a header name a tenant here.
        named = who | {"X-Tenant-ID": str(initech.id), "X-Tenant-Slug": initech.tenant.slug}
        again = await client.request(
            method, f"/scim/v2/{initech.tenant.slug}{_fill(path, NAMES | own)}",
            headers=named, json=_body(path, method),
        )  # fmt: skip
        assert _said(again) == foreign, f"{method} {path}"


async def test_sec_tenant_isolation_api_02_foreign_ids_in_bodies_and_filters_of_provisioning(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    mine, other = clients
    own, theirs = await _things_of(mine), await _things_of(other)
    group = f"/Groups/{own['group_id']}"
    path = f'members[value eq "{theirs["user_id"]}"]'

    def refer(value: str) -> list[dict[str, str]]:
        return [{"value": value}]

    for kind in ("user_id", "group_id"):
        answers = []
        for one in (theirs[kind], str(uuid4())):
            answers.append([
                await mine.post("/Groups", json={"displayName": "x", "members": refer(one)}),
                await mine.put(group, json={"displayName": "x", "members": refer(one)}),
                await patch(mine, group, {"op": "add", "path": "members", "value": refer(one)}),
                await patch(mine, group, {"op": "remove", "path": "members", "value": refer(one)}),
                await patch(mine, group, {"op": "replace", "value": {"members": refer(one)}}),
                *[
                    await mine.get(f"/{where}", params={"filter": f'{field} eq "{one}"'})
                    for where, field in (
                        ("Users", "id"), ("Users", "groups.value"),
                        ("Groups", "id"), ("Groups", "members.value"),
                    )
                ],
            ])  # fmt: skip
        for foreign, random in zip(*answers, strict=True):
            assert _shape(_said(foreign)) == _shape(_said(random)), foreign.request.url
            assert theirs[kind] not in foreign.text or foreign.status_code == 400
    gone = await patch(mine, group, {"op": "remove", "path": path})
    assert theirs["user_id"] not in gone.text
    kept = (await other.get(f"/Groups/{theirs['group_id']}")).json()
    assert [member["value"] for member in kept["members"]] == [theirs["user_id"]]


async def test_a_name_that_another_tenant_provisioned_is_free_here(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    """A name that is refused because somebody elsewhere bears it would tell of them."""
    mine, other = clients
    theirs = await add(other, externalId="ext-1")
    made = await add(mine, userName=theirs["userName"], externalId="ext-1")
    assert made["id"] != theirs["id"]
    name = {"displayName": uuid4().hex, "externalId": "ext-g"}
    for idp in (other, mine):
        assert (await idp.post("/Groups", json=name)).status_code == 201
