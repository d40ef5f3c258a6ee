"""Later work: jobs in PostgreSQL, enqueued in the caller's transaction.

A job names rows and holds nothing else. It runs at least once; a worker that dies has its jobs
taken over when its heartbeat is missed.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast
from uuid import UUID

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from leanvibe_server.kernel.db import Connection, login_dsn
from leanvibe_server.kernel.events import find_event, mark_handled
from leanvibe_server.kernel.log import logger, speak_of_home
from leanvibe_server.kernel.pulse import UNREACHABLE

if TYPE_CHECKING:
    from leanvibe_server.kernel.house import House
    from leanvibe_server.kernel.scope import Scope

HANDLE_EVENT = "events.handle"
MAX_ATTEMPTS = 8
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 300.0
HEARTBEAT_TIMEOUT = timedelta(seconds=4)
DEQUEUE_TIMEOUT = timedelta(seconds=2)
REGION_RETRY_S = 5.0
SHARE_RETRY = timedelta(seconds=1)

JobHandler = Callable[..., Awaitable[None]]


class _OurDriver(AsyncpgDriver):
    """The queue encodes its JSON itself, and our connections encode JSON once more."""

    async def fetch(self, query: str, *args: Any) -> list[dict[str, Any]]:
        *rest, headers = args
        return await super().fetch(query, *rest, [json.loads(one) for one in headers])


async def enqueue(
    conn: Connection,
    job: str,
    *,
    tenant_id: UUID,
    ids: Mapping[str, UUID | str | int],
    delay: timedelta | None = None,
) -> None:
    """Add a job in this connection's transaction: it exists if and only if that commits."""
    payload = {"tenant_id": str(tenant_id)} | {
        name: str(value) if isinstance(value, UUID) else value for name, value in ids.items()
    }
    queries = Queries(_OurDriver(cast("asyncpg.Connection[Any]", conn)))
    await queries.enqueue(job, json.dumps(payload).encode(), execute_after=delay)


@dataclass(frozen=True)
class Work:
    """What a job handler holds: the house, and a way to open its tenant's Scope."""

    house: "House"
    tenant_id: UUID
    attempt: int

    @asynccontextmanager
    async def scope(self) -> AsyncIterator["Scope"]:
        """A transaction of this job's tenant that commits at the end of the block."""
        from leanvibe_server.kernel.scope import SYSTEM, Scope

        async with self.house.database.tenant(self.tenant_id) as conn:
            yield Scope(conn, self.tenant_id, SYSTEM, self.house.clock, self.house)


Lane = Literal["short", "long"]


@dataclass
class Jobs:
    """Every job of the house by name. Filled by hand in wiring.

    Jobs that take minutes go in the long lane, so that those that take moments never wait for
    them.
    """

    handlers: dict[str, JobHandler] = field(default_factory=dict)
    lanes: dict[str, Lane] = field(default_factory=dict)

    def add(self, name: str, handler: JobHandler, *, lane: Lane = "short") -> None:
        self.handlers[name] = handler
        self.lanes[name] = lane


@dataclass
class FairShare:
    """How many long jobs of each tenant run in this process: none may take every place."""

    limit: int
    running: Counter[UUID] = field(default_factory=Counter)

    @contextmanager
    def place(self, tenant_id: UUID) -> Iterator[bool]:
        """Whether there is a place for one more job of the tenant, held while the block lasts."""
        if self.running[tenant_id] >= self.limit:
            yield False
            return
        self.running[tenant_id] += 1
        try:
            yield True
        finally:
            self.running[tenant_id] -= 1
            if not self.running[tenant_id]:
                del self.running[tenant_id]


async def handle_event(work: Work, *, event_id: str, handler: str) -> None:
    """Let one listener hear one event, once."""
    async with work.scope() as scope:
        event = await find_event(scope.conn, work.tenant_id, UUID(event_id))
        if event is None or not await mark_handled(scope, event.id, handler):
            return
        await work.house.listeners.handlers[handler](scope, event)


def retry_delay_s(attempt: int) -> float:
    """How long to wait after the given attempt (counted from 0), in seconds."""
    return min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0**attempt)


async def run_job(house: "House", name: str, handler: JobHandler, job: Job) -> None:
    """Run one job; a failure is tried again later, and after the last try kept for inspection.

    Raises: RetryRequested: the queue puts the job back.
    """
    # Lazily: what seals emits events, which enqueue jobs.
    from leanvibe_server.kernel.sealing import with_keys

    speak_of_home()
    payload = json.loads(job.payload or b"{}")
    if "tenant_id" not in payload:
        raise ValueError(f"job {name} names no tenant")
    work = Work(house, UUID(payload.pop("tenant_id")), job.attempts)
    try:
        await with_keys(house, partial(handler, work, **payload), _begin_again)
    except Exception as error:
        logger("jobs").warning("job failed", job=name, attempt=job.attempts, exc_info=error)
        if job.attempts + 1 >= MAX_ATTEMPTS:
            raise
        raise RetryRequested(
            delay=timedelta(seconds=retry_delay_s(job.attempts)), reason=repr(error)
        ) from error


async def _begin_again() -> bool:
    """A job that was broken off may always be done again."""
    return True


async def run_worker(house: "House", jobs: Jobs, stop: asyncio.Event) -> None:
    """Work off the queue of each region until `stop` is set, then finish what is under way.

    A region that cannot be reached holds up no other; its lanes are tried again until they run.
    """
    long_at_once = house.settings.worker_concurrency
    share = FairShare(limit=max(1, long_at_once - 1))
    async with asyncio.TaskGroup() as lanes:
        for region in house.settings.work_regions:
            for lane in (
                RegionLane(region, "long", long_at_once, share),
                RegionLane(region, "short", 2 * long_at_once, None),
            ):
                lanes.create_task(_keep_lane(house, jobs, lane, stop))


@dataclass(frozen=True)
class RegionLane:
    """One lane of one region's queue, and how many of its jobs run at once."""

    region: str
    lane: Lane
    at_once: int
    share: FairShare | None


async def _keep_lane(house: "House", jobs: Jobs, lane: RegionLane, stop: asyncio.Event) -> None:
    """Run a lane to the end. In the home region an error is the worker's own; the lane of another
    region begins anew, because the others must not wait for it."""
    while not stop.is_set():
        try:
            await _run_lane(house, jobs, lane, stop)
            return
        except UNREACHABLE as error:
            if lane.region == house.settings.home_region:
                raise
            logger("jobs").warning(
                "region unreachable", region=lane.region, error=type(error).__name__
            )
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), REGION_RETRY_S)


async def _run_lane(house: "House", jobs: Jobs, lane: RegionLane, stop: asyncio.Event) -> None:
    dsn = login_dsn(house.settings.direct_database_of(lane.region), "worker", house.vault)
    called = {"application_name": house.data_keys.master.session_name("worker")}
    connection = await asyncpg.connect(dsn, timeout=10, server_settings=called)
    try:
        queue = PgQueuer.from_asyncpg_connection(connection)
        for name, handler in jobs.handlers.items():
            if jobs.lanes[name] == lane.lane:
                _register(queue, house, name, handler, lane.share)
        stopper = asyncio.create_task(_shut_down(queue, stop))
        try:
            await queue.run(
                batch_size=max(1, lane.at_once // 2),
                max_concurrent_tasks=max(2, lane.at_once),
                dequeue_timeout=DEQUEUE_TIMEOUT,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
            )
        finally:
            stopper.cancel()
    finally:
        await connection.close()


def _register(
    queue: PgQueuer, house: "House", name: str, handler: JobHandler, share: FairShare | None
) -> None:
    @queue.entrypoint(name, on_failure="hold")
    async def entrypoint(job: Job) -> None:
        if share is None:
            await run_job(house, name, handler, job)
        else:
            await _run_fairly(house, name, handler, job, share)


async def _run_fairly(
    house: "House", name: str, handler: JobHandler, job: Job, share: FairShare
) -> None:
    payload = json.loads(job.payload or b"{}")
    tenant_id = UUID(payload.pop("tenant_id"))
    with share.place(tenant_id) as free:
        if free:
            await run_job(house, name, handler, job)
            return
    # To the back of the queue, without counting as a failed attempt.
    async with house.database.tenant(tenant_id) as conn:
        await enqueue(conn, name, tenant_id=tenant_id, ids=payload, delay=SHARE_RETRY)


async def _shut_down(queue: PgQueuer, stop: asyncio.Event) -> None:
    await stop.wait()
    queue.shutdown.set()
