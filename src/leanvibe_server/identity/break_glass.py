"""Breaking the glass: a platform admin looks into a tenant, says why, and both sides read it.

Each request is a break of its own, so it is over with its answer; a stream is one for as long as
it is open. Nothing can be changed, but that in a tenant which is suspended sessions, keys and
people can be put out.
"""

from dataclasses import replace
from uuid import UUID

from leanvibe_server.identity.events import BreakGlassUsed
from leanvibe_server.identity.permissions import BEHIND_GLASS
from leanvibe_server.identity.refusals import wrong_tenant
from leanvibe_server.identity.repository import gate as rows
from leanvibe_server.identity.repository.gate import Standing
from leanvibe_server.identity.sessions import TOKEN, WEB
from leanvibe_server.kernel.access import Admission, Role
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants, require_reason
from leanvibe_server.kernel.request import Credentials
from leanvibe_server.kernel.scope import Actor, Scope


async def enter(
    house: House, credentials: Credentials, standing: Standing, named: UUID, *, actor: Actor
) -> Admission:
    """Open the named tenant for reading, once both logs say who looks and why.

    Raises: Forbidden: not a platform admin, no reason given, or no such tenant.
    """
    if standing.role != Role.PLATFORM_ADMIN or standing.kind not in (TOKEN, WEB):
        raise wrong_tenant()
    reason = require_reason(credentials.break_glass_reason)
    status, plan, slug = await _note(house, credentials, named, actor=actor, reason=reason)
    if credentials.named_slug not in (None, slug):
        raise wrong_tenant()
    return Admission(
        actor=replace(actor, label=f"{actor.label} (break-glass)", session_id=None),
        tenant_id=named,
        permissions=BEHIND_GLASS,
        plan=plan,
        suspended=status != "active",
        transaction=await house.database.begin_tenant(named),
        authenticated_at=standing.authenticated_at,
        may_end=status != "active",
    )


async def _note(
    house: House, credentials: Credentials, named: UUID, *, actor: Actor, reason: str
) -> tuple[str, str, str]:
    """Write to both logs, committed before anything is shown."""
    visit = credentials.visit
    async with across_tenants(house.database, Reason.BREAK_GLASS, named) as conn:
        tenant = await rows.find_tenant_standing(conn, named)
        if tenant is None or actor.id is None:
            raise wrong_tenant()
        event = BreakGlassUsed(
            user_id=actor.id,
            into_tenant_id=named,
            reason=reason,
            method=visit.method,
            path=visit.path,
        )
        if credentials.again:
            return tenant
        inside = Scope(conn, named, actor, house.clock, house, request_id=visit.request_id)
        await inside.emit(event)
    # The platform's log is in the home region, the tenant's in its own.
    async with across_tenants(house.database, Reason.BREAK_GLASS) as conn:
        await replace(inside, conn=conn, tenant_id=PLATFORM_TENANT).emit(event)
    return tenant
