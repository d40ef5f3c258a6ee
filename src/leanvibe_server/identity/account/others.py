"""Sessions: one's own everywhere, and those of the people one looks after."""

from uuid import UUID

from leanvibe_server.identity.account.schemas import EndedSessions, SignOutEverywhere
from leanvibe_server.identity.models import Session, User
from leanvibe_server.identity.moving import end_moved
from leanvibe_server.identity.roles.service import require_over
from leanvibe_server.identity.schemas import SessionList, SessionView, Success
from leanvibe_server.identity.sessions import end_all, end_session, list_live
from leanvibe_server.identity.users import require_user
from leanvibe_server.kernel.access import require_signed_in
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.scope import Scope


async def sign_out_everywhere(scope: Scope, wish: SignOutEverywhere) -> EndedSessions:
    """End every session of the caller, the one at hand too unless it is to be kept.

    Raises: Forbidden: a key has no sessions.
    """
    user_id, session_id = require_signed_in(scope.actor)
    keep = session_id if wish.keep_current else None
    user = await require_user(scope, user_id)
    ended = await end_all(scope, user.id, reason="signed out everywhere", keep=keep)
    ended += await end_moved(scope, user, reason="signed out everywhere")
    return EndedSessions(success=True, ended=ended)


async def describe_sessions(scope: Scope, user_id: UUID) -> SessionList:
    """The live sessions of one person of the tenant. Raises: NotFound."""
    user = await require_user(scope, user_id)
    return SessionList(
        data=[SessionView.of(s, current=None) for s in await sessions_of(scope, user)]
    )


async def sessions_of(scope: Scope, user: User) -> list[Session]:
    """The live sessions of a user, oldest first."""
    return await list_live(scope, user.id, role=user.role)


async def end_one(scope: Scope, user_id: UUID, session_id: UUID) -> Success:
    """End one session of a person. Raises: NotFound. Forbidden: their role is above one's own."""
    user = await _require_below(scope, user_id)
    if session_id not in {session.id for session in await sessions_of(scope, user)}:
        raise NotFound("No such session.")
    await end_session(scope, session_id, reason="ended by an administrator")
    return Success(success=True)


async def end_every(scope: Scope, user_id: UUID) -> EndedSessions:
    """End every session of a person. Raises: NotFound. Forbidden: as `end_one`."""
    user = await _require_below(scope, user_id)
    ended = await end_all(scope, user.id, reason="ended by an administrator")
    return EndedSessions(success=True, ended=ended)


async def _require_below(scope: Scope, user_id: UUID) -> User:
    user = await require_user(scope, user_id)
    await require_over(scope, *user.roles)
    return user
