"""One ear for a whole process: hears of every stream that grew and of all access that may be
over, and wakes those it concerns.

Nothing but the news that there is news passes through here. What it is, each follower reads from
the event log at its own pace, so a slow one holds nobody up and a missed call loses nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

import asyncpg

from leanvibe_server.kernel.db import login_dsn
from leanvibe_server.kernel.errors import RateLimited
from leanvibe_server.kernel.events import ACCESS, LIVE_CHANNEL
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.log import logger

RECONNECT_S = 1.0
# Of one tenant in one process: each costs memory for as long as somebody looks.
MAX_READERS = 1_000


class Follower:
    """Somebody who waits for news. `in_doubt`: whether they may still see it must be asked."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self.in_doubt = True

    def wake(self, *, in_doubt: bool) -> None:
        self.in_doubt = self.in_doubt or in_doubt
        self._news.set()

    def listen(self) -> None:
        """From here on, news wakes the next `wait`."""
        self._news.clear()

    async def wait(self, patience_s: float) -> bool:
        """Wait for news; False when there was none for so long."""
        try:
            await asyncio.wait_for(self._news.wait(), patience_s)
        except TimeoutError:
            return False
        return True


class Hub:
    """The followers of this process by stream. Enter it to listen, leave it to send them home."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._followers: dict[str, set[Follower]] = {}
        self._readers: Counter[UUID] = Counter()
        self._listeners: list[asyncio.Task[None]] = []
        self.closing = False

    async def __aenter__(self) -> "Hub":
        for region in self._house.settings.regions:
            self._listeners.append(asyncio.create_task(self._keep_listening(region)))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closing = True
        self._wake_all()
        for listener in self._listeners:
            listener.cancel()
            with suppress(asyncio.CancelledError):
                await listener

    def require_room(self, tenant_id: UUID) -> None:
        """Refuse one more reader of a tenant that has very many.

        Raises: RateLimited.
        """
        if self._readers[tenant_id] >= MAX_READERS:
            raise RateLimited(
                f"Your organisation follows {MAX_READERS} streams already. Close some of them.",
                details={"limit": MAX_READERS},
                headers={"Retry-After": "10", "X-RateLimit-Retry-After": "10"},
            )

    @contextmanager
    def follow(self, tenant_id: UUID, keys: Collection[str]) -> Iterator[Follower]:
        """A reader of the tenant, woken whenever something is told under one of the keys, or may
        have been."""
        self._readers[tenant_id] += 1
        follower = Follower()
        for key in keys:
            self._followers.setdefault(key, set()).add(follower)
        try:
            yield follower
        finally:
            for key in keys:
                followers = self._followers[key]
                followers.discard(follower)
                if not followers:
                    del self._followers[key]
            self._readers[tenant_id] -= 1
            if not self._readers[tenant_id]:
                del self._readers[tenant_id]

    async def _keep_listening(self, region: str) -> None:
        while True:
            try:
                await self._listen(region)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                logger("realtime").warning("not listening", region=region, error=repr(error))
            await asyncio.sleep(RECONNECT_S)

    async def _listen(self, region: str) -> None:
        url = self._house.settings.direct_database_of(region)
        connection: Any = await asyncpg.connect(
            login_dsn(url, "app", self._house.vault),
            timeout=10,
            server_settings={"application_name": self._house.data_keys.master.session_name("live")},
        )
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(LIVE_CHANNEL, self._hear)
            # What was told while nobody listened is in the log.
            self._wake_all()
            await lost.wait()
        finally:
            with suppress(TimeoutError):
                await connection.close(timeout=2)

    def _hear(self, _connection: object, _pid: int, _channel: str, told: object) -> None:
        key = str(told)
        for follower in self._followers.get(key, ()):
            follower.wake(in_doubt=key.startswith(ACCESS))

    def _wake_all(self) -> None:
        for followers in self._followers.values():
            for follower in followers:
                follower.wake(in_doubt=True)
