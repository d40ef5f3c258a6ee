"""The clock of the audit room."""

import asyncio

from leanvibe_server.audit.chain import seal_all
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.log import logger

SEAL_EVERY_S = 60


async def keep_sealing(house: House) -> None:
    """Seal the logs once a minute, for as long as the worker runs."""
    while True:
        try:
            await seal_all(house)
        except Exception as error:
            logger("audit").warning("not sealed", exc_info=error)
        await asyncio.sleep(SEAL_EVERY_S)
