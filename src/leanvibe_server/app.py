"""The API and the dashboard: the door to the street."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
import uvloop
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from leanvibe_server import wiring
from leanvibe_server.identity import keys
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.log import configure_logging
from leanvibe_server.kernel.middleware import Doorman
from leanvibe_server.metering.calls import CallMeter

FLUSH_EVERY_S = 1.0
STOP_WITHIN_S = 10


@asynccontextmanager
async def flushing(calls: CallMeter) -> AsyncIterator[None]:
    """Write API call counts every second, and once more at the end."""

    async def keep_flushing() -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            await calls.flush()

    task = asyncio.create_task(keep_flushing())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await calls.flush()


class HouseProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, but what cannot be read is refused in our envelope."""

    def send_400_response(self, msg: str) -> None:
        peer = (self.client or ("unknown", 0))[0]
        doorman = self.config.app
        if isinstance(doorman, Doorman):
            self.transport.write(doorman.refuse_unreadable(peer))
            self.transport.close()
        else:
            super().send_400_response(msg)


def server(app: ASGIApp, settings: Settings) -> uvicorn.Server:
    """The HTTP server, set up as the product runs it."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=HouseProtocol,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_config=None,
            ws_max_size=65_536,
            timeout_graceful_shutdown=STOP_WITHIN_S,
        )
    )


async def serve(settings: Settings) -> None:
    """Answer requests until a signal asks to stop."""
    configure_logging(settings)
    house = await wiring.open_house(settings)
    try:
        doors = await wiring.build_app(house)
        async with flushing(doors.calls), keys.keeping_current(house), doors.live:
            await server(doors.app, settings).serve()
    finally:
        await house.database.close()


def main() -> None:
    uvloop.run(serve(Settings.from_env(os.environ)))


if __name__ == "__main__":
    main()
