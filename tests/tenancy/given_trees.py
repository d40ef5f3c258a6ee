"""Organisations below organisations, with people in them."""

from dataclasses import replace
from uuid import UUID

import asyncpg
import httpx

from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import PLATFORM_TENANT
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.tenancy.tree import service as tree
from tests import given
from tests.given import Organisation


async def below(house: House, parent: Organisation, name: str) -> Organisation:
    """A further organisation, with an owner and a viewer, below another."""
    made = await given.organisation(house, plan="enterprise", name=name, roles=("owner", "viewer"))
    await put_below(house, made.id, parent.id)
    return made


async def put_below(house: House, tenant_id: UUID, parent_id: UUID | None) -> None:
    """Move an organisation, as the platform may."""
    async with house.database.tenant(PLATFORM_TENANT) as conn:
        platform = Scope(conn, PLATFORM_TENANT, SYSTEM, house.clock, house)
        await tree.move(
            replace(platform, permissions=frozenset({"tenant:administer_all"})),
            tenant_id,
            parent_id,
        )


async def create_below(
    client: httpx.AsyncClient, headers: dict[str, str], parent: UUID, name: str, **fields: str
) -> httpx.Response:
    body = {
        "organization_name": name,
        "admin_email": "boss@child.example",
        "parent_tenant_id": str(parent),
        **fields,
    }
    return await client.post("/v1/tenants", json=body, headers=headers)


async def closure_of(admin: asyncpg.Connection) -> set[tuple[UUID, UUID, int]]:
    """Who is above whom, and how far, as it is written down."""
    rows = await admin.fetch("SELECT tenant_id, ancestor_id, depth FROM tenant_ancestors")
    return {(row["tenant_id"], row["ancestor_id"], row["depth"]) for row in rows}


async def true_closure(admin: asyncpg.Connection) -> set[tuple[UUID, UUID, int]]:
    """The same, worked out from the parents."""
    rows = await admin.fetch("SELECT id, parent_tenant_id FROM tenants")
    parents = {row["id"]: row["parent_tenant_id"] for row in rows}
    found = set()
    for tenant_id in parents:
        depth, above = 1, parents[tenant_id]
        while above is not None:
            found.add((tenant_id, above, depth))
            assert depth < len(parents), "a circle"
            depth, above = depth + 1, parents[above]
    return found
