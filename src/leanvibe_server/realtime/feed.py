"""One reader's way through a stream: the state first, then what it missed, then what happens."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.events import StoredEvent, read_stream, stream_position
from leanvibe_server.kernel.house import House
from leanvibe_server.realtime import repository
from leanvibe_server.realtime.hub import Hub
from leanvibe_server.realtime.messages import (
    LAST_NAMES,
    Message,
    is_finished,
    is_last,
    message_of,
    state_of,
    stream_of_task,
    update_of,
)

BATCH = 200


@dataclass(frozen=True)
class Opening:
    """Where a reader begins. `nothing_left`: it has everything, and the task is over."""

    state: Message
    seq: int
    nothing_left: bool


async def open_feed(
    conn: Connection, tenant_id: UUID, task_id: UUID, after: UUID | None
) -> Opening:
    """The task's state, and the place in its stream that follows `after`.

    An `after` that is not of this stream replays it from its beginning: better twice than never.

    Raises: NotFound: this tenant has no such task.
    """
    stream = stream_of_task(task_id)
    last_seq = await repository.find_last_seq(conn, tenant_id, stream)
    if last_seq is None:
        raise NotFound("No such task.")
    latest = await read_stream(conn, tenant_id, stream, after_seq=last_seq - 2)
    if not latest:
        raise NotFound("No such task.")
    last = latest[-1]
    if after is None:
        # The closing message bears the id of the last event; the state must not take it.
        before = latest[-2].id if len(latest) > 1 else None
        known = before if is_finished(last) else last.id
        return Opening(state_of(last, resume_after=known), last.stream_seq or last_seq, False)
    seq = await stream_position(conn, tenant_id, stream, after) or 0
    return Opening(
        state_of(last, resume_after=after),
        seq,
        nothing_left=is_finished(last) and seq >= (last.stream_seq or last_seq),
    )


async def follow_task(
    hub: Hub, house: House, tenant_id: UUID, task_id: UUID, *, after: UUID | None, patience_s: float
) -> AsyncIterator[Message | None]:
    """The messages of one task to its end; None after each `patience_s` without any.

    Raises: NotFound: this tenant has no such task.
    """
    stream = stream_of_task(task_id)
    # First listen, then read: what happens in between is in one of the two.
    with hub.follow(tenant_id, stream) as news:
        async with house.database.tenant(tenant_id) as conn:
            opening = await open_feed(conn, tenant_id, task_id, after)
        yield opening.state
        reader = _Reader(house, tenant_id, stream, opening.seq)
        reader.over = opening.state["status"] in ("completed", "failed", "cancelled")
        while not hub.closing:
            news.clear()
            for message in await reader.read():
                yield message
            if reader.more:
                continue
            if reader.over:
                yield await reader.last_message()
                return
            try:
                await asyncio.wait_for(news.wait(), patience_s)
            except TimeoutError:
                yield None


class _Reader:
    """Reads a stream on from `seq`. An end is held back until it is known to be the end."""

    def __init__(self, house: House, tenant_id: UUID, stream: str, seq: int) -> None:
        self._house = house
        self._tenant_id = tenant_id
        self._stream = stream
        self._seq = seq
        self._end: StoredEvent | None = None
        self.over = False
        self.more = False

    async def read(self) -> list[Message]:
        """What is there after the last read; `more` says whether to read again at once."""
        async with self._house.database.tenant(self._tenant_id) as conn:
            events = await read_stream(
                conn, self._tenant_id, self._stream, after_seq=self._seq, limit=BATCH
            )
        self.more = len(events) == BATCH
        messages: list[Message] = []
        for event in events:
            messages += self._take(event)
        return messages

    def _take(self, event: StoredEvent) -> list[Message]:
        self._seq = event.stream_seq or self._seq
        self.over = is_finished(event)
        held: list[Message] = []
        if self._end is not None and (is_last(event) or not self.over):
            held = [update_of(self._end)]
            self._end = None
        if is_last(event):
            self._end = event
            return held
        return [*held, message_of(event)]

    async def last_message(self) -> Message:
        """The message that closes the task."""
        if self._end is None:
            async with self._house.database.tenant(self._tenant_id) as conn:
                self._end = await repository.find_last_named(
                    conn, self._tenant_id, self._stream, LAST_NAMES
                )
        if self._end is None:
            raise NotFound("No such task.")
        return message_of(self._end)
