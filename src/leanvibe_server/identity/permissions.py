"""What a caller may do: the permissions of the role, and for a key those it was given."""

from collections.abc import Sequence
from functools import lru_cache

from leanvibe_server.kernel.access import READS, ROLE_PERMISSIONS, Permission, Role

# From most to least; platform admins stand aside, in a tenant of their own.
RANKS = (Role.OWNER, Role.ADMIN, Role.MANAGER, Role.DEVELOPER, Role.VIEWER, Role.GUEST)

# A look behind the glass: what an owner may read, but nothing that is the owner's own.
BEHIND_GLASS = frozenset((ROLE_PERMISSIONS[Role.OWNER] & READS) - {Permission.SELF})


def permissions_of(role: str, scopes: Sequence[str] | None) -> frozenset[str]:
    """The permissions of a role, for an API key at most its scopes."""
    return _permissions(role, None if scopes is None else tuple(scopes))


@lru_cache(maxsize=4096)
def _permissions(role: str, scopes: tuple[str, ...] | None) -> frozenset[str]:
    allowed = ROLE_PERMISSIONS[Role(role)]
    return allowed if scopes is None else allowed & frozenset(scopes)


def may_grant(granter: str | None, role: str) -> bool:
    """Whether somebody of one role may give another: never more than their own.

    `granter` is None for the house itself.
    """
    if granter is None or granter == Role.PLATFORM_ADMIN:
        return True
    if role == Role.PLATFORM_ADMIN:
        return False
    return RANKS.index(Role(granter)) <= RANKS.index(Role(role))
