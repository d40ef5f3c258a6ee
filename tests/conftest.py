"""The ground every test stands on: a real PostgreSQL, used as the app role under RLS."""

import asyncio
import gc
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest

from leanvibe_server import wiring
from leanvibe_server.identity.passwords import PasswordDesk
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.crypto import Vault, load_vault
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.log import configure_logging
from leanvibe_server.launch.postgres import EmbeddedPostgres
from leanvibe_server.migrations import migrate
from leanvibe_server.wiring import Doors
from tests import given
from tests.given import Organisation
from tests.isolation.without_tenant import (
    bind_no_tenant,
    pytest_addoption,
    pytest_runtest_makereport,
)
from tests.tenancy.given_trees import below

__all__ = ["bind_no_tenant", "pytest_addoption", "pytest_runtest_makereport"]


def pytest_collection_finish() -> None:
    """Let the collector pass over what stays until the end. Each test builds an application, and
    looking through everything else meanwhile was a quarter of the time (measured)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


class FakeClock:
    """A clock that moves when a test says so."""

    def __init__(self, start: datetime) -> None:
        self.moment = start

    def now(self) -> datetime:
        return self.moment

    def advance(self, **span: float) -> None:
        self.moment += timedelta(**span)


@dataclass(frozen=True)
class Ground:
    """The database of this test run and the settings that lead to it."""

    settings: Settings
    admin_dsn: str
    vault: Vault


@pytest.fixture(scope="session")
def ground() -> Iterator[Ground]:
    """A migrated database, made for this run and gone after it."""
    with tempfile.TemporaryDirectory(prefix="lvtest-") as folder:
        home = Path(folder)
        server = EmbeddedPostgres(home / "server", durable=False)
        dsn = server.start()
        try:
            settings = Settings(
                leanvibe_home=home / "home", database_url=dsn, database_pool_size=5, port=8765
            )
            vault = load_vault(settings)
            asyncio.run(migrate(dsn, vault))
            yield Ground(settings, dsn, vault)
        finally:
            server.stop()


@pytest.fixture
async def admin(ground: Ground) -> AsyncIterator[asyncpg.Connection]:
    """The owner's connection, for looking behind the scenes. Never used by the product."""
    connection = await asyncpg.connect(ground.admin_dsn)
    yield connection
    await connection.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 3, 2, 12, 0, tzinfo=UTC))


@pytest.fixture
async def house(
    ground: Ground, clock: FakeClock, admin: asyncpg.Connection
) -> AsyncIterator[House]:
    """The shared parts of a process, at the fake clock's time."""
    await admin.execute("TRUNCATE login_failures; DELETE FROM pgqueuer")
    house = await wiring.open_house(ground.settings)
    house.clock = clock
    # Refusals come at once, so that tests which compare times see what the work takes.
    house.place(PasswordDesk(beat_s=0))
    yield house
    await house.database.close()


@pytest.fixture
async def doors(house: House) -> AsyncIterator[Doors]:
    doors = await wiring.build_app(house)
    async with doors.live:
        yield doors


@pytest.fixture
async def client(doors: Doors) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the whole application, without credentials."""
    transport = httpx.ASGITransport(app=doors.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as client:
        yield client


@pytest.fixture
async def acme(house: House) -> Organisation:
    """An enterprise tenant with one user for each role."""
    return await given.organisation(house, plan="enterprise", name="Acme")


@pytest.fixture
async def globex(house: House) -> Organisation:
    """Another tenant, on the developer plan, with its owner only."""
    return await given.organisation(house, plan="developer", name="Globex", roles=("owner",))


@pytest.fixture
async def north(house: House, acme: Organisation) -> Organisation:
    """An organisation below Acme."""
    return await below(house, acme, "North")


@pytest.fixture(autouse=True, scope="session")
def _logs(ground: Ground) -> None:
    configure_logging(ground.settings)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests found out and want read, such as how many mutants were noticed."""
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name == "summary" and report.when == "call":
                terminalreporter.write_line(str(text))
