"""The home region's directory of who lives elsewhere, brought in line with the regions.

An entry is made before its user and may outlive them, because no transaction covers two regions.
The region is right: what it does not hold goes, what is missing or differs is entered. An entry
that was made a moment ago is left alone, since its user may be on the way.
"""

from datetime import timedelta

from leanvibe_server.identity.repository import remote
from leanvibe_server.identity.repository.remote import FIRST, Entry, Key
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.log import logger, speak_of_home
from leanvibe_server.kernel.platform import Reason, across_tenants
from leanvibe_server.kernel.pulse import UNREACHABLE

ON_THE_WAY = timedelta(hours=1)
AT_ONCE = 2_000


async def sweep(house: House) -> None:
    """Reconcile each region that has a database; nothing to do where there is only one."""
    for region in house.database.regions[1:]:
        try:
            after: Key | None = FIRST
            while after is not None:
                after = await _reconcile(house, region, after)
        except UNREACHABLE as error:
            logger("identity").warning("not swept", region=region, error_type=type(error).__name__)
        finally:
            speak_of_home()


async def _reconcile(house: House, region: str, after: Key) -> Key | None:
    """One stretch of the directory; where the next one begins, or None at the end."""
    database, now = house.database, house.clock.now()
    async with across_tenants(database, Reason.WORKER, region=region) as conn:
        there = await remote.list_there(conn, after, limit=AT_ONCE)
    last = there[-1].key if len(there) == AT_ONCE else None
    async with across_tenants(database, Reason.WORKER) as conn:
        noted = await remote.list_noted(conn, region, after, last)
        right: dict[Key, Entry] = {entry.key: entry for entry in there}
        for entry, noted_at in noted:
            if entry == right.get(entry.key):
                del right[entry.key]
            elif entry.key not in right and noted_at < now - ON_THE_WAY:
                await remote.forget(conn, entry.key)
        for entry in right.values():
            await remote.note(conn, entry, now=now)
    return last
