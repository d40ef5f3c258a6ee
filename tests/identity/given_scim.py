"""What tests of provisioning are given: a token, and a client that uses it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx

from leanvibe_server.identity.scim import tokens
from leanvibe_server.identity.scim.schemas import CreatedScimToken, NewScimToken
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.wiring import Doors
from tests.given import Organisation

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


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
