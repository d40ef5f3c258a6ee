"""Tenants to measure with, made through the product's services, and their access tokens."""

import asyncio
import json
import urllib.request
from dataclasses import dataclass
from uuid import UUID

from benchmarks.ground import HOST, Ground, Server
from leanvibe_server.identity import service as identity
from leanvibe_server.kernel.access import Role
from leanvibe_server.kernel.db import Database
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.projects import service as projects
from leanvibe_server.projects.schemas import NewProject
from leanvibe_server.tenancy import service as tenancy

PASSWORD = "four measured words here"
PLAN = "enterprise"


@dataclass(frozen=True)
class Resident:
    """A tenant with one developer and some projects."""

    tenant_id: UUID
    email: str
    project_ids: list[UUID]


def settle(ground: Ground, *, tenants: int, projects_each: int) -> list[Resident]:
    """Make tenants on the plan with the highest rate, so that no limit is met under load."""
    return asyncio.run(_settle(ground, tenants, projects_each))


async def _settle(ground: Ground, tenants: int, projects_each: int) -> list[Resident]:
    database = await Database.open(ground.settings, ground.vault)
    house = House(ground.settings, database, ground.vault)
    try:
        return [await _move_in(house, number, projects_each) for number in range(tenants)]
    finally:
        await database.close()


async def _move_in(house: House, number: int, projects_each: int) -> Resident:
    email = f"developer@tenant-{number}.example"
    async with across_tenants(house.database, Reason.DEMO) as conn:
        tenant = await tenancy.create_tenant(
            Scope(conn, PLATFORM_TENANT, SYSTEM, house.clock, house),
            organization_name=f"Tenant {number}",
            admin_email=email,
            plan=PLAN,
            trial=None,
        )
    async with house.database.tenant(tenant.id) as conn:
        scope = Scope(conn, tenant.id, SYSTEM, house.clock, house, plan=PLAN)
        await identity.create_user(
            scope,
            email=email,
            username=None,
            password=PASSWORD,
            role=Role.DEVELOPER,
            verified=True,
        )
        made = [
            await projects.create_project(scope, _new_project(place))
            for place in range(projects_each)
        ]
    return Resident(tenant.id, email, [project.id for project in made])


def _new_project(number: int) -> NewProject:
    return NewProject(
        name=f"Project {number}",
        description="Takes orders for a small shop, ships them, and tells the customer.",
        tech_stack=["Python", "FastAPI", "PostgreSQL"],
        repository_url=f"https://github.com/example/project-{number}",
    )


def sign_in(server: Server, resident: Resident) -> str:
    """An access token, by the product's own login."""
    answer = post(server, "/v1/auth/login", {"email": resident.email, "password": PASSWORD})
    return str(answer["access_token"])


def open_session(server: Server, resident: Resident) -> str:
    """The refresh token of a fresh session."""
    answer = post(server, "/v1/auth/login", {"email": resident.email, "password": PASSWORD})
    return str(answer["refresh_token"])


def post(
    server: Server, path: str, body: dict[str, object], *, token: str | None = None
) -> dict[str, object]:
    """Send JSON and read JSON. For preparation, not for measuring."""
    return _ask(server, path, json.dumps(body).encode(), token)


def fetch(server: Server, path: str, *, token: str) -> dict[str, object]:
    """Read JSON. For preparation, not for measuring."""
    return _ask(server, path, None, token)


def _ask(server: Server, path: str, body: bytes | None, token: str | None) -> dict[str, object]:
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(f"http://{HOST}:{server.port}{path}", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        read: dict[str, object] = json.load(answer)
    return read
