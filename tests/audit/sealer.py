"""A process that seals one tenant's log and nothing else, for tests that kill it."""

import asyncio
import os
import sys
from uuid import UUID

from leanvibe_server import wiring
from leanvibe_server.audit import chain
from leanvibe_server.kernel.config import Settings


async def seal(tenant_id: UUID) -> None:
    house = await wiring.open_house(Settings.from_env(os.environ))
    await chain.seal_tenant(house, tenant_id)


if __name__ == "__main__":
    asyncio.run(seal(UUID(sys.argv[1])))
