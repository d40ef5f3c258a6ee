"""Access that ends by itself: told some days before, and marked in the log when it is over.

The gate refuses from the very moment on; what happens here is that people know, and that the log
and the list say so.
"""

from datetime import timedelta

from leanvibe_server.identity import mails, users
from leanvibe_server.identity.people import repository as rows
from leanvibe_server.identity.people.events import AccessEnded, AccessEnding
from leanvibe_server.identity.people.models import Ending
from leanvibe_server.identity.repository import people
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import PLATFORM_TENANT, sweep_regions
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.tenancy.service import enter_tenant, require_tenant

REMIND_BEFORE = timedelta(days=3)
AT_ONCE = 500


async def sweep(house: House) -> None:
    """Remind those whose access ends within three days, and end what is over."""

    async def sweep_region(conn: Connection) -> None:
        now = house.clock.now()
        platform = Scope(conn, PLATFORM_TENANT, SYSTEM, house.clock, house)
        for ending in await rows.list_ended(conn, now=now, limit=AT_ONCE):
            await _end(await enter_tenant(platform, ending.tenant_id), ending)
        soon = now + REMIND_BEFORE
        for ending in await rows.list_to_remind(conn, now=now, until=soon, limit=AT_ONCE):
            await _remind(await enter_tenant(platform, ending.tenant_id), ending)

    await sweep_regions(house.database, sweep_region)


async def _end(scope: Scope, ending: Ending) -> None:
    user = await people.find_user(scope.conn, ending.tenant_id, ending.user_id)
    if user is None:
        return
    await rows.disable(scope.conn, ending, now=scope.now)
    await users.shut_out(scope, user, reason="access ended")
    await scope.emit(AccessEnded(user_id=user.id, role=user.role, expires_at=ending.expires_at))


async def _remind(scope: Scope, ending: Ending) -> None:
    await rows.note_reminder(scope.conn, ending, now=scope.now)
    tenant = await require_tenant(scope, ending.tenant_id)
    await mails.access_ends(
        scope, to=ending.email, organization=tenant.display_name, at=ending.expires_at
    )
    await scope.emit(AccessEnding(user_id=ending.user_id, expires_at=ending.expires_at))
