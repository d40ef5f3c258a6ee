"""The worker under test: the product's queue with jobs that only say when they began.

It prints one line for each: what it was, its number, and the moment on the clock that all
processes of a machine share.
"""

import asyncio
import os
import signal
import time

import asyncpg
import uvloop

from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.crypto import load_vault
from leanvibe_server.kernel.db import Database
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import Jobs, Work, run_worker
from leanvibe_server.kernel.log import configure_logging

EMPTY, BOUND, LONG = "benchmark.empty", "benchmark.bound", "benchmark.long"
CHANNEL = "benchmark"
READY = "ready"
LONG_S = 60


def say(what: str, number: int) -> None:
    print(what, number, time.monotonic(), flush=True)


async def do_nothing(_work: Work, *, number: int) -> None:
    """A job that is over as soon as it begins."""
    say(EMPTY, number)


async def open_scope(work: Work, *, number: int) -> None:
    """A job that opens a transaction of its tenant, as every real one does."""
    async with work.scope():
        say(BOUND, number)


async def take_long(_work: Work, *, number: int) -> None:
    """A job that its worker does not survive."""
    say(LONG, number)
    await asyncio.sleep(LONG_S)


async def run(settings: Settings) -> None:
    """Work until a signal asks to stop. Notifications are answered like jobs, as a control."""
    configure_logging(settings)
    vault = load_vault(settings)
    house = House(settings, await Database.open(settings, vault), vault)
    listener = await asyncpg.connect(settings.database_url)
    await listener.add_listener(CHANNEL, lambda *message: say(CHANNEL, int(str(message[3]))))
    jobs = Jobs()
    jobs.add(EMPTY, do_nothing)
    jobs.add(BOUND, open_scope)
    jobs.add(LONG, take_long)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    say(READY, 0)
    try:
        await run_worker(house, jobs, stop)
    finally:
        await listener.close()
        await house.database.close()


if __name__ == "__main__":
    uvloop.run(run(Settings.from_env(os.environ)))
