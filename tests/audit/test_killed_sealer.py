"""A sealer whose process is killed leaves a chain that holds and goes on."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from leanvibe_server.audit import chain
from leanvibe_server.audit.verification import Verdict, verify_tenant
from leanvibe_server.kernel.ids import new_id
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.tenancy.events import TenantUpdated
from tests.conftest import Ground
from tests.given import Organisation

# Somebody waits for the transaction that asks.
WAITED_FOR = """
SELECT count(*) FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid
"""
SEALS = "SELECT count(*) FROM audit_seals WHERE tenant_id = $1"
UNSEALED = "SELECT count(*) FROM unsealed_events WHERE tenant_id = $1"


@asynccontextmanager
async def _sealer(
    ground: Ground, org: Organisation, log: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that seals the tenant's log, killed at the end of the block without a warning."""
    env = {
        **os.environ,
        "LEANVIBE_HOME": str(ground.settings.home),
        "DATABASE_URL": ground.settings.database_url,
        "PORT": str(ground.settings.port),
    }
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.audit.sealer", str(org.id), env=env, stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def _until(told: Callable[[], Awaitable[bool]], log: Path) -> None:
    for _ in range(600):
        if await told():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"the sealer never came so far: {log.read_text()}")


async def _write(org: Organisation, count: int) -> None:
    async with org.house.database.tenant(org.id) as conn:
        scope = Scope(conn, org.id, SYSTEM, org.house.clock, org.house)
        for number in range(count):
            await scope.emit(TenantUpdated(tenant_id=org.id, changed=[f"field-{number}"]))


async def _goes_on(org: Organisation, admin: asyncpg.Connection) -> Verdict:
    """What the chain says once somebody else has sealed what was left, and more after it."""
    await chain.seal_tenant(org.house, org.id)
    await _write(org, 3)
    await chain.seal_tenant(org.house, org.id)
    assert await admin.fetchval(UNSEALED, org.id) == 0
    return await verify_tenant(org.house, org.id)


async def test_sec_audit_02_a_sealer_killed_within_a_batch_loses_and_breaks_nothing(
    ground: Ground, acme: Organisation, admin: asyncpg.Connection, tmp_path: Path
) -> None:
    await _write(acme, 20)
    await chain.seal_tenant(acme.house, acme.id)
    before = await verify_tenant(acme.house, acme.id)
    await _write(acme, 20)
    log = tmp_path / "sealer.log"
    # The place the sealer is about to fill is taken by somebody who has not decided yet, so that
    # it stands still in the middle of its transaction.
    taken = admin.transaction()
    await taken.start()
    await admin.execute(
        "INSERT INTO sealed_events (tenant_id, position, event_id, row_hash, chain_hash)"
        " VALUES ($1, $2, $3, '', '')",
        acme.id,
        before.entries + 10,
        new_id(acme.house.clock.now()),
    )
    async with _sealer(ground, acme, log) as process:

        async def stands_still() -> bool:
            return bool(await admin.fetchval(WAITED_FOR))

        await _until(stands_still, log)
        assert process.returncode is None
    assert process.returncode == -signal.SIGKILL
    await taken.rollback()
    assert await admin.fetchval(UNSEALED, acme.id) == 20
    assert await admin.fetchval(SEALS, acme.id) == before.seals
    after = await _goes_on(acme, admin)
    assert (after.fault, after.entries) == (None, before.entries + 23)


@pytest.mark.parametrize("seals", [1, 2])
async def test_sec_audit_02_a_sealer_killed_between_batches_is_followed_by_another(
    ground: Ground,
    acme: Organisation,
    admin: asyncpg.Connection,
    tmp_path: Path,
    seals: int,
) -> None:
    await _write(acme, 3 * chain.BATCH)
    log = tmp_path / "sealer.log"
    async with _sealer(ground, acme, log):

        async def has_sealed() -> bool:
            return bool(await admin.fetchval(SEALS, acme.id) >= seals)

        await _until(has_sealed, log)
    after = await _goes_on(acme, admin)
    assert after.fault is None
    assert after.entries > 3 * chain.BATCH
