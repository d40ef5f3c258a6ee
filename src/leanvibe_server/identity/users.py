"""The people of a tenant: add, change, disable."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from leanvibe_server.entitlements.service import require_room
from leanvibe_server.identity import addresses, invitations, lineage, lookup, passwords
from leanvibe_server.identity.account.links import EMAIL, RESET, VERIFY
from leanvibe_server.identity.events import UserCreated, UserUpdated
from leanvibe_server.identity.groups.giving import give_own_role
from leanvibe_server.identity.models import User
from leanvibe_server.identity.passwords import desk_of
from leanvibe_server.identity.permissions import GUEST_FOR
from leanvibe_server.identity.policy import policy_of
from leanvibe_server.identity.repository import account as account_rows
from leanvibe_server.identity.repository import people as rows
from leanvibe_server.identity.roles.service import require_grantable, require_over
from leanvibe_server.identity.schemas import NewUser, UserChange
from leanvibe_server.identity.sessions import end_all
from leanvibe_server.kernel.access import ROLE_PERMISSIONS, Permission, Role, lacking
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import Conflict, NotFound, invalid_field
from leanvibe_server.kernel.platform import PLATFORM_TENANT
from leanvibe_server.kernel.scope import Scope

# Access that ends by itself must end while somebody still remembers why it was given.
LONGEST_GUEST = timedelta(days=366)
LINKS = (RESET, VERIFY, EMAIL)
# A letter to all who hold a right goes to so many at most.
MAX_ADDRESSES = 50


async def add_user(scope: Scope, new: NewUser) -> User:
    """Add a person to the tenant: with a password at once, without one by invitation.

    Raises: QuotaExceeded, Forbidden: a role above one's own. Conflict: the address is taken here.
        RateLimited: the address was invited too often.
    """
    role = await require_grantable(scope, new.role)
    email = addresses.require_address(new.email)
    password_hash = None
    if new.password is not None:
        policy = await policy_of(scope)
        passwords.check_policy(
            new.password,
            personal=(email, new.username or ""),
            min_length=policy.shortest_password,
        )
        password_hash = await desk_of(scope.house).hash(new.password)
    await require_room(scope, "users", count=count_users)
    end = _end_of_access(scope.now, role, new.expires_at)
    if await rows.find_user_by_email(scope.conn, scope.tenant_id, email) is not None:
        if not _may_know(scope):
            return _new_user(scope, email, new.username, password_hash, role, expires_at=end)
        raise Conflict("Somebody with this e-mail is here already.", details={"field": "email"})
    if password_hash is None:
        await invitations.require_patience(scope, email)
    user = await insert_user(
        scope,
        email=email,
        username=new.username,
        password_hash=password_hash,
        role=role,
        verified=False,
        expires_at=end,
    )
    if password_hash is None:
        await invitations.invite(scope, user, days=new.invitation_days)
    return user


def _may_know(scope: Scope) -> bool:
    """Whether the caller may learn who is here. Others get the same answer for somebody new and
    for somebody who is here, in which case nothing is done."""
    return scope.actor.kind == "system" or Permission.USER_READ in scope.permissions


async def insert_user(
    scope: Scope,
    *,
    email: str,
    username: str | None,
    password_hash: str | None,
    role: str,
    verified: bool,
    expires_at: datetime | None = None,
    account_id: UUID | None = None,
) -> User:
    """Add the row of a user, who is invited until there is a password, and tell it."""
    user = _new_user(
        scope,
        email,
        username,
        password_hash,
        role,
        verified=verified,
        expires_at=expires_at,
        account_id=account_id,
    )
    digest = addresses.directory_hash(scope.house.vault, email)
    await lookup.note_user(scope, user, digest)
    await rows.insert_user(scope.conn, user, digest)
    await scope.emit(
        UserCreated(user_id=user.id, email=user.email, role=user.role, status=user.status)
    )
    return user


def _new_user(
    scope: Scope,
    email: str,
    username: str | None,
    password_hash: str | None,
    role: str,
    *,
    verified: bool = False,
    expires_at: datetime | None = None,
    account_id: UUID | None = None,
) -> User:
    now = scope.now
    return User(
        tenant_id=scope.tenant_id,
        id=scope.new_id(),
        account_id=account_id or scope.new_id(),
        email=email,
        username=username or email.partition("@")[0][:64],
        password_hash=password_hash,
        role=str(role),
        status="invited" if password_hash is None else "active",
        email_verified_at=now if verified else None,
        expires_at=expires_at,
        last_login_at=None,
        created_at=now,
        updated_at=now,
    )


async def require_user(scope: Scope, user_id: UUID) -> User:
    """A person of the tenant. Raises: NotFound."""
    user = await rows.find_user(scope.conn, scope.tenant_id, user_id)
    if user is None:
        raise NotFound("No such user.")
    return user


async def lock_person(scope: Scope, user_id: UUID) -> User:
    """A person of the tenant, whom nobody else changes until this transaction ends.

    Raises: NotFound: there is none, or it is a service account.
    """
    user = await rows.lock_user(scope.conn, scope.tenant_id, user_id)
    if user is None or user.is_service:
        raise NotFound("No such user.")
    return user


async def require_user_by_email(scope: Scope, email: str) -> User:
    """The person of the tenant with this address. Raises: InvalidRequest: there is none."""
    user = await rows.find_user_by_email(scope.conn, scope.tenant_id, addresses.normalise(email))
    if user is None:
        raise invalid_field(
            "email", "nobody here has it", "Nobody here has this e-mail. Invite them first."
        )
    return user


async def find_users(scope: Scope, user_ids: Sequence[UUID]) -> dict[UUID, User]:
    """Those of the named people who are in the tenant."""
    found = await rows.find_many(scope.conn, scope.tenant_id, user_ids)
    return {user.id: user for user in found}


async def count_users(scope: Scope) -> int:
    """How many people have a place in the tenant: all but the disabled."""
    return await rows.count_users(scope.conn, scope.tenant_id)


async def tally_users(
    conn: Connection, tenant_ids: Sequence[UUID], now: datetime
) -> dict[UUID, int]:
    """How many people have a place in each of several tenants. Needs the platform's login."""
    return await rows.tally_users(conn, tenant_ids)


async def change_user(scope: Scope, user_id: UUID, change: UserChange) -> User:
    """Change name, role, status or the end of access. What is refused is refused from now on,
    also to sessions and keys that exist.

    Raises: NotFound, Forbidden: above one's own role. Conflict: the last owner would be gone.
    """
    if Permission.USER_UPDATE not in scope.permissions and not change.only_disables:
        raise lacking(Permission.USER_UPDATE, scope.actor)
    # Always before the user's own row: two owners who change each other then queue here.
    chiefs = await rows.lock_active_of_role(scope.conn, scope.tenant_id, chief(scope).value)
    user = await lock_person(scope, user_id)
    await require_over(scope, *user.roles)
    role = user.own
    if change.role is not None and change.role != role:
        role = await require_grantable(scope, change.role)
    status = _next_status(user, change.status)
    end = _changed_end(scope.now, user, role, change)
    if status == "active" and end is not None and end <= scope.now:
        raise invalid_field("expires_at", "is past: name a new end")
    if chiefs == [user.id] and not (role == chief(scope) and status == "active"):
        raise Conflict(
            f"This is the last active {user.role}. Make somebody else {user.role} first."
        )
    if user.status == "disabled" and status != "disabled":
        await require_room(scope, "users", count=count_users)
    updated = await rows.update_user(
        scope.conn,
        user,
        username=await _next_name(scope, user, change.username),
        status=status,
        expires_at=end,
        now=scope.now,
    )
    if updated is None:
        raise NotFound("No such user.")
    if status == "disabled" and user.status != "disabled":
        await shut_out(scope, user, reason="user disabled")
    await _tell_change(scope, user, updated, role=role)
    if role != user.own:
        return await give_own_role(scope, updated, role, expires_at=end)
    return updated


async def rename(scope: Scope, user: User, username: str) -> None:
    """Give a locked user another name. Raises: Conflict: a directory keeps it."""
    renamed = await rows.update_user(
        scope.conn,
        user,
        username=await _next_name(scope, user, username),
        status=user.status,
        expires_at=user.expires_at,
        now=scope.now,
    )
    if renamed is not None:
        await _tell_change(scope, user, renamed, role=user.own)


async def is_name_provisioned(scope: Scope, user: User) -> bool:
    """Whether a provisioning client says what the user is called: it would undo any other name."""
    return await rows.is_name_provisioned(scope.conn, scope.tenant_id, user.id, now=scope.now)


async def _next_name(scope: Scope, user: User, wanted: str | None) -> str:
    if wanted is None or wanted == user.username:
        return user.username
    if await is_name_provisioned(scope, user):
        raise Conflict(
            "This name is kept by your organisation's directory, by SCIM. Change it there.",
            details={"field": "username", "reason": "name_provisioned"},
        )
    return wanted


async def invite_again(scope: Scope, user_id: UUID) -> User:
    """Send a fresh invitation to somebody who has not accepted one yet.

    Raises: NotFound, Forbidden: above one's own role. Conflict: it was accepted. RateLimited.
    """
    user = await require_user(scope, user_id)
    await require_over(scope, *user.roles)
    if user.status != "invited":
        raise Conflict("This user has accepted an invitation already, or is disabled.")
    if user.expires_at is not None and user.expires_at <= scope.now:
        raise Conflict("Their access has ended: name a new end first.")
    await invitations.require_patience(scope, user.email)
    await rows.withdraw_invitations(scope.conn, scope.tenant_id, user.id)
    await invitations.invite(scope, user)
    return user


def _next_status(user: User, wanted: str | None) -> str:
    if wanted is None:
        return user.status
    if wanted not in ("active", "disabled"):
        raise invalid_field("status", "active or disabled", "status must be active or disabled.")
    if wanted == "active" and user.password_hash is None:
        return "invited"
    return wanted


def chief(scope: Scope) -> Role:
    """The role without which a tenant, or the platform, would have nobody in charge."""
    return Role.PLATFORM_ADMIN if scope.tenant_id == PLATFORM_TENANT else Role.OWNER


async def shut_out(scope: Scope, user: User, *, reason: str) -> None:
    """End every session and key of a user, and the links that were mailed to them: none leads in
    again, should the user be let in later. Owners learn what the user made that goes on."""
    await end_all(scope, user.id, reason=reason)
    await rows.withdraw_invitations(scope.conn, scope.tenant_id, user.id)
    await account_rows.withdraw_links(scope.conn, scope.tenant_id, user.id, LINKS)
    await lineage.end_keys_of(scope, user, reason=reason)
    await lineage.tell_owners(scope, user)


async def _tell_change(scope: Scope, before: User, after: User, *, role: str) -> None:
    changed = {
        name: (str(getattr(before, name)), str(getattr(after, name)))
        for name in ("username", "status", "expires_at")
        if getattr(before, name) != getattr(after, name)
    }
    if before.own != role:
        changed["role"] = (before.own, role)
    if changed:
        await scope.emit(UserUpdated(user_id=after.id, changed=changed))


def _end_of_access(now: datetime, role: str, wanted: datetime | None) -> datetime | None:
    if wanted is not None and wanted <= now:
        raise invalid_field("expires_at", "must be in the future")
    if wanted is not None and role == Role.GUEST and wanted > now + LONGEST_GUEST:
        raise invalid_field(
            "expires_at", f"is too far for a guest: {LONGEST_GUEST.days} days at a time"
        )
    if wanted is not None and role in (Role.OWNER, Role.PLATFORM_ADMIN):
        raise invalid_field(
            "expires_at", f"cannot be set for the role {role}: somebody must stay in charge"
        )
    return wanted or (now + GUEST_FOR if role == Role.GUEST else None)


def _changed_end(now: datetime, user: User, role: str, change: UserChange) -> datetime | None:
    """A guest's access ends; it goes on when the guest becomes somebody."""
    if "expires_at" in change.model_fields_set and change.expires_at is None:
        if role == Role.GUEST:
            raise invalid_field("expires_at", "is needed for a guest")
        return None
    if change.expires_at is None and role == user.own:
        return user.expires_at
    return _end_of_access(now, role, change.expires_at)


async def list_addresses_holding(scope: Scope, permission: Permission) -> list[str]:
    """The addresses of the active people who hold a permission in the whole tenant."""
    roles = [role.value for role, held in ROLE_PERMISSIONS.items() if permission in held]
    return await rows.list_addresses_holding(
        scope.conn, scope.tenant_id, permission, roles, now=scope.now, limit=MAX_ADDRESSES
    )
