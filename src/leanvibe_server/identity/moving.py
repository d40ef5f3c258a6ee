"""Sessions that moved to another tenant: what a person ends here ends them too.

They were opened with the password of the user they came from, so whoever stole that must not
outlive it by moving on.
"""

from dataclasses import replace
from uuid import UUID

from leanvibe_server.identity import lookup
from leanvibe_server.identity.models import User
from leanvibe_server.identity.sessions import end_session, list_live
from leanvibe_server.kernel.platform import Reason, across_tenants
from leanvibe_server.kernel.scope import Scope

MAX_TENANTS = 100


def moved_from(user_id: UUID) -> str:
    """What a session bears that began with the password of a user of another tenant."""
    return f"moved from {user_id}"


async def end_moved(scope: Scope, user: User, *, reason: str) -> int:
    """End the sessions in other tenants that began with this user's password; how many."""
    ended = 0
    known = await lookup.list_of_account(scope.house, user.account_id, limit=MAX_TENANTS)
    for other in known.require_whole():
        tenant_id = other.user.tenant_id
        if tenant_id == scope.tenant_id:
            continue
        async with across_tenants(scope.house.database, Reason.SWITCH_TENANT, tenant_id) as conn:
            there = replace(scope, conn=conn, tenant_id=tenant_id)
            for session in await list_live(there, other.user.id, role=other.user.role):
                if session.remote_session == moved_from(user.id):
                    await end_session(there, session.id, reason=reason)
                    ended += 1
    return ended
