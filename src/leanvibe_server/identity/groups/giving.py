"""What somebody may do in all: the role they have by themselves, and those of their groups.

Rights add up, as in directories: nobody loses any by joining a group. The highest role stands in
front; what it does not imply counts beside it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from leanvibe_server.identity.events import UserUpdated
from leanvibe_server.identity.groups import repository as rows
from leanvibe_server.identity.groups.events import MOST_NAMED, GroupRolesApplied
from leanvibe_server.identity.models import User
from leanvibe_server.identity.permissions import GUEST_FOR
from leanvibe_server.identity.repository import people
from leanvibe_server.kernel.scope import Scope


async def apply_roles(scope: Scope, ids: Sequence[UUID]) -> None:
    """Work out anew what these people may do, from their next request on."""
    applied = await rows.apply_roles(
        scope.conn,
        scope.tenant_id,
        ids,
        now=scope.now,
        guests_until=scope.now + GUEST_FOR,
    )
    for some in parts(applied):
        await scope.emit(GroupRolesApplied(roles={str(one): applied[one] for one in some}))


async def give_own_role(
    scope: Scope, user: User, role: str, *, expires_at: datetime | None, is_usual: bool = False
) -> User:
    """Give a locked user another role of their own; what their groups give stays beside it.

    `is_usual`: nobody chose it, so it counts only as long as no group gives one.
    """
    await people.set_role(
        scope.conn, user, role, expires_at=expires_at, is_usual=is_usual, now=scope.now
    )
    await apply_roles(scope, [user.id])
    return await people.find_user(scope.conn, scope.tenant_id, user.id) or user


async def change_own_role(
    scope: Scope, user: User, role: str, *, expires_at: datetime | None, is_usual: bool = False
) -> User:
    """As `give_own_role`; where it is another than before, the log says so."""
    if role != user.own:
        await scope.emit(UserUpdated(user_id=user.id, changed={"role": (user.own, role)}))
    return await give_own_role(scope, user, role, expires_at=expires_at, is_usual=is_usual)


def parts(ids: Iterable[UUID]) -> list[list[UUID]]:
    """The ids in parts that an event can hold."""
    every = list(ids)
    return [every[start : start + MOST_NAMED] for start in range(0, len(every), MOST_NAMED)]
