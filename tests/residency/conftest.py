"""An installation with three regions: the home region us, eu and au, each a database of its own."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest

from leanvibe_server import wiring
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.house import House
from leanvibe_server.migrations import migrate
from leanvibe_server.wiring import Doors
from tests import given
from tests.conftest import FakeClock, Ground
from tests.given import Organisation

ELSEWHERE = ("eu", "au")


def _beside(dsn: str, database: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


async def _make_database(dsn: str, name: str) -> None:
    owner = await asyncpg.connect(dsn)
    await owner.execute(f"CREATE DATABASE {name}")
    await owner.close()


@pytest.fixture(scope="session")
def atlas(ground: Ground) -> Settings:
    """The settings of the installation, its databases migrated."""
    urls = {region: _beside(ground.admin_dsn, f"region_{region}") for region in ELSEWHERE}
    for region, url in urls.items():
        asyncio.run(_make_database(ground.admin_dsn, f"region_{region}"))
        asyncio.run(migrate(url, ground.vault))
    return replace(
        ground.settings,
        database_url_eu=urls["eu"],
        database_url_au=urls["au"],
        database_pool_size=4,
    )


@pytest.fixture
async def world(
    atlas: Settings, clock: FakeClock, admin: asyncpg.Connection
) -> AsyncIterator[House]:
    """The shared parts of a process that serves every region."""
    await admin.execute("TRUNCATE login_failures; DELETE FROM pgqueuer")
    house = await wiring.open_house(atlas)
    house.clock = clock
    yield house
    await house.database.close()


@pytest.fixture
async def world_doors(world: House) -> AsyncIterator[Doors]:
    doors = await wiring.build_app(world)
    async with doors.live:
        yield doors


@pytest.fixture
async def caller(world_doors: Doors) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the application that serves every region."""
    transport = httpx.ASGITransport(app=world_doors.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as client:
        yield client


@pytest.fixture
async def berlin(world: House) -> Organisation:
    """An enterprise tenant that lives in the region eu."""
    return await given.organisation(world, plan="enterprise", name="Berlin", region="eu")


@pytest.fixture
async def boston(world: House) -> Organisation:
    """An enterprise tenant of the home region."""
    return await given.organisation(world, plan="enterprise", name="Boston")
