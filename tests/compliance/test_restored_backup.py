"""A real dump of the database, restored after erasures: nothing erased can be read any more."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server import wiring
from leanvibe_server.compliance import repeating
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.crypto import load_vault
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import Work
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.launch.postgres_programs import binary, program_environment
from leanvibe_server.migrations import migrate
from leanvibe_server.projects import service as projects
from leanvibe_server.tenancy import purge
from tests import given
from tests.conftest import FakeClock, Ground
from tests.given import PASSWORD, Organisation

TOKEN = "ghp_cafebabe0000000000000000000000000000"


@dataclass(frozen=True)
class Installation:
    """One with a database, a home and a master key of its own."""

    settings: Settings
    admin_dsn: str

    @property
    def dsn(self) -> str:
        return self.settings.database_url

    def _postgres(self, program: str, *words: str) -> bytes:
        done = subprocess.run(
            [str(binary(program)), *words], env=program_environment(), capture_output=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    async def dump(self, *words: str) -> bytes:
        return await asyncio.to_thread(self._postgres, "pg_dump", *words, "--dbname", self.dsn)

    async def restore(self, dump: Path) -> None:
        """Into a new database of the same name, as the how-to says."""
        await self.make_database()
        await asyncio.to_thread(
            self._postgres, "pg_restore", "--exit-on-error", "--dbname", self.dsn, str(dump)
        )

    async def make_database(self) -> None:
        name = self.dsn.rpartition("/")[2]
        owner = await asyncpg.connect(self.admin_dsn)
        await owner.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await owner.execute(f"CREATE DATABASE {name}")
        await owner.close()

    async def run(self, *words: str) -> str:
        """A command of the server, as its operator types it."""
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "leanvibe_server.cli", *words],
            env={
                **os.environ,
                "LEANVIBE_HOME": str(self.settings.leanvibe_home),
                "DATABASE_URL": self.dsn,
            },
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def installation(ground: Ground, tmp_path: Path) -> Iterator[Installation]:
    dsn = f"{ground.admin_dsn.rpartition('/')[0]}/backed_up"
    settings = replace(ground.settings, leanvibe_home=tmp_path / "home", database_url=dsn)
    made = Installation(settings, ground.admin_dsn)
    asyncio.run(made.make_database())
    asyncio.run(migrate(dsn, load_vault(settings)))
    yield made
    asyncio.run(_drop(ground.admin_dsn))


async def _drop(admin_dsn: str) -> None:
    owner = await asyncpg.connect(admin_dsn)
    await owner.execute("DROP DATABASE backed_up WITH (FORCE)")
    await owner.close()


@pytest.fixture
async def before(installation: Installation, clock: FakeClock) -> AsyncIterator[House]:
    house = await wiring.open_house(installation.settings)
    house.clock = clock
    yield house
    await house.database.close()


async def _call(house: House, method: str, path: str, **more: object) -> httpx.Response:
    doors = await wiring.build_app(house)
    transport = httpx.ASGITransport(app=doors.app, raise_app_exceptions=False)
    async with (
        doors.live,
        httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as client,
    ):
        owner = more.pop("owner", None)
        if isinstance(owner, Organisation):
            more["headers"] = await owner.headers(client)
        return await client.request(method, path, **more)  # type: ignore[arg-type]


async def _keep_a_secret(house: House, org: Organisation) -> UUID:
    new = {
        "name": "sealed",
        "repository_url": "https://git.example.com/a.git",
        "credentials": {"type": "token", "token": TOKEN, "username": "ada"},
    }
    made = await _call(house, "POST", "/v1/projects", json=new, owner=org)
    assert made.status_code == 201, made.text
    return UUID(made.json()["id"])


async def _secret(house: House, org: Organisation, project_id: UUID) -> str | None:
    async with house.database.tenant(org.id) as conn:
        scope = Scope(conn, org.id, SYSTEM, house.clock, house)
        project = await projects.require_project(scope, project_id)
    opened = await projects.git_credentials(house, project)
    return None if opened is None else opened.token


async def _sign_in(house: House, email: str) -> int:
    login = {"email": email, "password": PASSWORD}
    return (await _call(house, "POST", "/v1/auth/login", json=login)).status_code


async def _delete(house: House, clock: FakeClock, org: Organisation) -> None:
    confirmed = {"confirm": org.tenant.slug}
    gone = await _call(house, "DELETE", "/v1/tenants/me", params=confirmed, owner=org)
    assert gone.status_code == 200, gone.text
    clock.advance(days=31)
    await purge.sweep(house)


async def test_sec_crypto_residency_gdpr_07_a_restored_dump_brings_back_nobody_who_was_erased(
    installation: Installation, before: House, clock: FakeClock, tmp_path: Path
) -> None:
    kept, shredded, deleted = [
        await given.organisation(before, plan="enterprise", name=name)
        for name in ("Kept", "Shredded", "Deleted")
    ]
    secrets = {org.id: await _keep_a_secret(before, org) for org in (kept, shredded, deleted)}
    person = kept.people["developer"]
    assert await _sign_in(before, person.email) == 200
    dump = tmp_path / "backup.dump"
    dump.write_bytes(await installation.dump("--format", "custom"))

    erased = await _call(
        before, "POST", "/v1/privacy/erasures", json={"user_id": str(person.id)}, owner=kept
    )
    assert erased.status_code == 201, erased.text
    await repeating.note_erasure(Work(before, kept.id, 0), erasure_id=erased.json()["id"])
    await installation.run("keys", "destroy", "--tenant", str(shredded.id), "--yes")
    await _delete(before, clock, deleted)
    await before.database.close()

    await installation.restore(dump)
    restored = (await installation.dump("--inserts")).decode()
    for word in (person.email, str(person.id), deleted.tenant.slug):
        assert word in restored
    again = await installation.run("privacy", "repeat-erasures")
    assert again == "People erased again: 1.\nOrganisations deleted again: 1.\n"
    left = (await installation.dump("--inserts")).decode()
    assert person.email not in left
    for one in deleted.people.values():
        assert one.email not in left
        assert str(one.id) not in left
    assert deleted.tenant.slug not in left

    after = await wiring.open_house(installation.settings)
    after.clock = clock
    try:
        assert await _secret(after, kept, secrets[kept.id]) == TOKEN
        with pytest.raises(projects.CredentialsUnreadable):
            await _secret(after, shredded, secrets[shredded.id])
        async with after.database.tenant(shredded.id) as conn:
            wrapped = await conn.fetchval(
                "SELECT wrapped FROM data_keys WHERE tenant_id = $1", shredded.id
            )
        assert wrapped is not None, "the dump holds the wrapped key, which opens nothing"
        assert await _sign_in(after, person.email) == 401
        assert await _sign_in(after, deleted.people["owner"].email) == 401
        assert await _sign_in(after, kept.people["viewer"].email) == 200
        repeated = await repeating.repeat_all(after)
        assert (repeated.people, repeated.organisations, repeated.refused) == (0, 0, ())
    finally:
        await after.database.close()
    verified = await installation.run("audit", "verify", "--accept-restored")
    assert f"✓ {kept.id}" in verified


async def test_a_worker_erases_again_when_it_starts_should_nobody_ask_for_it(
    installation: Installation, before: House, tmp_path: Path
) -> None:
    org = await given.organisation(before, plan="enterprise", name=f"Kept {uuid4().hex[:6]}")
    person = org.people["developer"]
    dump = tmp_path / "backup.dump"
    dump.write_bytes(await installation.dump("--format", "custom"))
    erased = await _call(
        before, "POST", "/v1/privacy/erasures", json={"user_id": str(person.id)}, owner=org
    )
    await repeating.note_erasure(Work(before, org.id, 0), erasure_id=erased.json()["id"])
    await before.database.close()
    await installation.restore(dump)
    after = await wiring.open_house(installation.settings)
    try:
        assert await _sign_in(after, person.email) == 200
        assert repeating.repeat_at_start in wiring.CLOCKS
        await repeating.repeat_at_start(after)
        assert await _sign_in(after, person.email) == 401
    finally:
        await after.database.close()
