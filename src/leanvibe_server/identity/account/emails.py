"""One's e-mail address: proving it, and exchanging it for another."""

from dataclasses import replace

from leanvibe_server.identity import addresses, lookup, mails, throttle
from leanvibe_server.identity.account import links
from leanvibe_server.identity.account.events import EmailChanged, EmailChangeRequested
from leanvibe_server.identity.account.links import EMAIL, RESET, VALID_FOR, VERIFY
from leanvibe_server.identity.account.proving import require_own
from leanvibe_server.identity.account.schemas import Accepted, EmailChange
from leanvibe_server.identity.events import EmailVerified
from leanvibe_server.identity.models import User
from leanvibe_server.identity.repository import account as rows
from leanvibe_server.identity.repository import people
from leanvibe_server.identity.schemas import LinkToken, Success
from leanvibe_server.identity.throttle import Attempt
from leanvibe_server.identity.visits import actor_of
from leanvibe_server.kernel.errors import Conflict, invalid_field
from leanvibe_server.kernel.platform import Reason, across_tenants
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy.service import require_tenant

ON_ITS_WAY = "A link is on its way to the address. It counts once the link was followed."


async def ask_to_verify(scope: Scope, user: User) -> None:
    """Mail the user a link that proves the address."""
    token = await links.make_link(scope, user, VERIFY)
    await mails.verify(scope, to=user.email, token=token, days=VALID_FOR[VERIFY].days)


async def ask_again(scope: Scope) -> Accepted:
    """Mail the caller the link once more, if the address is not proved yet.

    Raises: RateLimited. Conflict: it is proved.
    """
    user = (await require_own(scope)).user
    if user.email_verified_at is not None:
        raise Conflict("Your address is confirmed already.")
    await _spend(scope, user.email)
    await ask_to_verify(scope, user)
    return Accepted(success=True, message=ON_ITS_WAY)


async def verify_email(visit: Visit, verification: LinkToken) -> Success:
    """Note that the user's address is theirs.

    Raises: NotFound: the link is unknown, used or expired.
    """
    await links.peek(visit, verification.token, VERIFY)
    scope, user, _ = await links.redeem(visit, verification.token, VERIFY)
    inside = replace(scope, actor=actor_of(visit, user))
    await people.activate(scope.conn, scope.tenant_id, user.id, now=scope.now)
    await inside.emit(EmailVerified(user_id=user.id))
    return Success(success=True)


async def remind(scope: Scope, user: User) -> None:
    """Tell the bearer of an address that it is signed up already, with a way back in."""
    token = await links.make_link(scope, user, RESET)
    tenant = await require_tenant(scope)
    await mails.already_registered(
        scope, to=user.email, organization=tenant.display_name, token=token
    )


async def ask_to_change(scope: Scope, change: EmailChange) -> Accepted:
    """Mail a link to the address one wants, and tell the one that holds until then.

    Whether somebody else here has the address is not told: its bearer gets a mail that says so.
    Raises: InvalidRequest. RateLimited.
    """
    user = (await require_own(scope)).user
    wanted = addresses.require_address(change.new_email, field="new_email")
    if wanted == user.email:
        raise invalid_field("new_email", "is your address already", "This is your address already.")
    await _spend(scope, wanted)
    await links.withdraw(scope, user, EMAIL)
    taken = await people.find_user_by_email(scope.conn, scope.tenant_id, wanted)
    if taken is None:
        token = await links.make_link(scope, user, EMAIL, email=wanted)
        await mails.confirm_new_address(scope, to=wanted, token=token)
    else:
        await mails.address_taken(scope, to=wanted)
    await mails.address_may_change(scope, to=user.email, wanted=wanted)
    await scope.emit(EmailChangeRequested(user_id=user.id, new_email=wanted))
    return Accepted(success=True, message=ON_ITS_WAY)


async def change_email(visit: Visit, request: LinkToken) -> Success:
    """Use the new address from now on, as its bearer has followed the link.

    Raises: NotFound: the link is unknown, used or expired. Conflict: somebody else here got the
        address meanwhile.
    """
    await links.peek(visit, request.token, EMAIL)
    scope, user, link = await links.redeem(visit, request.token, EMAIL)
    inside = replace(scope, actor=actor_of(visit, user))
    if await people.find_user_by_email(scope.conn, scope.tenant_id, link.email) is not None:
        raise Conflict("Somebody with this address is here already.", details={"field": "email"})
    digest = addresses.directory_hash(scope.house.vault, link.email)
    await rows.set_email(
        scope.conn,
        scope.tenant_id,
        user.id,
        email=link.email,
        email_hash=digest,
        now=scope.now,
    )
    await inside.emit(EmailChanged(user_id=user.id, old_email=user.email, new_email=link.email))
    await mails.address_changed(inside, to=user.email, now_at=link.email)
    await leave_account(scope, user, digest)
    return Success(success=True)


async def leave_account(scope: Scope, user: User, email_hash: bytes) -> None:
    """With another address a user is one person with nobody elsewhere: its bearer may not be who
    knows the password. Nor does mail to the old address lead in any more."""
    await people.withdraw_invitations(scope.conn, scope.tenant_id, user.id)
    await links.withdraw(scope, user, RESET, VERIFY, EMAIL)
    await lookup.join_account(scope, user, scope.new_id(), email_hash)


async def join_account(scope: Scope, user: User) -> None:
    """Who sets a password by a link mailed to them, here and in another tenant, is one person.

    A link that only proves the address is not enough: somebody else may have signed up with it,
    or have entered it as theirs, and one careless press would let them into the other tenant.
    Source: A. Sudhodanan and A. Paverd, "Pre-hijacked accounts", USENIX Security 2022.
    """
    digest = addresses.directory_hash(scope.house.vault, user.email)
    account_id = await lookup.find_owned_account(scope, digest, but=user)
    if account_id is not None and account_id != user.account_id:
        await lookup.join_account(scope, user, account_id, digest)


async def _spend(scope: Scope, email: str) -> None:
    house = scope.house
    attempt = Attempt.at_mail(house.vault, email=email, address=scope.actor.address)
    async with across_tenants(house.database, Reason.SIGN_IN) as conn:
        await throttle.spend(conn, attempt, now=scope.now)
