"""The worker: does what was put off."""

import asyncio
import os
import signal

import uvloop
from prometheus_client import start_http_server

from leanvibe_server import wiring
from leanvibe_server.kernel import metrics
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import run_worker
from leanvibe_server.kernel.log import configure_logging, logger

SWEEP_EVERY_S = 3600


async def run(settings: Settings) -> None:
    """Work until a signal asks to stop; what is under way is finished or taken over later."""
    configure_logging(settings)
    house = await wiring.open_house(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if settings.worker_metrics_port:
        start_http_server(settings.worker_metrics_port, "127.0.0.1", metrics.REGISTRY)
    housekeepers = [
        asyncio.create_task(keep_house(house)),
        *(asyncio.create_task(clock(house)) for clock in wiring.CLOCKS),
    ]
    try:
        await run_worker(house, wiring.jobs(), stop)
    finally:
        for housekeeper in housekeepers:
            housekeeper.cancel()
        await house.database.close()


async def keep_house(house: House) -> None:
    """Forget, every hour, what nobody will ask for again."""
    while True:
        for sweep in wiring.SWEEPS:
            try:
                await sweep(house)
            except Exception as error:
                logger("worker").warning("not swept", sweep=sweep.__module__, exc_info=error)
        await asyncio.sleep(SWEEP_EVERY_S)


def main() -> None:
    uvloop.run(run(Settings.from_env(os.environ)))


if __name__ == "__main__":
    main()
