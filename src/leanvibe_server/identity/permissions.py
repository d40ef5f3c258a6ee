"""What a caller may do: the permissions of the role, and for a key those it was given."""

from collections.abc import Mapping, Sequence, Set
from datetime import timedelta
from functools import lru_cache

from leanvibe_server.kernel.access import (
    PROJECT_PERMISSIONS,
    PROJECT_ROLE_PERMISSIONS,
    READS,
    ROLE_PERMISSIONS,
    Permission,
    Role,
)

# From most to least; platform admins stand aside, in a tenant of their own.
RANKS = (Role.OWNER, Role.ADMIN, Role.MANAGER, Role.DEVELOPER, Role.VIEWER, Role.GUEST)

# A look behind the glass: what an owner may read, but nothing that is the owner's own.
BEHIND_GLASS = frozenset(
    (ROLE_PERMISSIONS[Role.OWNER] & READS) - {Permission.SELF, Permission.TENANT_DELETE}
)

# What a tenant may build its own roles of: all but what reaches beyond the tenant.
GRANTABLE = frozenset(Permission) - {Permission.TENANT_ADMIN, Permission.AUDIT_READ_ALL}

# What administrators do and others do not.
ADMINISTRATIVE = ROLE_PERMISSIONS[Role.OWNER] - ROLE_PERMISSIONS[Role.MANAGER]

# How long guests stay where nobody says.
GUEST_FOR = timedelta(days=30)

BUILT_IN = frozenset(role.value for role in Role)


def is_built_in(role: str) -> bool:
    """Whether every tenant has this role."""
    return role in BUILT_IN


def permissions_of(
    role: str,
    scopes: Sequence[str] | None,
    made: Sequence[str] | None = None,
    further: Sequence[str] = (),
) -> frozenset[str]:
    """The permissions of a role, and of `further` ones beside it; for an API key at most its
    scopes.

    `made` are those of the roles the tenant made itself. A role that is gone permits nothing.
    """
    return _permissions(
        (role, *further),
        None if scopes is None else tuple(scopes),
        None if made is None else tuple(made),
    )


@lru_cache(maxsize=4096)
def _permissions(
    roles: tuple[str, ...], scopes: tuple[str, ...] | None, made: tuple[str, ...] | None
) -> frozenset[str]:
    allowed: frozenset[str] = frozenset()
    if made is not None:
        # Everybody has an account and sessions of their own.
        allowed = (frozenset(made) & GRANTABLE) | {Permission.SELF}
    allowed = allowed.union(*(ROLE_PERMISSIONS[Role(role)] for role in roles if is_built_in(role)))
    return allowed if scopes is None else allowed & frozenset(scopes)


def project_permissions_of(role: str, made: Sequence[str] | None = None) -> frozenset[str]:
    """What a role permits on one project."""
    if is_built_in(role):
        return PROJECT_ROLE_PERMISSIONS.get(Role(role), frozenset())
    return frozenset(made or ()) & PROJECT_PERMISSIONS


def project_roles_of(
    roles: Mapping[str, Sequence[str] | None] | None, scopes: Sequence[str] | None
) -> dict[str, frozenset[str]]:
    """The roles somebody has on projects, with what each permits there."""
    return {
        role: held if scopes is None else held & frozenset(scopes)
        for role, made in (roles or {}).items()
        if (held := project_permissions_of(role, made))
    }


def covers(own: Set[str], wanted: Set[str]) -> bool:
    """Whether somebody with `own` permissions may give `wanted`: never more than they hold.

    Everybody has an account of their own, so that one is nobody's to give.
    """
    return wanted <= (own | {Permission.SELF})


def may_grant(granter: str | None, role: str) -> bool:
    """Whether somebody of one built-in role may give another: never more than their own.

    `granter` is None for the house itself. Roles a tenant made are judged by
    `roles.service.require_grantable`.
    """
    if granter is None or granter == Role.PLATFORM_ADMIN:
        return True
    if role == Role.PLATFORM_ADMIN or not (is_built_in(granter) and is_built_in(role)):
        return False
    return RANKS.index(Role(granter)) <= RANKS.index(Role(role))
