"""More people than the shared organisations have."""

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
