"""Use cases of roles: make, change and delete them, and judge who may give which."""

from collections.abc import Sequence
from uuid import UUID

from leanvibe_server.identity.groups.giving import apply_roles
from leanvibe_server.identity.permissions import (
    ADMINISTRATIVE,
    GRANTABLE,
    GUEST_FOR,
    RANKS,
    covers,
    is_built_in,
    permissions_of,
    project_permissions_of,
)
from leanvibe_server.identity.roles import repository as rows
from leanvibe_server.identity.roles.events import RoleCreated, RoleDeleted, RoleUpdated
from leanvibe_server.identity.roles.models import MadeRole
from leanvibe_server.identity.roles.schemas import NewRole, RoleChange, RoleList, RoleView
from leanvibe_server.kernel.access import ROLE_PERMISSIONS, Permission, Role, require_fresh
from leanvibe_server.kernel.errors import Conflict, Forbidden, NotFound, invalid_field
from leanvibe_server.kernel.platform import PLATFORM_TENANT
from leanvibe_server.kernel.scope import Scope

MAX_ROLES = 100
MEANINGS = {
    Role.OWNER: "Everything in the organisation, its deletion included",
    Role.ADMIN: "Runs the organisation: people, roles, security",
    Role.MANAGER: "Runs projects and their members",
    Role.DEVELOPER: "Works on projects",
    Role.VIEWER: "Reads",
    Role.GUEST: "Reads projects for a limited time",
    Role.PLATFORM_ADMIN: "Runs the platform",
}


async def list_roles(scope: Scope) -> RoleList:
    """Every role of the tenant, with how many people have it."""
    people = await rows.count_people(scope.conn, scope.tenant_id)
    listed = [await _built_in(scope, role, people.get(role, 0)) for role in _built_ins(scope)]
    listed += [
        await _view(scope, role, people.get(role.name, 0))
        for role in await rows.list_roles(scope.conn, scope.tenant_id)
    ]
    return RoleList(data=listed)


async def assignable_roles(scope: Scope) -> list[str]:
    """The names of the roles the caller may give."""
    every = await _held_by_each(scope)
    return [name for name, held in every.items() if await _may_give(scope, name, held)]


async def _held_by_each(scope: Scope) -> dict[str, frozenset[str]]:
    """The permissions of every role of the tenant, by its name."""
    built_in = {role.value: permissions_of(role, None) for role in _built_ins(scope)}
    made = await rows.list_roles(scope.conn, scope.tenant_id)
    return built_in | {
        role.name: permissions_of(role.name, None, role.permissions) for role in made
    }


async def create_role(scope: Scope, new: NewRole) -> RoleView:
    """Make a role of permissions.

    Raises: InvalidRequest: an unknown permission. Forbidden: more than one's own, or one that
        reaches beyond the tenant. Conflict: the name is taken.
    """
    if scope.tenant_id == PLATFORM_TENANT:
        raise Forbidden("The platform's own tenant has one role only.")
    permissions = _require_permissions(scope, new.permissions)
    if is_built_in(new.name.replace("-", "_")):
        # Nor one that reads like a role of the product.
        raise _name_taken(new.name)
    if await rows.count(scope.conn, scope.tenant_id) >= MAX_ROLES:
        raise Conflict(f"There are {MAX_ROLES} roles already. Delete one you do not need.")
    role = MadeRole(
        tenant_id=scope.tenant_id,
        id=scope.new_id(),
        name=new.name,
        description=new.description,
        permissions=permissions,
        created_by=scope.actor.id,
        created_at=scope.now,
        updated_at=scope.now,
    )
    if not await rows.insert(scope.conn, role):
        raise _name_taken(new.name)
    await scope.emit(RoleCreated(role_id=role.id, role=role.name, permissions=permissions))
    return await _view(scope, role, 0)


async def change_role(scope: Scope, role_id: UUID, change: RoleChange) -> RoleView:
    """Change what a role permits; it holds for everybody of the role from the next request on.

    Raises: NotFound. InvalidRequest, Forbidden: as for a new one, and for a role that holds more
        than one's own already.
    """
    role = await _lock(scope, role_id)
    permissions = role.permissions
    if change.permissions is not None:
        permissions = _require_permissions(scope, change.permissions)
    updated = await rows.update(
        scope.conn,
        role,
        description=role.description if change.description is None else change.description,
        permissions=permissions,
        now=scope.now,
    )
    if updated is None:
        raise _no_role()
    await scope.emit(
        RoleUpdated(
            role_id=role.id,
            role=role.name,
            added=sorted(set(permissions) - set(role.permissions)),
            removed=sorted(set(role.permissions) - set(permissions)),
        )
    )
    people = await rows.count_people(scope.conn, scope.tenant_id)
    return await _view(scope, updated, people.get(role.name, 0))


async def delete_role(scope: Scope, role_id: UUID, replacement: str | None) -> None:
    """Remove a role. Who has it gets `replacement`.

    Raises: NotFound. Conflict: it is in use and no replacement was named. InvalidRequest,
        Forbidden: the replacement is no role here, or holds more than one's own.
    """
    role = await _lock(scope, role_id)
    uses = await rows.count_uses(scope.conn, scope.tenant_id, role.name)
    if any(uses.values()) and replacement is None:
        raise Conflict(
            f"{uses['people']} people have the role {role.name}, {uses['members']} have it on a "
            f"project, {uses['groups']} groups and {uses['providers']} identity providers give it. "
            "Say in `replacement` which role they get instead.",
            details={"field": "replacement", "in_use": uses},
        )
    if replacement is not None:
        if replacement == role.name:
            raise invalid_field(
                "replacement", "a role cannot replace itself", "A role cannot replace itself."
            )
        if replacement == Role.OWNER:
            raise Forbidden("Owners are made one by one, not by replacing a role.")
        replacement = await require_grantable(scope, replacement, field="replacement")
        holders = await rows.move(
            scope.conn,
            scope.tenant_id,
            role.name,
            to=replacement,
            now=scope.now,
            guests_until=scope.now + GUEST_FOR,
        )
        await apply_roles(scope, holders)
    await rows.delete(scope.conn, role)
    await scope.emit(
        RoleDeleted(role_id=role.id, role=role.name, replacement=replacement, people=uses["people"])
    )


async def count_uses(scope: Scope, role: str) -> dict[str, int]:
    """How many people, groups, members of projects and identity providers go by a role."""
    return await rows.count_uses(scope.conn, scope.tenant_id, role)


async def require_grantable(scope: Scope, name: str | None, *, field: str = "role") -> str:
    """The name of a role the caller may give to somebody here; developer when none is named.

    One may give what one holds oneself and no more. An API key gives what its person holds, but
    of what administrators do only what its own scopes name. Only an owner makes owners.
    Raises: InvalidRequest: there is no such role. Forbidden: it holds more than one's own.
        StepUpRequired: it is one of administrators, and the caller proved themselves too long ago.
    """
    in_platform = scope.tenant_id == PLATFORM_TENANT
    usual = Role.PLATFORM_ADMIN if in_platform else Role.DEVELOPER
    wanted = usual.value if name is None else name
    held = await _held_by(scope, wanted)
    if held is None or (wanted == Role.PLATFORM_ADMIN) != in_platform:
        raise invalid_field(field, f"must be one of {', '.join(await _held_by_each(scope))}")
    if not await _may_give(scope, wanted, held):
        raise Forbidden("You cannot give a role above your own.")
    if held & ADMINISTRATIVE and scope.actor.kind == "user":
        # Whoever finds an open browser makes no administrators with it.
        require_fresh(scope, Permission.USER_UPDATE)
    return wanted


async def require_over(scope: Scope, *roles: str) -> None:
    """Refuse who would change somebody whose roles may do more than they. Platform admins are let
    into a tenant to end something only, whosever it is.

    Raises: Forbidden.
    """
    held = await permissions_of_roles(scope, *roles)
    if _is_the_house(scope) or scope.actor.role == Role.PLATFORM_ADMIN:
        return
    if (Role.OWNER in roles and scope.actor.role != Role.OWNER) or not covers(
        await _own(scope), held
    ):
        raise Forbidden("You cannot change somebody whose role may do more than yours.")


async def require_administrator(scope: Scope, what: str) -> None:
    """Refuse who may not do, as a person, all that an administrator may: `what` would lead them to
    rights that they do not hold.

    Raises: Forbidden.
    """
    if not (_is_the_house(scope) or covers(await _own(scope), ROLE_PERMISSIONS[Role.ADMIN])):
        raise Forbidden(
            f"Only somebody with all the rights of an admin {what}: groups may make people admins."
        )


async def permissions_of_roles(scope: Scope, *roles: str) -> frozenset[str]:
    """What roles of the tenant permit together; one that is gone permits nothing."""
    nothing: frozenset[str] = frozenset()
    return nothing.union(*[await _held_by(scope, role) or nothing for role in roles])


async def project_permissions_of_role(scope: Scope, role: str) -> frozenset[str]:
    """What a role permits on a project it is given on; nothing where it is not for projects."""
    if is_built_in(role):
        return project_permissions_of(role)
    made = await rows.hold(scope.conn, scope.tenant_id, role)
    return frozenset() if made is None else project_permissions_of(role, made.permissions)


async def is_role(scope: Scope, name: str) -> bool:
    """Whether the tenant has a role of this name that can be given to its people."""
    return name != Role.PLATFORM_ADMIN and await _held_by(scope, name) is not None


async def _held_by(scope: Scope, role: str) -> frozenset[str] | None:
    """The permissions of a role, which then stays until this transaction ends."""
    if is_built_in(role):
        return permissions_of(role, None)
    made = await rows.hold(scope.conn, scope.tenant_id, role)
    return None if made is None else permissions_of(role, None, made.permissions)


async def _may_give(scope: Scope, role: str, held: frozenset[str]) -> bool:
    if _is_the_house(scope):
        return True
    if role == Role.OWNER and scope.actor.role != Role.OWNER:
        return False
    return covers(await _own(scope), held) and covers(scope.permissions, held & ADMINISTRATIVE)


async def _own(scope: Scope) -> frozenset[str]:
    """What the caller holds as a person; the scopes of a key do not count."""
    if scope.actor.kind == "user":
        return scope.permissions
    actor = scope.actor
    held = await permissions_of_roles(scope, actor.role or "", *actor.further_roles)
    return scope.permissions | held


def _is_the_house(scope: Scope) -> bool:
    return scope.actor.kind in ("system", "anonymous")


async def _lock(scope: Scope, role_id: UUID) -> MadeRole:
    role = await rows.lock(scope.conn, scope.tenant_id, role_id)
    if role is None:
        raise _no_role()
    if not covers(scope.permissions, permissions_of(role.name, None, role.permissions)):
        raise Forbidden("You cannot change a role that may do more than your own.")
    return role


def _require_permissions(scope: Scope, wanted: Sequence[str]) -> list[str]:
    """The permissions a role may be made of. Raises: InvalidRequest, Forbidden."""
    unknown = sorted(set(wanted) - set(Permission))
    if unknown:
        why = f"there is no permission {unknown[0]!r}"
        raise invalid_field("permissions", why, f"permissions: {why}.")
    beyond = sorted(set(wanted) - GRANTABLE)
    if beyond:
        raise Forbidden(
            f"{beyond[0]} reaches beyond the tenant: no role of yours can hold it.",
            details={"field": "permissions", "not_grantable": beyond},
        )
    if not covers(scope.permissions, frozenset(wanted)):
        withheld = sorted(set(wanted) - scope.permissions)
        raise Forbidden(
            f"You do not hold {', '.join(withheld)} yourself, so no role you make can.",
            details={"field": "permissions", "withheld": withheld},
        )
    return sorted(set(wanted) | {Permission.SELF.value})


def _built_ins(scope: Scope) -> tuple[Role, ...]:
    return (Role.PLATFORM_ADMIN,) if scope.tenant_id == PLATFORM_TENANT else RANKS


async def _built_in(scope: Scope, role: Role, people: int) -> RoleView:
    held = ROLE_PERMISSIONS[role]
    return RoleView(
        id=None,
        name=role.value,
        description=MEANINGS[role],
        built_in=True,
        permissions=sorted(held),
        users_count=people,
        assignable=await _may_give(scope, role, frozenset(held)),
        created_at=None,
        updated_at=None,
    )


async def _view(scope: Scope, role: MadeRole, people: int) -> RoleView:
    held = permissions_of(role.name, None, role.permissions)
    return RoleView.of(
        role,
        permissions=sorted(held),
        people=people,
        assignable=await _may_give(scope, role.name, held),
    )


def _name_taken(name: str) -> Conflict:
    return Conflict(f"There is a role {name} already.", details={"field": "name"})


def _no_role() -> NotFound:
    return NotFound("No such role.")
