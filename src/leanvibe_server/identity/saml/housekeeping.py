"""What is over is forgotten."""

from leanvibe_server.identity.saml import repository as rows
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import sweep_regions


async def sweep(house: House) -> None:
    """Remove requests, seen messages and keys whose time is over, and what was kept of sessions
    that are gone."""
    now = house.clock.now()

    async def sweep_region(conn: Connection) -> None:
        await rows.sweep(conn, now=now)

    await sweep_regions(house.database, sweep_region)
