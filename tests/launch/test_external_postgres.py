"""The product on a PostgreSQL of the system's own, as old as 15."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from leanvibe_server import wiring
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.crypto import load_vault
from leanvibe_server.kernel.db import login_dsn
from leanvibe_server.launch.postgres_programs import as_server_user, program_environment
from leanvibe_server.migrations import CannotMigrate, migrate
from tests.given import organisation

SYSTEM = sorted(Path("/usr/lib/postgresql").glob("1[5-7]/bin/initdb"))


@pytest.fixture
def system_postgres(tmp_path: Path) -> Iterator[str]:
    """The admin URL of the oldest PostgreSQL the system has, on a cluster of its own."""
    if not SYSTEM:
        pytest.skip("NOT TESTED: the system has no PostgreSQL 15 to 17 of its own")
    programs, data = SYSTEM[0].parent, tmp_path / "data"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = [*as_server_user()]
    environment = program_environment()
    subprocess.run(
        [*run, str(programs / "initdb"), "-D", str(data), "-U", "boss", "-A", "trust", "-N"],
        check=True,
        capture_output=True,
        env=environment,
    )
    options = ["-F", "-k", "", "-h", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(
        [*run, str(programs / "postgres"), "-D", str(data), *options],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    dsn = f"postgresql://boss@127.0.0.1:{port}/postgres"
    try:
        asyncio.run(_wait_ready(dsn))
        yield dsn
    finally:
        server.terminate()
        server.wait(30)


async def _wait_ready(dsn: str) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            await (await asyncpg.connect(dsn)).close()
        except (OSError, asyncpg.PostgresError):
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.1)
        else:
            return


async def _work(dsn: str, home: Path) -> tuple[int, list[str]]:
    settings = Settings(leanvibe_home=home, database_url=dsn)
    await migrate(dsn, load_vault(settings))
    house = await wiring.open_house(settings)
    try:
        doors = await wiring.build_app(house)
        acme = await organisation(house, plan="team", name="Acme", roles=("owner",))
        transport = httpx.ASGITransport(app=doors.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            headers = await acme.headers(client)
            made = await client.post("/v1/projects", json={"name": "one"}, headers=headers)
            listed = await client.get("/v1/projects", headers=headers)
        return made.status_code, [row["name"] for row in listed.json()["data"]]
    finally:
        await house.database.close()


def test_a_tenant_works_on_the_system_s_own_postgresql(
    system_postgres: str, tmp_path: Path
) -> None:
    assert asyncio.run(_work(system_postgres, tmp_path / "home")) == (201, ["one"])


def test_an_unbound_query_is_refused_there_too(system_postgres: str, tmp_path: Path) -> None:
    async def look() -> None:
        vault = load_vault(Settings(leanvibe_home=tmp_path / "home"))
        await migrate(system_postgres, vault)
        connection = await asyncpg.connect(login_dsn(system_postgres, "app", vault))
        try:
            await connection.fetch("SELECT * FROM users")
        finally:
            await connection.close()

    with pytest.raises(asyncpg.UndefinedObjectError):
        asyncio.run(look())


def test_a_database_that_does_not_answer_is_one_clear_line(tmp_path: Path) -> None:
    vault = load_vault(Settings(leanvibe_home=tmp_path / "home"))
    with pytest.raises(CannotMigrate, match="does not answer"):
        asyncio.run(migrate("postgresql://nobody@127.0.0.1:9/none", vault))
