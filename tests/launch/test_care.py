"""What an operator does to keys, logs and locked-out tenants, as an operator does it."""

import asyncio
import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.kernel.sealing import seal, unseal_for
from leanvibe_server.wiring import Doors
from tests.conftest import Ground
from tests.given import Organisation

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Awaitable[Done]]
LISTENING = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'leanvibe live%'"
PLACE = ("projects", "credentials", UUID(int=7))


@pytest.fixture
def run(ground: Ground) -> Run:
    """Runs a command of the server beside the house under test."""

    async def run_command(*words: str, **env: str) -> Done:
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "leanvibe_server.cli", *words],
            env={
                **os.environ,
                "LEANVIBE_HOME": str(ground.settings.home),
                "DATABASE_URL": ground.admin_dsn,
                **env,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run_command


async def _sealed(house: House, tenant_id: UUID) -> bytes:
    async with house.database.tenant(tenant_id) as conn:
        scope = Scope(conn, tenant_id, SYSTEM, house.clock, house)
        return await seal(scope, b"secret", place=PLACE)


async def test_keys_are_rotated_wrapped_anew_and_destroyed_from_the_command_line(
    run: Run, house: House, acme: Organisation
) -> None:
    whose = ("--tenant", str(acme.id))
    none = await run("keys", "rotate-data", *whose)
    assert (none.returncode, "has no data keys" in none.stderr) == (1, True)
    before = await _sealed(house, acme.id)
    rotated = await run("keys", "rotate-data", *whose)
    assert rotated.stdout.startswith("New data keys: 1."), rotated.stderr
    after = await _sealed(house, acme.id)
    assert after[:5] != before[:5]
    wrapped = await run("keys", "rewrap", *whose)
    assert wrapped.stdout == "Data keys wrapped anew: 0.\n"
    for sealed in (before, after):
        assert await unseal_for(house, acme.id, sealed, place=PLACE) == b"secret"
    unsure = await run("keys", "destroy", *whose)
    assert unsure.returncode == 1
    assert await unseal_for(house, acme.id, after, place=PLACE) == b"secret"
    destroyed = await run("keys", "destroy", *whose, "--yes")
    assert destroyed.stdout == "Data keys destroyed: 2.\n", destroyed.stderr
    with pytest.raises(Undecipherable):
        await unseal_for(house, acme.id, after, place=PLACE)


async def test_keys_are_not_wrapped_by_a_master_key_that_a_running_server_does_not_have(
    run: Run, house: House, doors: Doors, admin: asyncpg.Connection, acme: Organisation
) -> None:
    sealed = await _sealed(house, acme.id)
    for _ in range(100):
        if await admin.fetchval(LISTENING):
            break
        await asyncio.sleep(0.05)
    new = base64.b64encode(bytes(range(32))).decode()
    whose = ("--tenant", str(acme.id))
    refused = await run("keys", "rewrap", *whose, WRAPPING_KEYS=new)
    assert refused.returncode == 1
    assert "does not have the master key of today" in refused.stderr
    assert await unseal_for(house, acme.id, sealed, place=PLACE) == b"secret"
    same = await run("keys", "rewrap", *whose)
    assert same.stdout == "Data keys wrapped anew: 0.\n", same.stderr


async def test_a_log_is_verified_from_the_command_line_and_tampering_ends_with_one(
    run: Run, acme: Organisation, admin: asyncpg.Connection
) -> None:
    whole = await run("audit", "verify", "--tenant", str(acme.id))
    assert (whole.returncode, whole.stdout.startswith(f"✓ {acme.id}: ")) == (0, True)
    nobody = await run("audit", "verify", "--tenant", str(UUID(int=9)))
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert "There is no tenant" in nobody.stderr
    await admin.execute(
        "UPDATE events SET payload = '{}' WHERE tenant_id = $1 AND name = 'user.created'", acme.id
    )
    changed = await run("audit", "verify", "--tenant", str(acme.id))
    assert changed.returncode == 1
    assert f"✗ {acme.id}: " in changed.stdout
    assert "changed: " in changed.stdout


async def test_networks_are_opened_again_and_erasures_repeated_from_the_command_line(
    run: Run, acme: Organisation, admin: asyncpg.Connection, ground: Ground, tmp_path: Path
) -> None:
    await admin.execute(
        'UPDATE tenants SET security = \'{"allowed_networks": ["192.0.2.0/24"]}\' WHERE id = $1',
        acme.id,
    )
    for said in ("Any address is allowed.\n", "Any address was allowed already.\n"):
        opened = await run("admin", "open-networks", "--tenant", acme.tenant.slug)
        assert opened.stdout == said, opened.stderr
    home = shutil.copytree(
        ground.settings.home, tmp_path / "home", ignore=shutil.ignore_patterns("erasures")
    )
    repeated = await run("privacy", "repeat-erasures", LEANVIBE_HOME=str(home))
    told = "People erased again: 0.\nOrganisations deleted again: 0.\n"
    assert (repeated.returncode, repeated.stdout) == (0, told)
