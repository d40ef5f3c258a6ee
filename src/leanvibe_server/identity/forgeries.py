"""Forged tokens: noted for the platform's administrators, but never at the forger's pace."""

from leanvibe_server.identity.events import TokenForged
from leanvibe_server.identity.visits import scope_in
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants
from leanvibe_server.kernel.ratelimit import Rate
from leanvibe_server.kernel.request import Visit, network_of

NOTED = Rate(per_minute=1, burst=1)


async def note(visit: Visit, reason: str) -> None:
    """Write down that this visitor showed a token we never made, and why it is none."""
    house = visit.house
    key = f"forged tokens {network_of(visit.address)}"
    if not house.limiter.take(key, NOTED, house.clock.now().timestamp()).allowed:
        return
    logger("identity").warning("token.invalid", reason=reason, address=visit.address)
    async with across_tenants(house.database, Reason.SIGN_IN, PLATFORM_TENANT) as conn:
        await scope_in(visit, conn, PLATFORM_TENANT).emit(TokenForged(reason=reason))
