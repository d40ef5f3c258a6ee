"""People, kept in step with an identity provider.

A provisioning client adds, changes and takes out people, but never decides what they may do: roles
come from the groups that the tenant's admins gave one. Owners keep their address, and the last
one stays, so that nobody who holds a token can take the tenant from them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from leanvibe_server.entitlements.service import require_room
from leanvibe_server.identity import addresses, mails, users
from leanvibe_server.identity.account.emails import leave_account
from leanvibe_server.identity.events import UserUpdated
from leanvibe_server.identity.groups import service as groups
from leanvibe_server.identity.groups.giving import change_own_role
from leanvibe_server.identity.models import User
from leanvibe_server.identity.repository import people as user_rows
from leanvibe_server.identity.scim import repository as rows
from leanvibe_server.identity.scim.cleaning import clean_user
from leanvibe_server.identity.scim.conditions import USERS
from leanvibe_server.identity.scim.entrance import Provisioner
from leanvibe_server.identity.scim.errors import invalid, not_unique
from leanvibe_server.identity.scim.events import UserDeprovisioned, UserProvisioned
from leanvibe_server.identity.scim.lists import ListQuery, View, question_of
from leanvibe_server.identity.scim.models import Provisioned
from leanvibe_server.identity.scim.patching import apply, read_operations
from leanvibe_server.identity.scim.replies import NO_CONTENT, NOT_MODIFIED, Reply
from leanvibe_server.identity.scim.resources import (
    attributes_of,
    list_resource,
    user_resource,
    user_version,
)
from leanvibe_server.identity.scim.versions import check_match, is_known
from leanvibe_server.kernel.access import Role
from leanvibe_server.kernel.errors import Forbidden, InvalidRequest, NotFound
from leanvibe_server.kernel.scope import Scope

# What somebody may do whose groups give no role.
USUAL_ROLE = Role.DEVELOPER
OWN = frozenset({"userName", "active", "externalId"})
MAX_NAME = 254


@dataclass(frozen=True)
class Face:
    """What a client says of a person, sorted: for the user, and for the profile."""

    name: str
    email: str
    username: str
    active: bool
    external_id: str | None
    attributes: dict[str, Any]


async def create(caller: Provisioner, body: Mapping[str, Any], view: View) -> Reply:
    """Add a person, who signs in by single sign-on, or sets a password by a mailed link.

    Raises: InvalidRequest. Conflict: the name or the address is taken. QuotaExceeded.
    """
    scope, face = caller.scope, _face(clean_user(body))
    await _require_free(scope, UUID(int=0), face)
    known = await rows.find_deprovisioned(scope.conn, scope.tenant_id, face.email)
    # Others who add people wait here, so a second look says for sure.
    if face.active:
        await require_room(scope, "users", count=users.count_users)
    await _require_free(scope, UUID(int=0), face)
    if known is None:
        user = await users.insert_user(
            scope,
            email=face.email,
            username=face.username,
            password_hash=None,
            role=USUAL_ROLE,
            verified=False,
        )
    else:
        user = await _lock(scope, known)
    await _write(scope, await _take_usual_role(scope, user), face)
    person = await _require(scope, user.id)
    await _tell(scope, None, person)
    return await _reply(caller, person, view, status=201)


async def get(caller: Provisioner, user_id: UUID, view: View) -> Reply:
    """One person. Raises: NotFound."""
    person = await _require(caller.scope, user_id)
    if is_known(caller, user_version(person)):
        return Reply(NOT_MODIFIED, None, {"ETag": user_version(person)})
    return await _reply(caller, person, view)


async def find(caller: Provisioner, query: ListQuery) -> Reply:
    """The people a filter leaves. Raises: InvalidRequest."""
    scope, question = caller.scope, question_of(query, USERS)
    total, found = await rows.list_people(scope.conn, scope.tenant_id, question)
    projection = query.projection()
    memberships = await rows.groups_of(
        scope.conn, scope.tenant_id, [one.id for one in found] if projection.wants("groups") else []
    )
    shown = [
        projection.cut(
            user_resource(one, caller.base, [m for m in memberships if m.owner_id == one.id])
        )
        for one in found
    ]
    return Reply(200, list_resource(shown, total=total, start=question.start))


async def replace(caller: Provisioner, user_id: UUID, body: Mapping[str, Any], view: View) -> Reply:
    """Say anew all there is to say of a person. Without `active` that stays as it is.

    Raises: NotFound, InvalidRequest, Conflict, PreconditionFailed.
    """
    sent = clean_user(body)
    return await _change(caller, user_id, view, lambda _: sent)


async def patch(caller: Provisioner, user_id: UUID, body: Mapping[str, Any], view: View) -> Reply:
    """Change some of what is known of a person. Raises: as `replace`."""
    operations = read_operations(body)
    return await _change(caller, user_id, view, lambda before: apply(before, operations))


async def delete(caller: Provisioner, user_id: UUID) -> Reply:
    """Take a person out: disabled, with sessions and keys ended, in this very transaction. They
    are gone for clients; the tenant's admins still see them.

    Raises: NotFound. Forbidden: the last owner. PreconditionFailed.
    """
    scope = caller.scope
    chiefs = await user_rows.lock_active_of_role(scope.conn, scope.tenant_id, Role.OWNER)
    user = await _lock(scope, user_id)
    person = await _require(scope, user_id)
    check_match(caller, user_version(person))
    _check_last_owner(chiefs, user)
    await groups.leave_all(scope, user.id)
    user = await _lock(scope, user_id)
    await _set(scope, user, email=user.email, username=user.username, status="disabled")
    await rows.deprovision(scope.conn, scope.tenant_id, user.id, now=scope.now)
    await scope.emit(UserDeprovisioned(user_id=user.id))
    return Reply(NO_CONTENT)


async def _change(caller: Provisioner, user_id: UUID, view: View, change: Any) -> Reply:
    scope = caller.scope
    # Always before the user's own row, as everywhere that an owner may go.
    chiefs = await user_rows.lock_active_of_role(scope.conn, scope.tenant_id, Role.OWNER)
    user = await _lock(scope, user_id)
    before = await _require(scope, user_id)
    check_match(caller, user_version(before))
    face = _face(clean_user(change(attributes_of(before))), keeping=before)
    if not face.active:
        _check_last_owner(chiefs, user)
    if user.role == Role.OWNER and face.email != user.email:
        raise Forbidden("The address of an owner is changed by the owner, not by provisioning.")
    if (face.name.lower(), face.email) != (before.name.lower(), before.email):
        await _require_free(scope, user.id, face)
    if face.active and not before.active:
        await require_room(scope, "users", count=users.count_users)
    await _write(scope, user, face)
    after = await _require(scope, user_id)
    await _tell(scope, before, after)
    return await _reply(caller, after, view)


async def _take_usual_role(scope: Scope, user: User) -> User:
    """The role of who was just provisioned, unless their groups give others."""
    role = USUAL_ROLE.value
    end = user.expires_at if user.own == role else None
    return await change_own_role(scope, user, role, expires_at=end, is_usual=True)


async def _write(scope: Scope, user: User, face: Face) -> None:
    """Write a face to a user's row and to the profile."""
    status = user.status
    if not face.active:
        status = "disabled"
    elif status != "active":
        # Whom a client brings needs no invitation: the provider vouches for them.
        status = "active"
    await _set(scope, user, email=face.email, username=face.username, status=status)
    await rows.keep_profile(
        scope.conn,
        user,
        name=face.name,
        external_id=face.external_id,
        attributes=face.attributes,
        now=scope.now,
    )


async def _set(scope: Scope, user: User, *, email: str, username: str, status: str) -> None:
    await rows.set_user(
        scope.conn, user, email=email, username=username, status=status, now=scope.now
    )
    if email != user.email:
        digest = addresses.directory_hash(scope.house.vault, email)
        await rows.set_directory(scope.conn, user, digest)
        await leave_account(scope, user, digest)
        await mails.address_changed(scope, to=user.email, now_at=email)
    if status == "disabled" and user.status != "disabled":
        await users.shut_out(scope, user, reason="user deprovisioned")
    if status != user.status:
        changed = {"status": (user.status, status)}
        await scope.emit(UserUpdated(user_id=user.id, changed=changed))


async def _tell(scope: Scope, before: Provisioned | None, after: Provisioned) -> None:
    old = {} if before is None else attributes_of(before)
    new = attributes_of(after)
    fields = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if fields:
        await scope.emit(UserProvisioned(user_id=after.id, fields=fields))


def _face(attributes: dict[str, Any], *, keeping: Provisioned | None = None) -> Face:
    """Raises: InvalidRequest: no name, or no address at which the person gets mail."""
    name = attributes.get("userName")
    if not isinstance(name, str) or not name.strip():
        raise invalid("invalidValue", "userName is required.")
    if len(name) > MAX_NAME:
        raise invalid("invalidValue", f"userName is longer than {MAX_NAME} characters.")
    return Face(
        name=name.strip(),
        email=_email(name, attributes.get("emails") or [], keeping),
        username=_username(attributes) or name.strip()[:64],
        # Who was set inactive does not come back because a client forgets to say so.
        active=attributes.get("active", True if keeping is None else keeping.active),
        external_id=attributes.get("externalId"),
        attributes={key: value for key, value in attributes.items() if key not in OWN},
    )


def _email(name: str, emails: Sequence[Mapping[str, Any]], keeping: Provisioned | None) -> str:
    """The user's address: the name where it is one, else the primary, the one at work, the first,
    or the one there was."""
    try:
        return addresses.require_address(name, field="userName")
    except InvalidRequest:
        ranked = sorted(
            (one for one in emails if one.get("value")),
            key=lambda one: (one.get("primary") is not True, one.get("type") != "work"),
        )
    if ranked:
        try:
            return addresses.require_address(ranked[0]["value"], field="emails")
        except InvalidRequest as error:
            raise invalid("invalidValue", error.message) from None
    if keeping is not None:
        return keeping.email
    raise invalid("invalidValue", "userName must be an e-mail address, or emails must hold one.")


def _username(attributes: Mapping[str, Any]) -> str | None:
    """What other people read: the displayed name, or what the parts of the name make."""
    parts = attributes.get("name") or {}
    joined = " ".join(p for p in (parts.get("givenName"), parts.get("familyName")) if p)
    shown = attributes.get("displayName") or parts.get("formatted") or joined
    plain = " ".join("".join(c if c.isprintable() else " " for c in shown or "").split())
    return plain[:64] or None


async def _require_free(scope: Scope, user_id: UUID, face: Face) -> None:
    taken = await rows.has_namesake(
        scope.conn, scope.tenant_id, user_id, name=face.name, email=face.email
    )
    if taken or await _is_service(scope, face.email):
        raise not_unique("Somebody with this userName or address is here already.")


async def _is_service(scope: Scope, email: str) -> bool:
    user = await user_rows.find_user_by_email(scope.conn, scope.tenant_id, email)
    return user is not None and user.is_service


def _check_last_owner(chiefs: Sequence[UUID], user: User) -> None:
    if list(chiefs) == [user.id]:
        raise Forbidden("This is the last active owner. Make somebody else owner first.")


async def _lock(scope: Scope, user_id: UUID) -> User:
    user = await user_rows.lock_user(scope.conn, scope.tenant_id, user_id)
    if user is None:
        raise _nobody()
    return user


async def _require(scope: Scope, user_id: UUID) -> Provisioned:
    person = await rows.find_person(scope.conn, scope.tenant_id, user_id)
    if person is None:
        raise _nobody()
    return person


def _nobody() -> NotFound:
    return NotFound("No such user.")


async def _reply(
    caller: Provisioner, person: Provisioned, view: View, *, status: int = 200
) -> Reply:
    scope = caller.scope
    memberships = await rows.groups_of(scope.conn, scope.tenant_id, [person.id])
    resource = user_resource(person, caller.base, memberships)
    return Reply.of(resource, shown=view.projection().cut(resource), status=status)
