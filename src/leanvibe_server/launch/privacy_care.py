"""What an operator does about people's data after a backup was restored."""

import asyncio

from leanvibe_server import wiring
from leanvibe_server.compliance.repeating import Repeated, repeat_all
from leanvibe_server.kernel.config import Settings


def repeat_erasures(settings: Settings) -> Repeated:
    """Erase again whoever came back with a backup."""

    async def run() -> Repeated:
        house = await wiring.open_house(settings)
        try:
            return await repeat_all(house)
        finally:
            await house.database.close()

    return asyncio.run(run())
