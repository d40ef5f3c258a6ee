"""Row-level security against the same statement without it."""

import os
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import uvloop

from benchmarks import rounds
from benchmarks.ground import Ground, stand
from benchmarks.report import Effort, Figure, Findings
from benchmarks.rounds import Rounds, Sample
from leanvibe_server.kernel.db import login_dsn
from leanvibe_server.projects.repository import FIND, LIST

GOAL = 1.1
TENANTS = 50
PROJECTS_EACH = 200
PAGE = 20

FILL = """
WITH t AS (
    INSERT INTO tenants (id, slug, organization_name, display_name, status, plan, data_residency,
        admin_email, configuration, created_at, updated_at)
    SELECT gen_random_uuid(), 'tenant-' || n, 'Tenant ' || n, 'Tenant ' || n, 'active',
        'enterprise', 'us', 'owner@example.org', '{}', now(), now()
    FROM generate_series(1, $1::int) n
    RETURNING id)
INSERT INTO projects (tenant_id, id, name, description, tech_stack, repository_url, hosted,
    ai_assistance_level, configuration, is_default, created_at, updated_at)
SELECT t.id, gen_random_uuid(), 'Project ' || n, repeat('words ', 20), '{Python,FastAPI}',
    'https://github.com/example/' || n, false, 'full_autonomous', '{}', false, now(), now()
FROM t, generate_series(1, $2::int) n
"""

Reading = Callable[[asyncpg.Connection, UUID, UUID], Awaitable[Any]]


async def read_one(connection: asyncpg.Connection, tenant_id: UUID, project_id: UUID) -> Any:
    """One row by its key."""
    return await connection.fetchrow(FIND, tenant_id, project_id)


async def read_page(connection: asyncpg.Connection, tenant_id: UUID, _project_id: UUID) -> Any:
    """The newest rows of a tenant."""
    return await connection.fetch(LIST, tenant_id, None, PAGE, None, [], None)


@dataclass(frozen=True)
class Reader:
    """A connection that reads in short transactions, with the tenant bound or without."""

    connection: asyncpg.Connection
    backend_pid: int
    bound: bool

    @classmethod
    async def connect(cls, dsn: str, *, bound: bool) -> "Reader":
        connection = await asyncpg.connect(dsn)
        return cls(connection, await connection.fetchval("SELECT pg_backend_pid()"), bound)

    async def read(self, reading: Reading, keys: list[tuple[UUID, UUID]]) -> Sample:
        """Each key in a transaction of its own. The CPU time is that of PostgreSQL's process."""
        spent, began, spans = rounds.cpu_s(self.backend_pid), time.perf_counter(), []
        for tenant_id, project_id in keys:
            begin = f"BEGIN; SET LOCAL app.tenant_id = '{tenant_id}'" if self.bound else "BEGIN"
            since = time.perf_counter()
            await self.connection.execute(begin)
            if not await reading(self.connection, tenant_id, project_id):
                raise RuntimeError("a row that must be there was not found")
            await self.connection.execute("COMMIT")
            spans.append(time.perf_counter() - since)
        wall = time.perf_counter() - began
        cpu = rounds.cpu_s(self.backend_pid) - spent
        return Sample(len(keys), wall, cpu, p50_ms=statistics.median(spans) * 1000)


def run(effort: Effort) -> Findings:
    """The product's statements under the app's login, whose rows a policy filters, against the
    same statements of the owner, whom no policy holds, in a plain transaction."""
    with stand() as ground:
        one, page = uvloop.run(_measure(ground, effort))
        version = ground.postgres_version
    figures = []
    for what, taken in (("one row by key", one), (f"a page of {PAGE}", page)):
        figures += [
            Figure(
                f"{what}, p50",
                rounds.ratio(taken, "rls", to="plain", of="p50_ms"),
                goal=GOAL,
            ),
            Figure(f"{what}, CPU of PostgreSQL", rounds.ratio(taken, "rls", to="plain")),
        ]
    return Findings(
        question="What does row-level security add to a read?",
        figures=figures,
        control=Figure(
            "the plain transaction against itself, p50",
            rounds.ratio(one, "control", to="plain", of="p50_ms"),
        ),
        rounds={"one": rounds.raw(one), "page": rounds.raw(page)},
        postgres_version=version,
        notes={"rows": TENANTS * PROJECTS_EACH, "tenants": TENANTS},
    )


async def _measure(ground: Ground, effort: Effort) -> tuple[Rounds, Rounds]:
    owner = await asyncpg.connect(ground.admin_dsn)
    await owner.execute("SET statement_timeout = '60s'")
    await owner.fetch(FILL, TENANTS, PROJECTS_EACH)
    await owner.execute("VACUUM ANALYZE")
    keys = [(row[0], row[1]) for row in await owner.fetch("SELECT tenant_id, id FROM projects")]
    await owner.close()
    random.Random(7).shuffle(keys)
    readers = {
        "plain": await Reader.connect(ground.admin_dsn, bound=False),
        "rls": await Reader.connect(login_dsn(ground.admin_dsn, "app", ground.vault), bound=True),
        "control": await Reader.connect(ground.admin_dsn, bound=False),
    }
    taken = []
    with _apart([reader.backend_pid for reader in readers.values()]):
        for reading, count in ((read_one, effort.of(100, 50)), (read_page, effort.of(60, 30))):
            for reader in readers.values():
                await reader.read(reading, keys[:30])
            taken.append(
                await _take_turns(readers, reading, keys[:count], rounds_wanted=effort.of(250, 2))
            )
    for reader in readers.values():
        await reader.connection.close()
    return taken[0], taken[1]


@contextmanager
def _apart(backends: list[int]) -> Iterator[None]:
    """Keep this process on one core and the database's on another, where the system can.

    A connection's process stays where it happens to be, beside the caller or on another core,
    and that makes more of a difference than a policy.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[0]})
    for backend in backends:
        os.sched_setaffinity(backend, {cores[-1]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


async def _take_turns(
    readers: dict[str, Reader],
    reading: Reading,
    keys: list[tuple[UUID, UUID]],
    *,
    rounds_wanted: int,
) -> Rounds:
    taken: Rounds = {name: [] for name in readers}
    order = list(readers)
    for _ in range(rounds_wanted):
        for name in order:
            taken[name].append(await readers[name].read(reading, keys))
        order.reverse()
    return taken
