"""Who the caller is."""

from leanvibe_server.identity.repository import sessions as session_rows
from leanvibe_server.identity.schemas import Identity, SessionView, TenantSummary
from leanvibe_server.identity.users import require_user
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy.service import require_tenant


async def describe_me(scope: Scope) -> Identity:
    """The caller's user, permissions, tenant and session."""
    if scope.actor.id is None:
        raise NotFound("No such user.")
    user = await require_user(scope, scope.actor.id)
    session_id = scope.actor.session_id
    session = (
        None
        if session_id is None
        else await session_rows.find_session(scope.conn, scope.tenant_id, session_id)
    )
    return Identity.from_row(
        user,
        is_active=user.active,
        email_verified=user.email_verified_at is not None,
        permissions=sorted(scope.permissions),
        tenant=TenantSummary.of(await require_tenant(scope)),
        session=None if session is None else SessionView.of(session, current=session_id),
    )
