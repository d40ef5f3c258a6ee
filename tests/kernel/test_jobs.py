"""Lanes: what takes moments never waits for what takes minutes, and no tenant takes every place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest

from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import Jobs, Work, retry_delay_s, run_worker
from leanvibe_server.kernel.scope import SYSTEM, Scope

A, B = UUID(int=0xA << 64 | 0x7000 << 48), UUID(int=0xB << 64 | 0x7000 << 48)


async def _enqueue(house: House, tenant_id: UUID, job: str, times: int = 1) -> None:
    async with house.database.tenant(tenant_id) as conn:
        scope = Scope(conn, tenant_id, SYSTEM, house.clock, house)
        for number in range(times):
            await scope.enqueue(job, number=number)


@asynccontextmanager
async def _worker(house: House, jobs: Jobs) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(run_worker(house, jobs, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


async def test_a_job_runs_after_its_transaction_and_never_without_it(house: House) -> None:
    ran: list[int] = []

    async def note(work: Work, *, number: int) -> None:
        ran.append(number)

    jobs = Jobs()
    jobs.add("test.note", note)
    with pytest.raises(ZeroDivisionError):
        await _enqueue_and_fail(house)
    await _enqueue(house, A, "test.note", 3)
    async with _worker(house, jobs), asyncio.timeout(20):
        while len(ran) < 3:
            await asyncio.sleep(0.05)
    assert sorted(ran) == [0, 1, 2]


async def _enqueue_and_fail(house: House) -> None:
    async with house.database.tenant(A) as conn:
        scope = Scope(conn, A, SYSTEM, house.clock, house)
        await scope.enqueue("test.note", number=99)
        raise ZeroDivisionError


async def test_long_jobs_of_one_tenant_hold_up_neither_short_ones_nor_another_tenant(
    house: House,
) -> None:
    release = asyncio.Event()
    running: list[UUID] = []
    mailed = asyncio.Event()
    served = asyncio.Event()

    async def toil(work: Work, *, number: int) -> None:
        running.append(work.tenant_id)
        if work.tenant_id == B:
            served.set()
        await release.wait()

    async def mail(work: Work, *, number: int) -> None:
        mailed.set()

    jobs = Jobs()
    jobs.add("test.toil", toil, lane="long")
    jobs.add("test.mail", mail)
    await _enqueue(house, A, "test.toil", 12)
    async with _worker(house, jobs):
        try:
            async with asyncio.timeout(20):
                while running.count(A) < house.settings.worker_concurrency - 1:
                    await asyncio.sleep(0.05)
                await _enqueue(house, B, "test.toil")
                await _enqueue(house, B, "test.mail")
                await mailed.wait()
                await served.wait()
            assert running.count(A) == house.settings.worker_concurrency - 1
        finally:
            release.set()
        async with asyncio.timeout(20):
            while running.count(A) < 12:
                await asyncio.sleep(0.05)


async def test_a_job_that_fails_is_tried_again_and_kept_after_the_last_try(
    house: House, admin: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leanvibe_server.kernel.jobs.FIRST_RETRY_S", 0.01)
    monkeypatch.setattr("leanvibe_server.kernel.jobs.MAX_ATTEMPTS", 3)
    tries = 0

    async def fail(work: Work, *, number: int) -> None:
        nonlocal tries
        tries += 1
        raise ConnectionError("nobody there")

    jobs = Jobs()
    jobs.add("test.fail", fail)
    await _enqueue(house, A, "test.fail")
    async with _worker(house, jobs), asyncio.timeout(20):
        while not await admin.fetchval("SELECT count(*) FROM pgqueuer WHERE status = 'failed'"):
            await asyncio.sleep(0.05)
    assert tries == 3


def test_delays_double_to_a_limit() -> None:
    assert [retry_delay_s(attempt) for attempt in (0, 1, 2, 20)] == [1, 2, 4, 300]
