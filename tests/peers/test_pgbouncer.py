"""Isolation through PgBouncer in transaction mode, where clients share server connections."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import pytest

from leanvibe_server import wiring
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.db import login_dsn
from leanvibe_server.kernel.house import House
from tests import given
from tests.conftest import FakeClock, Ground
from tests.peers.pgbouncer import PROGRAM, pgbouncer

A, B = UUID(int=0xAB << 64 | 0x7000 << 48), UUID(int=0xBA << 64 | 0x7000 << 48)
WRITE = """
INSERT INTO outgoing_mail (tenant_id, id, recipient, subject, body, created_at)
VALUES ($1, ('000' || substr(gen_random_uuid()::text, 4))::uuid, 'a@b.example', 's', 'b', now())
"""

if PROGRAM is None:
    warnings.warn("PgBouncer is not installed: its tests are skipped", stacklevel=1)
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="NOT TRIED: install Debian's package pgbouncer"
)


@pytest.fixture(params=[1, 3], ids=["one server connection", "three server connections"])
def through(
    request: pytest.FixtureRequest, ground: Ground, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Settings that lead through a PgBouncer with so many server connections for each login."""
    folder = Path(tmp_path_factory.mktemp("pgbouncer"))
    for parent in list(folder.parents)[:2]:
        parent.chmod(0o755)
    with pgbouncer(ground.admin_dsn, ground.vault, folder, servers=request.param) as dsn:
        yield replace(ground.settings, database_url=dsn, database_direct_url=ground.admin_dsn)


@pytest.fixture
async def shared(through: Settings, clock: FakeClock) -> AsyncIterator[House]:
    """A house whose many connections share the few of the server."""
    house = await wiring.open_house(through)
    house.clock = clock
    yield house
    await house.database.close()


async def _count(house: House, tenant: UUID, of: UUID) -> int:
    async with house.database.tenant(tenant) as conn:
        count: int = await conn.fetchval(
            "SELECT count(*) FROM outgoing_mail WHERE tenant_id = $1", of
        )
        return count


async def test_tenants_who_share_server_connections_see_their_own_rows_only(
    shared: House,
) -> None:
    async def write_and_read(tenant: UUID, other: UUID) -> None:
        for _ in range(20):
            async with shared.database.tenant(tenant) as conn:
                await conn.execute(WRITE, tenant)
                await asyncio.sleep(0)
                assert await conn.fetchval("SELECT current_setting('app.tenant_id')") == str(tenant)
                assert not await conn.fetchval(
                    "SELECT count(*) FROM outgoing_mail WHERE tenant_id = $1", other
                )

    await asyncio.gather(*(write_and_read(*pair) for pair in ((A, B), (B, A)) * 2))
    assert await _count(shared, A, A) >= 40


async def test_errors_cancels_and_time_outs_leave_nothing_for_the_next(shared: House) -> None:
    async def sleep_inside() -> None:
        async with shared.database.tenant(A) as conn:
            await conn.execute(WRITE, A)
            await conn.execute("SELECT pg_sleep(30)")

    async def fail_inside() -> None:
        async with shared.database.tenant(A) as conn:
            await conn.execute(WRITE, A)
            await conn.execute("SELECT 1 / 0")

    before = await _count(shared, A, A)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await fail_inside()
    task = asyncio.create_task(sleep_inside())
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sleep_inside(), 0.3)
    assert await _count(shared, B, A) == 0
    assert await _count(shared, A, A) == before


async def test_sec_tenant_isolation_db_03_a_setting_another_client_left_binds_nobody(
    through: Settings, shared: House
) -> None:
    async with shared.database.tenant(A) as conn:
        await conn.execute(WRITE, A)
    stranger = await asyncpg.connect(
        login_dsn(through.database_url, "app", shared.vault), statement_cache_size=0
    )
    try:
        await stranger.execute(f"SET app.tenant_id = '{A}'")
        # The same server connection, and what the stranger set is still there: it counts for
        # nothing, because every transaction of the house binds its own tenant.
        assert await _count(shared, B, A) == 0
    finally:
        await stranger.execute("RESET app.tenant_id")
        await stranger.close()


async def test_the_product_works_through_pgbouncer(shared: House) -> None:
    doors = await wiring.build_app(shared)
    async with doors.live:
        transport = httpx.ASGITransport(app=doors.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            one = await given.organisation(shared, plan="enterprise", name="One")
            two = await given.organisation(shared, plan="enterprise", name="Two")
            headers = [await org.headers(client) for org in (one, two)]
            made = await asyncio.gather(
                *(
                    client.post("/v1/projects", json={"name": f"p{n}"}, headers=headers[n % 2])
                    for n in range(10)
                )
            )
            assert [answer.status_code for answer in made] == [201] * 10
            for n, org in enumerate((one, two)):
                listed = await client.get("/v1/projects", headers=headers[n])
                found = listed.json()["data"]
                assert {p["name"] for p in found} >= {f"p{k}" for k in range(10) if k % 2 == n}
                assert not {p["name"] for p in found} & {f"p{k}" for k in range(10) if k % 2 != n}
                assert org.tenant.slug
