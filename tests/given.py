"""What tests are given: organisations with people, made through the services."""

from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.identity import service as identity
from leanvibe_server.kernel.access import Role
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.ids import new_id
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.tenancy import service as tenancy
from leanvibe_server.tenancy.models import Tenant

PASSWORD = "correct horse battery staple"
ROLES = ("owner", "admin", "manager", "developer", "viewer", "guest")


@dataclass(frozen=True)
class Person:
    """A user and the password they sign in with."""

    id: UUID
    email: str
    role: str
    password: str = PASSWORD

    async def token(self, client: httpx.AsyncClient) -> str:
        """An access token, by signing in."""
        answer = await client.post(
            "/v1/auth/login", json={"email": self.email, "password": self.password}
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def headers(self, client: httpx.AsyncClient) -> dict[str, str]:
        return {"Authorization": f"Bearer {await self.token(client)}"}


@dataclass(frozen=True)
class Organisation:
    """A tenant and its people by role."""

    house: House
    tenant: Tenant
    people: dict[str, Person]

    @property
    def id(self) -> UUID:
        return self.tenant.id

    async def token(self, client: httpx.AsyncClient, role: str = "owner") -> str:
        """An access token, by signing in."""
        return await self.people[role].token(client)

    async def headers(self, client: httpx.AsyncClient, role: str = "owner") -> dict[str, str]:
        return await self.people[role].headers(client)


def fresh_email(name: str = "new") -> str:
    """An address that nobody has."""
    return f"{name}-{uuid4().hex[:10]}@people.example"


async def platform_admin(house: House) -> Person:
    """A new administrator of the platform."""
    email = fresh_email("platform")
    user, _ = await identity.create_platform_admin(house, email, PASSWORD)
    return Person(user.id, email, user.role)


async def platform_headers(house: House, client: httpx.AsyncClient) -> dict[str, str]:
    """The headers of a platform administrator who has just signed in."""
    return await (await platform_admin(house)).headers(client)


async def organisation(
    house: House,
    *,
    plan: str,
    name: str,
    roles: tuple[str, ...] = ROLES,
    region: str | None = None,
) -> Organisation:
    """A fresh tenant whose people have addresses nobody else has, in the home region unless
    another is named."""
    mark = new_id(house.clock.now()).hex[-10:]
    async with across_tenants(house.database, Reason.DEMO, region=region) as conn:
        platform = Scope(conn, PLATFORM_TENANT, SYSTEM, house.clock, house)
        tenant = await tenancy.create_tenant(
            platform,
            organization_name=f"{name} {mark}",
            admin_email=f"owner@{mark}.example",
            plan=plan_of(plan).slug,
            trial=None,
            data_residency=region,
        )
    async with house.database.tenant(tenant.id) as conn:
        scope = Scope(conn, tenant.id, SYSTEM, house.clock, house, plan=plan)
        people = {}
        for role in roles:
            email = f"{role}@{mark}.example"
            user = await identity.create_user(
                scope,
                email=email,
                username=role,
                password=PASSWORD,
                role=Role(role),
                verified=True,
            )
            people[role] = Person(user.id, email, role)
    return Organisation(house, tenant, people)
