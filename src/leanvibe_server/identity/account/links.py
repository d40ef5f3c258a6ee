"""Links sent by mail to the bearer of an address: good once, for one thing, for a while."""

from datetime import timedelta

from leanvibe_server.identity import opaque, throttle
from leanvibe_server.identity.models import MailLink, User
from leanvibe_server.identity.repository import account as rows
from leanvibe_server.identity.repository import people
from leanvibe_server.identity.throttle import Attempt
from leanvibe_server.identity.visits import begin_visit, scope_in
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.platform import Reason, across_tenants
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy.service import require_tenant

RESET, VERIFY, EMAIL = "reset", "verify", "email"
VALID_FOR = {
    RESET: timedelta(hours=1),
    VERIFY: timedelta(days=7),
    EMAIL: timedelta(hours=24),
}


async def make_link(scope: Scope, user: User, purpose: str, *, email: str | None = None) -> str:
    """A link's token. It proves `email`, by default the address the user has."""
    token = opaque.new_token(scope.tenant_id)
    link = MailLink(
        tenant_id=scope.tenant_id,
        id=scope.new_id(),
        user_id=user.id,
        purpose=purpose,
        email=email or user.email,
        created_at=scope.now,
        expires_at=scope.now + VALID_FOR[purpose],
    )
    await rows.insert_link(scope.conn, link, _hash(token, purpose))
    return token


async def peek(visit: Visit, token: str, purpose: str) -> User:
    """Whose link this is, before the price of a password's hash is paid for a made-up one.

    Raises: NotFound: it is unknown, used or expired, or the account is closed. RateLimited:
        too many such from one address.
    """
    tenant_id = opaque.tenant_of_token(token)
    if tenant_id is not None:
        try:
            async with visit.house.database.tenant(tenant_id) as conn:
                return (await _require(scope_in(visit, conn, tenant_id), token, purpose))[0]
        except NotFound:
            pass
    await count_unknown(visit)
    raise no_link()


async def count_unknown(visit: Visit) -> None:
    """Note that a link led nowhere. Raises: RateLimited: too many such from one address."""
    house = visit.house
    async with across_tenants(house.database, Reason.SIGN_IN) as conn:
        attempt = Attempt.at_link(house.vault, address=visit.address)
        await throttle.spend(conn, attempt, now=house.clock.now())


async def redeem(visit: Visit, token: str, purpose: str) -> tuple[Scope, User, MailLink]:
    """Use a link up, in the visit's transaction; other links of its purpose end with it.

    Raises: NotFound.
    """
    tenant_id = opaque.tenant_of_token(token)
    if tenant_id is None:
        raise no_link()
    scope = await begin_visit(visit, Reason.SIGN_IN, tenant_id)
    user, link = await _require(scope, token, purpose)
    await rows.withdraw_links(scope.conn, tenant_id, user.id, (purpose,))
    return scope, user, link


async def withdraw(scope: Scope, user: User, *purposes: str) -> None:
    """Earlier links of these purposes lead nowhere any more."""
    await rows.withdraw_links(scope.conn, scope.tenant_id, user.id, purposes)


def no_link() -> NotFound:
    """One refusal, whatever is amiss with a link."""
    return NotFound("This link is unknown, used or expired. Ask for a new one.")


async def _require(scope: Scope, token: str, purpose: str) -> tuple[User, MailLink]:
    link = await rows.lock_link(scope.conn, scope.tenant_id, purpose, _hash(token, purpose))
    if link is None or link.expires_at <= scope.now:
        raise no_link()
    user = await people.lock_user(scope.conn, scope.tenant_id, link.user_id)
    if user is None or not await leads_in(scope, user):
        raise no_link()
    if purpose != EMAIL and link.email != user.email:
        # What it would prove is no longer the user's address.
        raise no_link()
    return user, link


def is_open(scope: Scope, user: User) -> bool:
    """Whether mail may still lead this person in: invited ones too, whom a proved mailbox lets
    in, but nobody who is disabled or whose time is over."""
    return (
        user.kind == "person"
        and user.status != "disabled"
        and (user.expires_at is None or scope.now < user.expires_at)
    )


async def leads_in(scope: Scope, user: User) -> bool:
    """Whether a link may lead this person in now. Who is merely invited becomes a user by it, so
    it leads no further than their invitation: neither after its end, nor while the organisation
    takes in nobody."""
    if not is_open(scope, user) or user.status != "invited":
        return is_open(scope, user)
    tenant = await require_tenant(scope)
    return tenant.status == "active" and not await people.is_invitation_over(
        scope.conn, scope.tenant_id, user.id, now=scope.now
    )


def _hash(token: str, purpose: str) -> bytes:
    return hash_token(f"{purpose} {token}")
