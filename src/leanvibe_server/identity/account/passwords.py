"""Changing a password, and setting a new one when it is forgotten."""

from dataclasses import replace
from uuid import UUID

import msgspec

from leanvibe_server.identity import addresses, lineage, lookup, mails, throttle
from leanvibe_server.identity import passwords as rules
from leanvibe_server.identity.account import factors, links
from leanvibe_server.identity.account.emails import join_account
from leanvibe_server.identity.account.events import PasswordChanged, PasswordResetRequested
from leanvibe_server.identity.account.links import RESET
from leanvibe_server.identity.account.proving import require_own, require_password
from leanvibe_server.identity.account.schemas import (
    Accepted,
    Forgotten,
    PasswordChange,
    PasswordReset,
)
from leanvibe_server.identity.models import User
from leanvibe_server.identity.moving import end_moved
from leanvibe_server.identity.passwords import desk_of
from leanvibe_server.identity.policy import policy_from
from leanvibe_server.identity.repository import account as rows
from leanvibe_server.identity.repository import people
from leanvibe_server.identity.schemas import Success
from leanvibe_server.identity.sessions import end_all
from leanvibe_server.identity.throttle import Attempt
from leanvibe_server.identity.visits import actor_of, scope_in
from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.errors import Conflict
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import Work, enqueue
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy.service import require_tenant

SEND_RESET = "identity.send_reset_link"
# The most a policy may ask for.
KEPT_HASHES = 24
MAX_MAILED = 20
SENT = "If this address has an account, a link to set a new password is on its way."


class Yardstick(msgspec.Struct, frozen=True, kw_only=True):
    """What a new password of one user is held against."""

    min_length: int
    personal: tuple[str, ...]
    earlier: tuple[str, ...]


async def yardstick_of(scope: Scope, user: User) -> Yardstick:
    """The tenant's rules for a new password, with the hashes that may not come again."""
    tenant = await require_tenant(scope)
    policy = policy_from(tenant.security)
    earlier: list[str] = []
    if policy.password_history:
        kept = await rows.list_earlier_passwords(
            scope.conn, scope.tenant_id, user.id, limit=policy.password_history - 1
        )
        earlier = [hash_ for hash_ in (user.password_hash, *kept) if hash_ is not None]
    return Yardstick(
        min_length=policy.shortest_password,
        personal=(
            user.email,
            user.username,
            tenant.slug,
            tenant.organization_name,
            tenant.display_name,
        ),
        earlier=tuple(earlier),
    )


async def accept(house: House, yardstick: Yardstick, password: str, *, field: str) -> str:
    """The hash of a new password that will do. No transaction should be open meanwhile.

    Raises: InvalidRequest: naming `field`. ServiceUnavailable: too many are hashed at once.
    """
    rules.check_policy(
        password, personal=yardstick.personal, min_length=yardstick.min_length, field=field
    )
    desk = desk_of(house)
    for earlier in yardstick.earlier:
        if await desk.verify(earlier, password):
            raise rules.unfit("was used before: choose one that is new to this account", field)
    return await desk.hash(password)


async def remember(scope: Scope, user: User) -> None:
    """Keep the hash of the password that is about to be replaced."""
    if user.password_hash is not None:
        await rows.add_earlier_password(
            scope.conn,
            scope.tenant_id,
            scope.new_id(),
            user.id,
            password_hash=user.password_hash,
            now=scope.now,
            keep=KEPT_HASHES,
        )


async def change_password(errand: Errand, change: PasswordChange) -> Success:
    """Replace one's own password. Every other session of the user ends, and a mail tells it.

    Raises: Forbidden: the current password is wrong. InvalidRequest: the new one will not do.
    """
    before = await require_password(errand, change.current_password, field="current_password")
    async with errand.scope() as scope:
        yardstick = await yardstick_of(scope, before)
    fresh = await accept(errand.house, yardstick, change.new_password, field="new_password")
    async with errand.scope() as scope:
        own = await require_own(scope)
        if own.user.password_hash != before.password_hash:
            raise Conflict("The password was changed meanwhile. Try again with that one.")
        await remember(scope, own.user)
        await people.set_password(
            scope.conn, scope.tenant_id, own.user.id, password_hash=fresh, now=scope.now
        )
        await _tell(scope, own.user, method="change")
        await end_all(scope, own.user.id, reason="password changed", keep=own.session.id)
        await end_moved(scope, own.user, reason="password changed")
    return Success(success=True)


async def forget_password(visit: Visit, request: Forgotten) -> Accepted:
    """Have a link mailed to the bearer of an address, if there is one.

    Nothing is sent here: a job looks who it is, so that answer and time tell nobody whether
    there is such an account.
    Raises: RateLimited: too many such requests for this address or from this caller.
    """
    async with desk_of(visit.house).on_the_beat():
        await _have_links_sent(visit, request)
    return Accepted(success=True, message=SENT)


async def _have_links_sent(visit: Visit, request: Forgotten) -> None:
    house = visit.house
    email = addresses.normalise(request.email)
    attempt = Attempt.at_mail(house.vault, email=email, address=visit.address)
    async with across_tenants(house.database, Reason.SIGN_IN) as conn:
        await throttle.spend(conn, attempt, now=house.clock.now())
    digest = addresses.directory_hash(house.vault, email)
    looked = await lookup.list_candidates(house, digest, limit=MAX_MAILED)
    named = None if request.tenant_id is None else request.tenant_id.strip().lower()
    chosen = [
        (one.user.tenant_id, one.user.id)
        for one in looked.found
        if named in (None, one.tenant_slug, str(one.user.tenant_id))
    ]
    # Nobody gets a job too, which finds nobody.
    for tenant_id, user_id in chosen or [(PLATFORM_TENANT, PLATFORM_TENANT)]:
        async with across_tenants(house.database, Reason.SIGN_IN, tenant_id) as conn:
            await enqueue(conn, SEND_RESET, tenant_id=tenant_id, ids={"user_id": user_id})


async def send_reset_link(work: Work, *, user_id: str) -> None:
    """Mail a user a link to set a new password."""
    async with work.scope() as scope:
        user = await people.find_user(scope.conn, work.tenant_id, UUID(user_id))
        if user is None or not await links.leads_in(scope, user):
            return
        token = await links.make_link(scope, user, RESET)
        tenant = await require_tenant(scope)
        await mails.reset_password(
            scope, to=user.email, organization=tenant.display_name, token=token
        )
        await scope.emit(PasswordResetRequested(user_id=user.id))


async def reset_password(visit: Visit, request: PasswordReset) -> Success:
    """Set a new password by a mailed link. Every session of the user ends; nobody is signed in,
    so a second factor is still asked for.

    Raises: NotFound: the link is unknown, used or expired. InvalidRequest: a password that will
        not do.
    """
    house = visit.house
    asked = await links.peek(visit, request.token, RESET)
    async with house.database.tenant(asked.tenant_id) as conn:
        yardstick = await yardstick_of(scope_in(visit, conn, asked.tenant_id), asked)
    fresh = await accept(house, yardstick, request.password, field="password")
    scope, user, _ = await links.redeem(visit, request.token, RESET)
    inside = replace(scope, actor=actor_of(visit, user))
    await remember(inside, user)
    if user.email_verified_at is None:
        # Whoever held the account until now had never proved the address.
        why = "password reset by the address's bearer"
        await lineage.end_keys_of(inside, user, reason=why)
        await factors.remove_every(inside, user, reason=why)
    await people.activate(scope.conn, scope.tenant_id, user.id, now=scope.now, password_hash=fresh)
    await people.withdraw_invitations(scope.conn, scope.tenant_id, user.id)
    await join_account(scope, user)
    await _tell(inside, user, method="reset")
    await end_all(inside, user.id, reason="password reset")
    await end_moved(inside, user, reason="password reset")
    attempt = Attempt.by(house.vault, email=user.email, address=visit.address)
    async with across_tenants(house.database, Reason.SIGN_IN) as conn:
        await throttle.forgive(conn, attempt)
    return Success(success=True)


async def _tell(scope: Scope, user: User, *, method: str) -> None:
    await scope.emit(PasswordChanged(user_id=user.id, method=method))
    await mails.password_changed(scope, to=user.email)
