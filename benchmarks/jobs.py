"""Jobs in PostgreSQL: how soon they begin, how many a worker does, who takes over."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import uvloop

from benchmarks.ground import Ground, stand
from benchmarks.report import Effort, Figure, Findings
from benchmarks.rounds import Spread
from benchmarks.worker import BOUND, CHANNEL, EMPTY, LONG, READY
from leanvibe_server.kernel.db import Database
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import PLATFORM_TENANT
from leanvibe_server.kernel.scope import SYSTEM, Scope

PATIENCE_S = 60.0
WIDE = 32
WARM_UP = 3


class Worker:
    """A worker process and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def hear(self, what: str) -> tuple[int, float]:
        """The number and moment of the next line of this kind."""
        assert self.process.stdout is not None
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_S)
            if not line:
                raise RuntimeError("the worker ended")
            kind, number, moment = line.decode().split()
            if kind == what:
                return int(number), float(moment)


@dataclass(frozen=True)
class Yard:
    """The house whose transactions enqueue, and how to start workers for it."""

    ground: Ground
    house: House

    @asynccontextmanager
    async def worker(self, *, concurrency: int | None = None) -> AsyncIterator[Worker]:
        """A worker process, killed at the end of the block."""
        environment = self.ground.environment()
        if concurrency is not None:
            environment["WORKER_CONCURRENCY"] = str(concurrency)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "benchmarks.worker"),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
        )
        worker = Worker(process)
        try:
            await worker.hear(READY)
            yield worker
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def enqueue(self, job: str, numbers: range) -> float:
        """Add jobs in one transaction; returns the moment at which its commit was asked for."""
        async with self.house.database.tenant(PLATFORM_TENANT) as conn:
            scope = Scope(conn, PLATFORM_TENANT, SYSTEM, self.house.clock, self.house)
            for number in numbers:
                await scope.enqueue(job, number=number)
            return time.monotonic()

    async def wait_until_done(self) -> float:
        """The moment at which no job is left: each is over and taken off the queue."""
        owner = await asyncpg.connect(self.ground.admin_dsn)
        # An empty queue tells nobody.
        while await owner.fetchval("SELECT EXISTS (SELECT FROM pgqueuer)"):  # noqa: ASYNC110  # as said
            await asyncio.sleep(0.002)
        moment = time.monotonic()
        await owner.close()
        return moment

    async def clear(self) -> None:
        """Forget every job, so that the next workers find none."""
        owner = await asyncpg.connect(self.ground.admin_dsn)
        await owner.execute("DELETE FROM pgqueuer")
        await owner.close()

    async def notify(self, number: int) -> float:
        """Send a bare notification; returns the moment at which its commit was asked for."""
        async with self.house.database.tenant(PLATFORM_TENANT) as conn:
            await conn.execute("SELECT pg_notify($1, $2)", CHANNEL, str(number))
            return time.monotonic()


def run(effort: Effort) -> Findings:
    """Latency from the commit to the start, jobs a second, and the time until another worker
    begins the job of one that was killed with SIGKILL."""
    with stand() as ground:
        found = uvloop.run(_measure(ground, effort))
        version = ground.postgres_version
    jobs, notes = found["latency_ms"], found["notify_ms"]
    return Findings(
        question="How soon, how many, and what if a worker is killed?",
        figures=[
            Figure("from commit to start", Spread.of(jobs, 2), "ms"),
            Figure("jobs of one worker, as set up by default", found["default"], "a second"),
            Figure(f"jobs of one worker, {WIDE} at once", found["wide"], "a second"),
            Figure(
                f"… each in a transaction of its tenant, {WIDE} at once", found["bound"], "a second"
            ),
            Figure(
                "until a killed worker's job begins again", Spread.of(found["takeover_s"], 2), "s"
            ),
        ],
        control=Figure("a bare notification, from commit to arrival", Spread.of(notes, 2), "ms"),
        rounds={
            name: [round(one, 4) for one in value]
            for name, value in found.items()
            if isinstance(value, list)
        },
        postgres_version=version,
        notes={"latency_p99_ms": round(sorted(jobs)[len(jobs) * 99 // 100], 2)},
    )


async def _measure(ground: Ground, effort: Effort) -> dict[str, Any]:
    database = await Database.open(ground.settings, ground.vault)
    yard = Yard(ground, House(ground.settings, database, ground.vault))
    try:
        count, rounds = effort.of(2000, 20), effort.of(5, 1)
        async with yard.worker() as worker:
            found: dict[str, Any] = await _latency(yard, worker, effort.of(200, 5))
            found["default"] = await _rate(yard, worker, EMPTY, count=count, rounds=rounds)
        async with yard.worker(concurrency=WIDE) as worker:
            found["wide"] = await _rate(yard, worker, EMPTY, count=count, rounds=rounds)
            found["bound"] = await _rate(yard, worker, BOUND, count=count, rounds=rounds)
        found["takeover_s"] = [await _takeover(yard, n) for n in range(effort.of(5, 1))]
    finally:
        await database.close()
    return found


async def _latency(yard: Yard, worker: Worker, count: int) -> dict[str, list[float]]:
    """Jobs and bare notifications in turn, to the same idle process. In milliseconds."""
    jobs, notes = [], []
    for number in range(count + WARM_UP):
        committed_at = await yard.enqueue(EMPTY, range(number, number + 1))
        _, started_at = await worker.hear(EMPTY)
        sent_at = await yard.notify(number)
        _, heard_at = await worker.hear(CHANNEL)
        # The first few find cold caches and a queue that is only starting.
        if number >= WARM_UP:
            jobs.append((started_at - committed_at) * 1000)
            notes.append((heard_at - sent_at) * 1000)
    return {"latency_ms": jobs, "notify_ms": notes}


async def _rate(yard: Yard, worker: Worker, job: str, *, count: int, rounds: int) -> Spread:
    rates = []
    for _ in range(rounds):
        committed_at = await yard.enqueue(job, range(count))
        for _ in range(count):
            await worker.hear(job)
        rates.append(count / (await yard.wait_until_done() - committed_at))
    return Spread.of(rates, 0)


async def _takeover(yard: Yard, number: int) -> float:
    """Seconds from the kill of the worker that has the job until another begins it."""
    async with yard.worker() as first:
        await yard.enqueue(LONG, range(number, number + 1))
        await first.hear(LONG)
        async with yard.worker() as second:
            # Long enough that the job's heartbeat was renewed, as that of a real one would be.
            await asyncio.sleep(2 + number * 0.37)
            killed_at = time.monotonic()
            first.process.kill()
            _, started_at = await second.hear(LONG)
    await yard.clear()
    return started_at - killed_at
