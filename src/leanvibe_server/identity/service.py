"""What other rooms, the dashboard and the command line ask of the identity room."""

from datetime import datetime
from uuid import UUID

from leanvibe_server.identity import addresses, api_keys, invitations, passwords, users
from leanvibe_server.identity.groups.service import require_group
from leanvibe_server.identity.models import User
from leanvibe_server.identity.passwords import desk_of
from leanvibe_server.identity.repository import people
from leanvibe_server.identity.roles.service import project_permissions_of_role
from leanvibe_server.identity.sessions import count_live as count_sessions
from leanvibe_server.identity.sessions import tally_live as tally_sessions
from leanvibe_server.identity.users import count_users, find_users, require_user, tally_users
from leanvibe_server.kernel.access import Role
from leanvibe_server.kernel.errors import Conflict
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.tenancy.service import ensure_platform_tenant

__all__ = [
    "count_sessions",
    "count_users",
    "create_platform_admin",
    "create_user",
    "delete_user_by_email",
    "find_users",
    "issue_api_key",
    "project_permissions_of_role",
    "require_group",
    "require_user",
    "tally_sessions",
    "tally_users",
]


async def create_user(
    scope: Scope,
    *,
    email: str,
    username: str | None,
    password: str | None,
    role: Role,
    verified: bool,
    expires_at: datetime | None = None,
    account_id: UUID | None = None,
) -> User:
    """Add a user without asking for room or rank: for the house itself.

    Raises: InvalidRequest: the address or the password will not do.
    """
    address = addresses.require_address(email)
    password_hash = None
    if password is not None:
        passwords.check_policy(password, personal=(address, username or ""))
        password_hash = await desk_of(scope.house).hash(password)
    return await users.insert_user(
        scope,
        email=address,
        username=username,
        password_hash=password_hash,
        role=role,
        verified=verified,
        expires_at=expires_at,
        account_id=account_id,
    )


async def delete_user_by_email(scope: Scope, email: str) -> None:
    """Remove a user of the scope's tenant with sessions and keys, if there is one."""
    await people.delete_user_by_email(scope.conn, scope.tenant_id, addresses.normalise(email))


async def issue_api_key(
    scope: Scope, *, user_id: UUID, name: str, environment: str, scopes: list[str] | None = None
) -> str:
    """Make a key for a user of the tenant, for the house itself; returns the key."""
    user = await require_user(scope, user_id)
    _, key = await api_keys.issue(scope, user, name=name, scopes=scopes, environment=environment)
    return key


async def create_platform_admin(
    house: House, email: str, password: str | None
) -> tuple[User, str | None]:
    """Add an administrator of the platform. Without a password one is invited; the second value
    is then the link, for an installation that cannot send mail yet.

    Raises: InvalidRequest, Conflict: there is one with this address.
    """
    address = addresses.require_address(email)
    async with across_tenants(house.database, Reason.TENANT_ADMIN) as conn:
        scope = Scope(conn, PLATFORM_TENANT, SYSTEM, house.clock, house, plan="enterprise")
        await ensure_platform_tenant(scope)
        if await people.find_user_by_email(conn, PLATFORM_TENANT, address) is not None:
            raise Conflict(f"{address} is a platform admin already.")
        user = await create_user(
            scope,
            email=address,
            username=None,
            password=password,
            role=Role.PLATFORM_ADMIN,
            verified=password is not None,
        )
        if password is not None:
            return user, None
        token = await invitations.invite(scope, user)
    return user, f"{house.settings.base_url}/invitations/{token}"
