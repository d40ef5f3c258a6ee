"""Use cases of people coming and going."""

from collections.abc import Sequence
from uuid import UUID

from leanvibe_server.identity import lookup, mails, users
from leanvibe_server.identity.groups import service as groups
from leanvibe_server.identity.groups.giving import change_own_role
from leanvibe_server.identity.mfa.registry import forget_keys_of
from leanvibe_server.identity.models import User
from leanvibe_server.identity.people import repository as rows
from leanvibe_server.identity.people.events import (
    InvitationWithdrawn,
    OwnershipTransferred,
    UserDeleted,
)
from leanvibe_server.identity.people.models import Pending
from leanvibe_server.identity.people.schemas import (
    Handover,
    InvitationQuery,
    PersonView,
    UserQuery,
)
from leanvibe_server.identity.permissions import GUEST_FOR
from leanvibe_server.identity.repository import people
from leanvibe_server.identity.roles.service import require_grantable, require_over
from leanvibe_server.kernel.access import Permission, Role, lacking
from leanvibe_server.kernel.errors import Conflict, Forbidden, NotFound, invalid_field
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy.holds import require_no_hold
from leanvibe_server.tenancy.service import require_tenant

BY_AGE = ("created_at", "-created_at")


async def list_people(scope: Scope, query: UserQuery, page: PageRequest) -> list[PersonView]:
    """The people of the tenant that match, one more than the page shows.

    Raises: Forbidden: a question after second factors by somebody who may not change people.
        InvalidRequest: whoever the cursor names was removed, so their place is unknown.
    """
    if query.mfa is not None and Permission.USER_UPDATE not in scope.permissions:
        raise lacking(Permission.USER_UPDATE, scope.actor)
    if page.after is not None and query.sort not in BY_AGE:
        await _require_place(scope, page.after)
    found = await rows.list_page(
        scope.conn, scope.tenant_id, query, after=page.after, limit=page.limit + 1
    )
    return await _seen(scope, found)


async def require_person(scope: Scope, user_id: UUID) -> PersonView:
    """One person of the tenant. Raises: NotFound."""
    return (await _seen(scope, [await users.require_user(scope, user_id)]))[0]


async def _seen(scope: Scope, found: Sequence[User]) -> list[PersonView]:
    """People as the caller may see them: who lacks a second factor is not everybody's to know."""
    if Permission.USER_UPDATE not in scope.permissions:
        return [PersonView.seen(user, mfa_enabled=None) for user in found]
    ids = [user.id for user in found]
    enrolled = await rows.find_enrolled(scope.conn, scope.tenant_id, ids)
    return [PersonView.seen(user, mfa_enabled=user.id in enrolled) for user in found]


async def _require_place(scope: Scope, user_id: UUID) -> None:
    if await people.find_user(scope.conn, scope.tenant_id, user_id) is None:
        why = "names somebody who was removed meanwhile: begin the list anew"
        raise invalid_field("cursor", why, f"The cursor {why}.")


async def list_invited(scope: Scope, query: InvitationQuery, page: PageRequest) -> list[Pending]:
    """Who was invited, one more than the page shows; without a state, those still to come."""
    return await rows.list_invited(
        scope.conn,
        scope.tenant_id,
        state=query.state,
        now=scope.now,
        after=page.after,
        limit=page.limit + 1,
    )


async def withdraw_invitation(scope: Scope, user_id: UUID) -> None:
    """Take an invitation back: its links lead nowhere, and the place is free again.

    Raises: NotFound. Conflict: it was accepted. Forbidden: of somebody above one's own role.
    """
    user = await users.lock_person(scope, user_id)
    if user.status != "invited":
        raise Conflict("This user has accepted the invitation already, or is disabled.")
    await require_over(scope, *user.roles)
    await require_no_hold(scope, user.id)
    await rows.delete(scope.conn, scope.tenant_id, user.id)
    await lookup.forget_user(scope, user.id)
    await scope.emit(InvitationWithdrawn(user_id=user.id, email=user.email))


async def delete_user(scope: Scope, user_id: UUID) -> None:
    """Remove somebody with their sessions and keys. What they did stays in the log.

    Raises: NotFound. Forbidden: above one's own role. Conflict: oneself, or the last owner.
        OnLegalHold.
    """
    if user_id == scope.actor.id:
        raise Conflict("To leave the organisation yourself, use DELETE /v1/auth/me.")
    user = await _lock_leaver(scope, user_id)
    await require_over(scope, *user.roles)
    await _remove(scope, user, reason="removed by an administrator")


async def leave(scope: Scope) -> None:
    """Leave the organisation for good. Raises: Conflict: as its last owner. OnLegalHold."""
    if scope.actor.id is None:
        raise NotFound("No such user.")
    await _remove(scope, await _lock_leaver(scope, scope.actor.id), reason="left")


async def is_last_chief(scope: Scope) -> bool:
    """Whether the caller is the last one in charge, who cannot leave."""
    chief = users.chief(scope).value
    return [scope.actor.id] == await people.list_active_of_role(scope.conn, scope.tenant_id, chief)


async def hand_over(scope: Scope, handover: Handover) -> User:
    """Make somebody else the owner in one's own place; both are told by mail.

    Raises: Forbidden: not an owner in person. NotFound, Conflict: nobody who could be one.
    """
    own_id = scope.actor.id
    if scope.actor.kind != "user" or scope.actor.role != Role.OWNER or own_id is None:
        raise Forbidden("Only an owner, signed in, hands the organisation over.")
    kept = await require_grantable(scope, handover.keep_role, field="keep_role")
    if kept == Role.OWNER:
        raise Conflict("Name the role you keep afterwards: any but owner.")
    await people.lock_active_of_role(scope.conn, scope.tenant_id, Role.OWNER.value)
    heir = await people.lock_user(scope.conn, scope.tenant_id, handover.user_id)
    former = await people.lock_user(scope.conn, scope.tenant_id, own_id)
    if heir is None or heir.is_service or former is None:
        raise NotFound("No such user.")
    if former.role != Role.OWNER:
        raise Conflict("You have handed the organisation over already.")
    if heir.id == former.id or not heir.may_sign_in(scope.now):
        raise Conflict("The new owner must be somebody else, who may sign in.")
    for user, role in ((heir, Role.OWNER.value), (former, kept)):
        end = scope.now + GUEST_FOR if role == Role.GUEST else None
        await change_own_role(scope, user, role, expires_at=end)
    await scope.emit(OwnershipTransferred(user_id=heir.id, from_user_id=former.id, kept_role=kept))
    await _tell_handover(scope, heir, former)
    return await users.require_user(scope, heir.id)


async def _tell_handover(scope: Scope, heir: User, former: User) -> None:
    organization = (await require_tenant(scope)).display_name
    for user in (heir, former):
        await mails.ownership(
            scope, to=user.email, organization=organization, heir=heir.email, former=former.email
        )


async def _lock_leaver(scope: Scope, user_id: UUID) -> User:
    """The user, if the tenant stays in somebody's charge without them."""
    chief = users.chief(scope).value
    chiefs = await people.lock_active_of_role(scope.conn, scope.tenant_id, chief)
    user = await users.lock_person(scope, user_id)
    if chiefs == [user.id]:
        raise Conflict(
            f"This is the last active {user.role}. Make somebody else {user.role} first, or hand "
            "the organisation over with POST /v1/tenants/me/ownership."
        )
    return user


async def _remove(scope: Scope, user: User, *, reason: str) -> None:
    await require_no_hold(scope, user.id)
    await users.shut_out(scope, user, reason=reason)
    # A provisioning client that keeps the groups must see that they have changed.
    await groups.forget_member(scope, user.id)
    await forget_keys_of(scope, user.id)
    await rows.delete(scope.conn, scope.tenant_id, user.id)
    await lookup.forget_user(scope, user.id)
    await scope.emit(UserDeleted(user_id=user.id, email=user.email, role=user.role, reason=reason))
