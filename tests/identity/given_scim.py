"""What tests of provisioning are given: a token, and a client that uses it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx

from leanvibe_server.identity.scim import tokens
from leanvibe_server.identity.scim.schemas import CreatedScimToken, NewScimToken
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.wiring import Doors
from tests.given import Organisation

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"


async def add_scim_token(owner: Organisation) -> CreatedScimToken:
    """A token of the tenant, whatever its plan."""
    house = owner.house
    async with house.database.tenant(owner.id) as conn:
        scope = Scope(conn, owner.id, SYSTEM, house.clock, house, plan=owner.tenant.plan)
        return await tokens.create(replace(scope, plan="enterprise"), NewScimToken(name="IdP"))


@asynccontextmanager
async def provisioner(doors: Doors, owner: Organisation) -> AsyncIterator[httpx.AsyncClient]:
    """A provisioning client of the tenant."""
    token = (await add_scim_token(owner)).token
    transport = httpx.ASGITransport(app=doors.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport,
        base_url=f"http://localhost:8765/scim/v2/{owner.tenant.slug}",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"},
    ) as client:
        yield client


def patch_of(*operations: dict[str, Any]) -> dict[str, Any]:
    """The body of a PATCH."""
    return {"schemas": [PATCH], "Operations": list(operations)}


def person(**fields: Any) -> dict[str, Any]:
    """A person as a client sends one, of a name nobody has."""
    return {"schemas": [USER], "userName": f"{uuid4().hex}@people.example"} | fields


async def add(idp: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    """Add a person."""
    answer = await idp.post("/Users", json=person(**fields))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def patch(idp: httpx.AsyncClient, path: str, *operations: dict[str, Any]) -> httpx.Response:
    return await idp.patch(path, json=patch_of(*operations))


def refused(answer: httpx.Response, status: int, scim_type: str | None = None) -> None:
    """The answer is an error as RFC 7644 has it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/scim+json")
    body = answer.json()
    assert (body["schemas"], body["status"]) == ([ERROR], str(status))
    assert body.get("scimType") == scim_type, body
