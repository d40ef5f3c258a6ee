"""What an operator does to the keys that sign access tokens."""

import asyncio

from leanvibe_server import wiring
from leanvibe_server.identity import keys
from leanvibe_server.identity.models import SigningKey
from leanvibe_server.kernel.config import Settings


def rotate(settings: Settings, *, at_once: bool) -> str:
    """Sign with a new key from now on; returns its id.

    Raises: Conflict: the installation signs with its JWT_SECRET.
    """

    async def run() -> str:
        house = await wiring.open_house(settings)
        try:
            return await keys.rotate(house, at_once=at_once)
        finally:
            await house.database.close()

    return asyncio.run(run())


def list_keys(settings: Settings) -> list[SigningKey]:
    """The keys that sign or verify now, oldest first."""

    async def run() -> list[SigningKey]:
        house = await wiring.open_house(settings)
        try:
            return await keys.list_keys(house)
        finally:
            await house.database.close()

    return asyncio.run(run())
