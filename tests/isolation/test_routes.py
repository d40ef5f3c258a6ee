"""Every route has one way in, and a foreign id behind it answers like a random one."""

import itertools
import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from fastapi.routing import APIRoute

from leanvibe_server.identity import service as identity
from leanvibe_server.identity.federation.models import SsoProvider
from leanvibe_server.identity.oidc import client_keys
from leanvibe_server.identity.saml.keys import ensure_keys
from leanvibe_server.identity.saml.metadata import read_metadata
from leanvibe_server.identity.saml.providers import stored
from leanvibe_server.kernel.access import Role
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.wiring import Doors
from tests.given import PASSWORD, Organisation
from tests.identity.given_providers import add_provider, link_identity, verify_domain
from tests.identity.given_scim import add_scim_token
from tests.identity.mfa.given_factors import pending_factor
from tests.identity.saml.documents import NOW, metadata
from tests.isolation.bodies import body_of, ids_in_body

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


def _paths_with_ids(document: dict[str, Any]) -> list[str]:
    return [path for path in document["paths"] if re.search(r"\{\w*id\}", path)]


async def _add_viewer(owner: Organisation) -> UUID:
    """One more person, whatever the plan says of how many."""
    async with owner.house.database.tenant(owner.id) as conn:
        scope = Scope(conn, owner.id, SYSTEM, owner.house.clock, owner.house)
        user = await identity.create_user(
            scope,
            email=f"viewer@{owner.id.hex}.example",
            username=None,
            password=PASSWORD,
            role=Role.VIEWER,
            verified=True,
        )
    return user.id


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
    robot = await client.post("/v1/service-accounts", json={"name": "theirs"}, headers=headers)
    credential = await client.post(
        f"/v1/service-accounts/{robot.json()['id']}/clients", json={}, headers=headers
    )
    assert credential.status_code == 201, credential.text
    group = await client.post("/v1/groups", json={"name": "theirs"}, headers=headers)
    assert group.status_code == 201, group.text
    provisioning = await add_scim_token(owner)
    role = await client.post(
        "/v1/roles", json={"name": "theirs", "permissions": ["project:read"]}, headers=headers
    )
    assert role.status_code == 201, role.text
    export = await client.post("/v1/privacy/exports", json={}, headers=headers)
    assert export.status_code == 201, export.text
    leaver = await _add_viewer(owner)
    erasure = await client.post(
        "/v1/privacy/erasures", json={"user_id": str(leaver)}, headers=headers
    )
    assert erasure.status_code == 201, erasure.text
    hold = await client.post("/v1/privacy/holds", json={"reason": "claim"}, headers=headers)
    assert hold.status_code == 201, hold.text
    provider = await add_provider(owner.house, owner)
    return {
        "hold_id": hold.json()["id"],
        "export_id": export.json()["id"],
        "erasure_id": erasure.json()["id"],
        "role_id": role.json()["id"],
        "project_id": project.json()["id"],
        "task_id": task.json()["id"],
        "key_id": key.json()["id"],
        "account_id": robot.json()["id"],
        "group_id": group.json()["id"],
        "token_id": str(provisioning.id),
        "credential_id": credential.json()["id"],
        "factor_id": str(await pending_factor(owner)),
        "session_id": sessions.json()["data"][0]["id"],
        "user_id": str(owner.people["owner"].id),
        "tenant_id": str(owner.id),
        "provider_id": str(provider.id),
        "client_key_id": str(await _add_client_key(owner, provider)),
        "saml_provider_id": str((await _add_saml_provider(owner)).id),
        "domain_id": str(await verify_domain(owner.house, owner, f"{owner.tenant.slug}.example")),
        "identity_id": str(await link_identity(owner.house, provider, owner.people["owner"].id)),
        "saml_key_id": str((await ensure_keys(owner.house, owner.id))[0].id),
    }


async def _add_client_key(owner: Organisation, provider: SsoProvider) -> UUID:
    async with owner.house.database.tenant(owner.id) as conn:
        scope = Scope(conn, owner.id, SYSTEM, owner.house.clock, owner.house)
        keyed = {"settings": {"token_endpoint_auth_method": client_keys.METHOD}}
        await client_keys.ensure(scope, msgspec.structs.replace(provider, configuration=keyed))
        (key,) = (await client_keys.describe(scope, provider.id)).client_keys
    return key.id


async def _add_saml_provider(owner: Organisation) -> SsoProvider:
    said = read_metadata(metadata().encode(), now=NOW, pinned=None, https_only=True)
    configuration = {"settings": {}, "idp": stored(said)}
    return await add_provider(
        owner.house, owner, protocol="saml", type="saml", configuration=configuration
    )


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def _fill(path: str, things: dict[str, str], **others: str) -> str:
    """The path with a thing for each of its names."""
    return re.sub(r"\{(\w+)\}", lambda name: {**things, **others}[name[1]], path)


def _said(answer: httpx.Response) -> tuple[int, Any]:
    """What an answer says, without what differs each time."""
    if not answer.content:
        return answer.status_code, None
    body = answer.json()
    for varying in ("request_id", "timestamp"):
        body.pop(varying, None)
    return answer.status_code, body


async def test_sec_tenant_isolation_api_01_a_foreign_id_answers_like_a_random_one(
    doors: Doors, client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    """Every path with an id × every method × each of its ids, with a body that would be valid."""
    theirs, mine = await _things_of(client, globex), await _things_of(client, acme)
    headers = await acme.headers(client)
    document = doors.api.openapi()
    tried = 0
    for path in _paths_with_ids(document):
        names = re.findall(r"\{(\w*id)\}", path)
        for name in names:
            if name not in theirs:
                pytest.fail(f"{path}: say what a {name} is in _things_of")
        for method, name in itertools.product(METHODS, names):
            declared = method.lower() in document["paths"][path]
            body = body_of(document, path, method.lower()) if declared else {}
            foreign, random = [
                _said(
                    await client.request(
                        method, _fill(path, mine, **{name: value}), headers=headers, json=body
                    )
                )
                for value in (theirs[name], str(uuid4()))
            ]
            assert foreign == random, f"{method} {path} with another's {name}"
            assert foreign[0] in (400, 403, 404, 405), f"{method} {path}: {foreign}"
            tried += 1
    assert tried > 100


async def test_the_ids_of_the_sweep_lead_their_owner_somewhere(
    doors: Doors, client: httpx.AsyncClient, globex: Organisation
) -> None:
    """Were they wrong, the sweep would prove nothing."""
    theirs = await _things_of(client, globex)
    headers = await globex.headers(client)
    document = doors.api.openapi()
    for path in _paths_with_ids(document):
        if "get" in document["paths"][path] and not _streams(document["paths"][path]["get"]):
            answer = await client.get(_fill(path, theirs), headers=headers)
            assert answer.status_code != 404 or path in NOT_THERE_YET, path


def _streams(operation: dict[str, Any]) -> bool:
    return "text/event-stream" in operation["responses"].get("200", {}).get("content", {})


# What a thing that was just made does not have yet.
NOT_THERE_YET = {
    "/v1/tasks/{task_id}/diff",
    "/v1/projects/{project_id}/analyze",
    # Its link is signed; without the signature nobody is led anywhere.
    "/v1/privacy/exports/{export_id}/download",
}


def _shape(said: tuple[int, Any]) -> str:
    """What was said, with every id and moment alike."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", str(said))
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)


async def test_ids_of_another_tenant_in_bodies_answer_like_random_ones(
    doors: Doors, client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    theirs, mine = await _things_of(client, globex), await _things_of(client, acme)
    headers = await acme.headers(client)
    document = doors.api.openapi()
    tried = 0
    for path, operations in document["paths"].items():
        for method in operations:
            for field in ids_in_body(document, path, method):
                name = field.removesuffix("s")
                value = theirs.get(name) or theirs.get(name.removeprefix("parent_"))
                if value is None or not path.startswith("/v1"):
                    continue
                body = body_of(document, path, method)
                where = _fill(path, {"slug": "x", "provider": "oidc", **mine})
                foreign, random = [
                    _said(
                        await client.request(
                            method.upper(),
                            where,
                            headers=headers,
                            json=body | {field: [one] if field.endswith("s") else one},
                        )
                    )
                    for one in (value, str(uuid4()))
                ]
                assert _shape(foreign) == _shape(random), f"{method} {path} {field}"
                tried += 1
    assert tried > 3


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
