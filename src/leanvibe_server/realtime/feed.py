"""One reader's way through a stream: the state first, then what it missed, then what happens."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.events import (
    StoredEvent,
    access_key,
    read_stream,
    stream_key,
    stream_position,
)
from leanvibe_server.kernel.house import House
from leanvibe_server.realtime import repository
from leanvibe_server.realtime.entrance import Pass
from leanvibe_server.realtime.hub import Follower, Hub
from leanvibe_server.realtime.messages import (
    FINISHED,
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
# What nobody tells, such as a session that rested too long, closes a stream after so long.
RECHECK_S = 10.0


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
    hub: Hub, house: House, reader: Pass, *, after: UUID | None
) -> AsyncIterator[Message | None]:
    """The messages of one task to its end; None now and then while there are none.

    Nothing is told that was read before it was asked whether the reader may still see it.
    Raises: NotFound: this tenant has no such task. And what `Pass.check` raises.
    """
    tenant_id, stream = reader.tenant_id, stream_of_task(reader.task_id)
    keys = {stream_key(tenant_id, stream), *map(access_key, reader.concerned)}
    # First listen, then read: what happens in between is in one of the two.
    with hub.follow(tenant_id, keys) as follower:
        door = _Door(reader, follower)
        async with house.database.tenant(tenant_id) as conn:
            opening = await open_feed(conn, tenant_id, reader.task_id, after)
        await door.check()
        yield opening.state
        log = _Log(house, tenant_id, stream, opening.seq)
        log.over = opening.state["status"] in FINISHED
        while not hub.closing:
            follower.listen()
            messages = await log.read()
            await door.check()
            for message in messages:
                await door.check_if_in_doubt()
                yield message
            if log.more:
                continue
            if log.over:
                yield await log.last_message()
                return
            if not await follower.wait(RECHECK_S):
                yield None


class _Door:
    """Asks again whether a reader may see what is told."""

    def __init__(self, reader: Pass, follower: Follower) -> None:
        self._reader = reader
        self._follower = follower
        self._checked_s = 0.0

    async def check(self) -> None:
        self._follower.in_doubt = False
        await self._reader.check()
        self._checked_s = time.monotonic()

    async def check_if_in_doubt(self) -> None:
        """Ask once more where access was taken, or much time has passed, since it was asked."""
        if self._follower.in_doubt or time.monotonic() - self._checked_s >= RECHECK_S:
            await self.check()


class _Log:
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
