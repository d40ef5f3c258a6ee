"""The two performers of operations: one awaits, one blocks. Neither knows any rule."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, TypeVar

import httpx

from leanvibe._core import Core
from leanvibe._operations import Call, Effect, Exclusive, Operation, Pause, Send, Steps
from leanvibe._records import Record
from leanvibe.pagination import Page

T = TypeVar("T")
RecordT = TypeVar("RecordT", bound=Record)


class AsyncRunner:
    """Performs operations on the running event loop."""

    def __init__(
        self,
        core: Core,
        *,
        transport: httpx.AsyncBaseTransport | None,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.core = core
        self.sleep = sleep
        self._http = httpx.AsyncClient(transport=transport)
        self._alone = asyncio.Lock()

    async def run(self, operation: Operation[T]) -> T:
        """Perform one operation."""
        return await self.drive(operation.steps(self.core))

    async def iterate(self, call: Call[Page[RecordT]]) -> AsyncIterator[RecordT]:
        """The rows of all pages."""
        following: Call[Page[RecordT]] | None = call
        while following is not None:
            page = await self.run(following)
            for row in page:
                yield row
            following = next_page(following, page)

    async def drive(self, steps: Steps[T]) -> T:
        """Perform the effects until the steps give their result."""
        outcome: object = None
        with closing(steps):
            while True:
                try:
                    effect = steps.send(outcome)
                except StopIteration as done:
                    result: T = done.value
                    return result
                outcome = await self._perform(effect)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _perform(self, effect: Effect) -> object:
        match effect:
            case Send(request):
                try:
                    return await self._http.send(request)
                except httpx.RequestError as failure:
                    return failure
            case Pause(seconds):
                await self.sleep(seconds)
                return None
            case Exclusive(steps):
                # A caller that is cancelled here must not lose the successor of a refresh
                # token that the server has already spent: the exchange runs to its end.
                return await asyncio.shield(asyncio.ensure_future(self._drive_alone(steps)))

    async def _drive_alone(self, steps: Steps[Any]) -> object:
        async with self._alone:
            return await self.drive(steps)


class BlockingRunner:
    """Performs operations on the calling thread; several threads may share it."""

    def __init__(
        self,
        core: Core,
        *,
        transport: httpx.BaseTransport | None,
        sleep: Callable[[float], None],
    ) -> None:
        self.core = core
        self.sleep = sleep
        self._http = httpx.Client(transport=transport)
        self._alone = threading.Lock()

    def run(self, operation: Operation[T]) -> T:
        """Perform one operation."""
        return self.drive(operation.steps(self.core))

    def iterate(self, call: Call[Page[RecordT]]) -> Iterator[RecordT]:
        """The rows of all pages."""
        following: Call[Page[RecordT]] | None = call
        while following is not None:
            page = self.run(following)
            yield from page
            following = next_page(following, page)

    def drive(self, steps: Steps[T]) -> T:
        """Perform the effects until the steps give their result."""
        outcome: object = None
        with closing(steps):
            while True:
                try:
                    effect = steps.send(outcome)
                except StopIteration as done:
                    result: T = done.value
                    return result
                outcome = self._perform(effect)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _perform(self, effect: Effect) -> object:
        match effect:
            case Send(request):
                try:
                    return self._http.send(request)
                except httpx.RequestError as failure:
                    return failure
            case Pause(seconds):
                self.sleep(seconds)
                return None
            case Exclusive(steps):
                with self._alone:
                    return self.drive(steps)


def next_page(call: Call[Page[RecordT]], page: Page[RecordT]) -> Call[Page[RecordT]] | None:
    """The request for the page that follows, None after the last one."""
    before = (call.query or {}).get("cursor")
    if not page.has_more or page.next_cursor is None or page.next_cursor == before:
        return None
    return replace(call, query={**(call.query or {}), "cursor": page.next_cursor})
