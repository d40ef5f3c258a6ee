"""The two loops that keep a live stream running: one awaits, one blocks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from uuid import UUID

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect as connect_blocking

from leanvibe._feed import UpdateFeed
from leanvibe._runners import AsyncRunner, BlockingRunner
from leanvibe.models import TaskUpdate

_LOSSES = (WebSocketException, OSError, EOFError)


class _Connect(connect):
    """A connection that goes nowhere else: a redirect would take the token along."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def stream_async(
    runner: AsyncRunner, task_id: str | UUID, *, after: str | None
) -> AsyncGenerator[TaskUpdate, None]:
    """The updates of one task to its end."""
    feed = UpdateFeed(runner.core, task_id, after=after)
    while feed.goes_on():
        try:
            async with _Connect(**feed.connection()) as socket:
                while feed.goes_on():
                    message = await asyncio.wait_for(socket.recv(), feed.patience_s)
                    update = feed.accept(message)
                    if update is not None:
                        yield update
        except _LOSSES as loss:
            recovery = feed.recover(loss)
        else:
            return
        await runner.drive(recovery)


def stream_blocking(
    runner: BlockingRunner, task_id: str | UUID, *, after: str | None
) -> Generator[TaskUpdate, None, None]:
    """The updates of one task to its end."""
    feed = UpdateFeed(runner.core, task_id, after=after)
    while feed.goes_on():
        try:
            with connect_blocking(**feed.connection()) as socket:
                while feed.goes_on():
                    update = feed.accept(socket.recv(timeout=feed.patience_s))
                    if update is not None:
                        yield update
        except _LOSSES as loss:
            recovery = feed.recover(loss)
        else:
            return
        runner.drive(recovery)
