"""Links sent by mail: their reader proves the address, and may set a password."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from leanvibe_server.identity import lineage, mails, opaque, throttle
from leanvibe_server.identity.account import links, passwords
from leanvibe_server.identity.account.emails import join_account
from leanvibe_server.identity.account.passwords import Yardstick
from leanvibe_server.identity.events import InvitationAccepted, InvitationSent
from leanvibe_server.identity.models import Invitation, User
from leanvibe_server.identity.repository import people
from leanvibe_server.identity.schemas import Acceptance
from leanvibe_server.identity.sessions import end_all
from leanvibe_server.identity.throttle import Attempt
from leanvibe_server.identity.visits import begin_visit, require_writable, scope_in
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.platform import Reason, across_tenants
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy.service import require_tenant

VALID_FOR = timedelta(days=7)
# The purpose is part of what is hashed, so a link for one thing is unknown to the other.
JOIN = "join"
_T = TypeVar("_T")


@dataclass(frozen=True)
class Invited:
    """Who follows an invitation's link, and into which organisation."""

    email: str
    username: str
    organization: str


async def invite(scope: Scope, user: User, *, days: int = VALID_FOR.days) -> str:
    """Mail the user a link to set a password; earlier links stop working. Returns its token."""
    valid_for = timedelta(days=days)
    token = await _make_link(scope, user, JOIN, valid_for=valid_for)
    tenant = await require_tenant(scope)
    await mails.invite(
        scope,
        to=user.email,
        organization=tenant.display_name,
        inviter=scope.actor.label if scope.actor.kind == "user" else None,
        token=token,
        days=days,
    )
    await scope.emit(
        InvitationSent(
            user_id=user.id,
            invited_by=lineage.author_of(scope),
            expires_at=scope.now + valid_for,
        )
    )
    return token


async def require_patience(scope: Scope, email: str) -> None:
    """Refuse to mail one address invitation upon invitation.

    Raises: RateLimited.
    """
    if scope.actor.kind == "system":
        return
    house = scope.house
    attempt = Attempt.at_invitation(house.vault, email=email, tenant_id=scope.tenant_id)
    async with across_tenants(house.database, Reason.SIGN_IN) as conn:
        await throttle.spend(conn, attempt, now=scope.now)


async def accept(visit: Visit, acceptance: Acceptance) -> User:
    """Set the password of the invited user, who may sign in from now on.

    For a user who had a password, every session ends.
    Raises: NotFound: the link is unknown, used or expired. RateLimited: too many such from one
        address. InvalidRequest: a weak password. TenantSuspended: nobody new comes in.
    """
    yardstick = await _peek(visit, acceptance.token)
    password_hash = await passwords.accept(
        visit.house, yardstick, acceptance.password, field="password"
    )
    scope, user = await _redeem(visit, acceptance.token, JOIN)
    await passwords.remember(scope, user)
    await end_all(scope, user.id, reason="password set by link")
    activated = await people.activate(
        scope.conn,
        scope.tenant_id,
        user.id,
        now=scope.now,
        username=acceptance.username,
        password_hash=password_hash,
    )
    await scope.emit(InvitationAccepted(user_id=user.id))
    await join_account(scope, user)
    return activated or user


async def _make_link(
    scope: Scope, user: User, purpose: str, *, valid_for: timedelta = VALID_FOR
) -> str:
    token = opaque.new_token(scope.tenant_id)
    now = scope.now
    invitation = Invitation(
        tenant_id=scope.tenant_id,
        id=scope.new_id(),
        user_id=user.id,
        invited_by=lineage.author_of(scope),
        created_at=now,
        expires_at=now + valid_for,
        accepted_at=None,
    )
    await people.insert_invitation(scope.conn, invitation, _hash(token, purpose))
    return token


def _hash(token: str, purpose: str) -> bytes:
    return hash_token(f"{purpose} {token}")


async def find_invited(visit: Visit, token: str) -> Invited | None:
    """Whom a link invites, and to where; None once it leads nowhere. Raises: TenantSuspended."""
    return await _look(visit, token, _invited_of)


async def _invited_of(scope: Scope, user: User) -> Invited:
    return Invited(user.email, user.username, (await require_tenant(scope)).display_name)


async def _peek(visit: Visit, token: str) -> Yardstick:
    """What the invited user's password is held against, before the price of a hash is paid for a
    made-up link.

    Raises: NotFound. RateLimited: too many such from one address. TenantSuspended.
    """
    yardstick = await _look(visit, token, passwords.yardstick_of)
    if yardstick is None:
        await links.count_unknown(visit)
        raise links.no_link()
    return yardstick


async def _look(
    visit: Visit, token: str, read: Callable[[Scope, User], Awaitable[_T]]
) -> _T | None:
    """What is to be read of the user a link was sent to; None for a link that leads nowhere."""
    tenant_id = opaque.tenant_of_token(token)
    if tenant_id is None:
        return None
    try:
        async with visit.house.database.tenant(tenant_id) as conn:
            scope = scope_in(visit, conn, tenant_id)
            user, _ = await _require_invited(scope, token, JOIN)
            return await read(scope, user)
    except NotFound:
        return None


async def _redeem(visit: Visit, token: str, purpose: str) -> tuple[Scope, User]:
    tenant_id = opaque.tenant_of_token(token)
    if tenant_id is None:
        raise links.no_link()
    scope = await begin_visit(visit, Reason.SIGN_UP, tenant_id)
    user, found = await _require_invited(scope, token, purpose)
    await people.accept_invitation(scope.conn, tenant_id, found.id, now=scope.now)
    await people.withdraw_invitations(scope.conn, tenant_id, user.id)
    return scope, user


async def _require_invited(scope: Scope, token: str, purpose: str) -> tuple[User, Invitation]:
    """The user a link was sent to, and the link. Raises: NotFound. TenantSuspended."""
    found = await people.lock_invitation(scope.conn, scope.tenant_id, _hash(token, purpose))
    if found is None or found.accepted_at is not None or found.expires_at <= scope.now:
        raise links.no_link()
    user = await people.lock_user(scope.conn, scope.tenant_id, found.user_id)
    if user is None or not links.is_open(scope, user):
        raise links.no_link()
    await require_writable(scope)
    return user, found
