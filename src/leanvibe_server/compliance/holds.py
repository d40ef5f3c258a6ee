"""Legal holds: what a claim or an inquiry needs is kept until somebody says that it may go."""

from uuid import UUID

from leanvibe_server.compliance import repository
from leanvibe_server.compliance.events import HoldLifted, HoldPlaced
from leanvibe_server.compliance.models import Hold
from leanvibe_server.compliance.schemas import NewHold
from leanvibe_server.identity import users
from leanvibe_server.kernel.errors import Conflict, Forbidden, NotFound
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.scope import Scope


async def place(scope: Scope, new: NewHold) -> Hold:
    """Keep everything of a person, or of the whole tenant, from being erased.

    Erasure, removal, the end of retention periods and the deletion of the tenant are refused
    until the hold is lifted.

    Raises: NotFound: no such person. Conflict: a hold stands already.
    Source: GDPR Art. 17(3)(e).
    """
    if new.user_id is not None:
        await users.require_user(scope, new.user_id)
    hold = Hold(
        tenant_id=scope.tenant_id,
        id=scope.new_id(),
        user_id=new.user_id,
        reason=new.reason,
        placed_by=scope.actor.id,
        placed_at=scope.now,
    )
    if not await repository.add_hold(scope.conn, hold):
        raise Conflict("A legal hold stands here already. Lift it first to give another reason.")
    await scope.emit(HoldPlaced(hold_id=hold.id, user_id=hold.user_id, reason=hold.reason))
    return hold


async def lift(scope: Scope, hold_id: UUID, reason: str) -> None:
    """Let what a hold kept be erased again.

    Raises: NotFound. Forbidden: it keeps the data of the caller themselves.
    """
    hold = await repository.lift_hold(scope.conn, scope.tenant_id, hold_id)
    if hold is None:
        raise NotFound("No such legal hold.")
    if hold.user_id is not None and hold.user_id == scope.actor.id:
        raise Forbidden("Have somebody else lift the hold on your own data.")
    await scope.emit(HoldLifted(hold_id=hold.id, user_id=hold.user_id, reason=reason))


async def list_holds(scope: Scope, page: PageRequest) -> list[Hold]:
    """The holds that stand, newest first, one more than the page shows."""
    return await repository.list_holds(
        scope.conn, scope.tenant_id, after=page.after, limit=page.limit + 1
    )
