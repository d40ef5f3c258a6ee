"""More people than the shared organisations have."""

import asyncpg

from leanvibe_server.identity import service
from leanvibe_server.identity.models import User
from leanvibe_server.kernel.access import Role
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.scope import SYSTEM, Scope
from tests.given import PASSWORD, Organisation


def system_scope(house: House, organisation: Organisation, conn: object) -> Scope:
    """The house itself, acting in an organisation."""
    return Scope(
        conn,  # type: ignore[arg-type]  # a connection of the fixture's pool
        organisation.id,
        SYSTEM,
        house.clock,
        house,
        plan=organisation.tenant.plan,
    )


async def add_person(
    house: House,
    organisation: Organisation,
    *,
    email: str,
    role: str,
    password: str | None = PASSWORD,
    verified: bool = True,
    account_of: User | None = None,
) -> User:
    """A further person of an organisation."""
    async with house.database.tenant(organisation.id) as conn:
        return await service.create_user(
            system_scope(house, organisation, conn),
            email=email,
            username=None,
            password=password,
            role=Role(role),
            verified=verified,
            account_id=None if account_of is None else account_of.account_id,
        )


async def make_one_person(admin: asyncpg.Connection, one: User, other: User) -> None:
    """Have two users of different organisations be one person, who may go from one to the other."""
    account = await admin.fetchval("SELECT account_id FROM users WHERE id = $1", other.id)
    await admin.execute("UPDATE users SET account_id = $1 WHERE id = $2", account, one.id)
    await admin.execute("UPDATE directory SET account_id = $1 WHERE user_id = $2", account, one.id)
