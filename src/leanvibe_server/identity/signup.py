"""Sign-up: a user with a tenant of their own.

Whether an address is signed up already is not told: the answer and the work are the same, and
the bearer of the address gets a mail that says so, though not every time somebody asks.
"""

from dataclasses import replace
from datetime import timedelta

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.identity import addresses, lookup, passwords, users
from leanvibe_server.identity.account import emails
from leanvibe_server.identity.mfa import guesses
from leanvibe_server.identity.models import User
from leanvibe_server.identity.passwords import desk_of
from leanvibe_server.identity.repository import sign_in
from leanvibe_server.identity.schemas import NewUser
from leanvibe_server.identity.visits import begin_visit
from leanvibe_server.kernel.access import Role
from leanvibe_server.kernel.errors import Forbidden, invalid_field
from leanvibe_server.kernel.platform import Reason, across_tenants
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy.service import create_tenant, enter_tenant

PLAN = "developer"
# A stranger who types somebody's address again and again fills nobody's mailbox.
SIGN_UPS_HEARD = 3
HEARD_WITHIN = timedelta(hours=24)


async def register(caller: Scope | Visit, new: NewUser) -> User:
    """Add a user to the caller's tenant; without credentials, sign up.

    Raises: as `users.add_user` and `sign_up`.
    """
    if isinstance(caller, Visit):
        return await sign_up(caller, new)
    return await users.add_user(caller, new)


async def sign_up(visit: Visit, new: NewUser) -> User:
    """Make a tenant on a developer trial with this user as its owner, and mail a link that
    proves the address.

    Raises: Forbidden: sign-up is closed. InvalidRequest: the address or password will not do.
    """
    require_open(visit)
    email = addresses.require_address(new.email)
    if new.password is None:
        raise invalid_field("password", "Field required", "The password is missing.")
    passwords.check_policy(new.password, personal=(email, new.username or ""))
    password_hash = await desk_of(visit.house).hash(new.password)
    digest = addresses.directory_hash(visit.house.vault, email)
    existing = (await lookup.list_candidates(visit.house, digest, limit=1)).found
    # Counted for every address, so that the work tells nobody which ones are known.
    heard = await guesses.within(
        visit.house, "sign-up", email, most=SIGN_UPS_HEARD, window=HEARD_WITHIN
    )
    scope = await begin_visit(visit, Reason.SIGN_UP)
    await sign_in.set_savepoint(scope.conn)
    user = await _found_tenant(scope, new, email, password_hash)
    if existing:
        await sign_in.undo_to_savepoint(scope.conn)
    if existing and heard:
        await _remind(scope, existing[0].user)
    else:
        await lookup.pretend(visit.house.database, digest)
    return user


async def _remind(scope: Scope, user: User) -> None:
    """Mail somebody who is signed up already, from the region they live in."""
    database = scope.house.database
    region = await database.region_of(user.tenant_id)
    if region == database.home:
        await emails.remind(await enter_tenant(scope, user.tenant_id), user)
        return
    async with across_tenants(database, Reason.SIGN_UP, user.tenant_id) as conn:
        await emails.remind(replace(scope, conn=conn, tenant_id=user.tenant_id), user)


def require_open(visit: Visit) -> None:
    """Raises: Forbidden: this installation adds people by invitation only."""
    if not visit.house.settings.signup_open:
        raise Forbidden(
            "Sign-up is closed on this installation. Ask an administrator for an invitation."
        )


async def _found_tenant(scope: Scope, new: NewUser, email: str, password_hash: str) -> User:
    name = new.username or email.partition("@")[0]
    tenant = await create_tenant(
        scope,
        organization_name=new.organization_name or f"{name}'s workspace",
        admin_email=email,
        plan=PLAN,
        trial=timedelta(days=plan_of(PLAN).trial_days),
    )
    inside = await enter_tenant(scope, tenant.id)
    user = await users.insert_user(
        inside,
        email=email,
        username=new.username,
        password_hash=password_hash,
        role=Role.OWNER,
        verified=False,
    )
    await emails.ask_to_verify(inside, user)
    return user
