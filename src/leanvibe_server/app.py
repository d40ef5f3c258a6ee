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
from leanvibe_server.kernel.refusals import Refusals
from leanvibe_server.metering.calls import CallMeter

FLUSH_EVERY_S = 1.0
STOP_WITHIN_S = 10
# How large the head of a request may be, and how long it may take to arrive.
MAX_HEAD_BYTES = 65_536
HEAD_WITHIN_S = 30.0


@asynccontextmanager
async def flushing(calls: CallMeter, refusals: Refusals) -> AsyncIterator[None]:
    """Write API call counts and counted refusals every second, and once more at the end."""

    async def keep_flushing() -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            await calls.flush()
            await refusals.flush()

    task = asyncio.create_task(keep_flushing())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await calls.flush()
        await refusals.flush(every=True)


class HouseProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, but what cannot be read is refused in our envelope, and so is
    what would fill the memory or hold a connection without ever becoming a request.

    Source: OWASP ASVS 5.0, 15.2.2; CWE-400, CWE-770.
    """

    # Bytes since the last that made a difference: a whole head, or a piece of a body.
    _waiting_bytes = 0
    _heard = False
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as there
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        self._heard = True
        self._expect_nothing()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > MAX_HEAD_BYTES:
            # The parser turns it into what it says of bytes it cannot read.
            raise ValueError("the head of the request is too large")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._heard = True
        super().on_body(body)

    def data_received(self, data: bytes) -> None:
        self._heard = False
        super().data_received(data)
        self._waiting_bytes = 0 if self._heard else self._waiting_bytes + len(data)
        if self._waiting_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def _expect_head(self) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(HEAD_WITHIN_S, self._give_up)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

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
        async with flushing(doors.calls, doors.refusals), keys.keeping_current(house), doors.live:
            await server(doors.app, settings).serve()
    finally:
        await house.database.close()


def main() -> None:
    uvloop.run(serve(Settings.from_env(os.environ)))


if __name__ == "__main__":
    main()
