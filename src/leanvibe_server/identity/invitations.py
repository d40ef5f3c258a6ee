"""Links sent by mail: their reader proves the address, and may set a password."""

from datetime import timedelta

from leanvibe_server.identity import addresses, lookup, mails, opaque, passwords
from leanvibe_server.identity.events import EmailVerified, InvitationAccepted, InvitationSent
from leanvibe_server.identity.models import Invitation, User
from leanvibe_server.identity.passwords import desk_of
from leanvibe_server.identity.repository import people
from leanvibe_server.identity.schemas import Acceptance, Success, Verification
from leanvibe_server.identity.sessions import end_all
from leanvibe_server.identity.visits import begin_visit, scope_in
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.platform import Reason
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy.service import require_tenant

VALID_FOR = timedelta(days=7)
# The purpose is part of what is hashed, so a link for one thing is unknown to the other.
JOIN, VERIFY = "join", "verify"


async def invite(scope: Scope, user: User) -> str:
    """Mail the user a link to set a password; earlier links stop working. Returns its token."""
    token = await _make_link(scope, user, JOIN)
    tenant = await require_tenant(scope)
    await mails.invite(
        scope,
        to=user.email,
        organization=tenant.display_name,
        token=token,
        days=VALID_FOR.days,
    )
    await scope.emit(InvitationSent(user_id=user.id, expires_at=scope.now + VALID_FOR))
    return token


async def ask_to_verify(scope: Scope, user: User) -> None:
    """Mail the user a link that proves the address."""
    token = await _make_link(scope, user, VERIFY)
    await mails.verify(scope, to=user.email, token=token, days=VALID_FOR.days)


async def remind(scope: Scope, user: User) -> None:
    """Tell the bearer of an address that it is signed up already, with a way back in."""
    token = await _make_link(scope, user, JOIN)
    tenant = await require_tenant(scope)
    await mails.already_registered(
        scope, to=user.email, organization=tenant.display_name, token=token
    )


async def accept(visit: Visit, acceptance: Acceptance) -> User:
    """Set the password of the invited user, who may sign in from now on.

    For a user who had a password, every session ends.
    Raises: NotFound: the link is unknown, used or expired. InvalidRequest: a weak password.
    """
    invited = await _peek(visit, acceptance.token)
    passwords.check_policy(
        acceptance.password, personal=(invited.email, acceptance.username or invited.username)
    )
    password_hash = await desk_of(visit.house).hash(acceptance.password)
    scope, user = await _redeem(visit, acceptance.token, JOIN)
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
    await _link_account(scope, user)
    return activated or user


async def verify_email(visit: Visit, verification: Verification) -> Success:
    """Note that the user's address is theirs.

    Raises: NotFound: the link is unknown, used or expired.
    """
    scope, user = await _redeem(visit, verification.token, VERIFY)
    await people.activate(scope.conn, scope.tenant_id, user.id, now=scope.now)
    await scope.emit(EmailVerified(user_id=user.id))
    await _link_account(scope, user)
    return Success(success=True)


async def _make_link(scope: Scope, user: User, purpose: str) -> str:
    token = opaque.new_token(scope.tenant_id)
    now = scope.now
    invitation = Invitation(
        tenant_id=scope.tenant_id,
        id=scope.new_id(),
        user_id=user.id,
        created_at=now,
        expires_at=now + VALID_FOR,
        accepted_at=None,
    )
    await people.insert_invitation(scope.conn, invitation, _hash(token, purpose))
    return token


def _hash(token: str, purpose: str) -> bytes:
    return hash_token(f"{purpose} {token}")


async def _peek(visit: Visit, token: str) -> User:
    """The invited user, before the price of a hash is paid for a made-up link."""
    tenant_id = opaque.tenant_of_token(token)
    if tenant_id is None:
        raise _no_link()
    async with visit.house.database.tenant(tenant_id) as conn:
        return await _require_invited(scope_in(visit, conn, tenant_id), token, JOIN)


async def _redeem(visit: Visit, token: str, purpose: str) -> tuple[Scope, User]:
    tenant_id = opaque.tenant_of_token(token)
    if tenant_id is None:
        raise _no_link()
    scope = await begin_visit(visit, Reason.SIGN_UP, tenant_id)
    user = await _require_invited(scope, token, purpose)
    await people.withdraw_invitations(scope.conn, tenant_id, user.id)
    return scope, user


async def _require_invited(scope: Scope, token: str, purpose: str) -> User:
    """The user a link was sent to. Raises: NotFound."""
    found = await people.lock_invitation(scope.conn, scope.tenant_id, _hash(token, purpose))
    if found is None or found.accepted_at is not None or found.expires_at <= scope.now:
        raise _no_link()
    user = await people.lock_user(scope.conn, scope.tenant_id, found.user_id)
    if user is None or user.status == "disabled":
        raise _no_link()
    return user


async def _link_account(scope: Scope, user: User) -> None:
    """Who proves an address that was proved before, in another tenant, is the same person."""
    digest = addresses.directory_hash(scope.house.vault, user.email)
    account_id = await lookup.find_verified_account(scope, digest, but=user)
    if account_id is not None and account_id != user.account_id:
        await lookup.join_account(scope, user, account_id, digest)


def _no_link() -> NotFound:
    return NotFound("This link is unknown, used or expired. Ask for a new one.")
