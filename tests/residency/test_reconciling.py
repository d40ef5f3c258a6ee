"""Two regions share no transaction, so what one broke off is put right by the next sweep."""

from uuid import uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.identity import reconciling
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.house import House
from leanvibe_server.tenancy import directory, purge
from tests.conftest import FakeClock
from tests.given import Organisation


@pytest.fixture
def noted(admin: asyncpg.Connection, berlin: Organisation) -> "Noted":
    return Noted(admin, berlin)


class Noted:
    """What the home region's directory says of a tenant's people."""

    def __init__(self, admin: asyncpg.Connection, tenant: Organisation) -> None:
        self._admin = admin
        self._tenant = tenant

    async def count(self) -> int:
        found: int = await self._admin.fetchval(
            "SELECT count(*) FROM remote_directory WHERE tenant_id = $1", self._tenant.id
        )
        return found

    async def run(self, statement: str, *values: object) -> None:
        await self._admin.execute(statement, self._tenant.id, *values)


async def test_who_is_missing_is_entered_and_who_is_gone_is_forgotten(
    world: House, clock: FakeClock, berlin: Organisation, noted: Noted
) -> None:
    people = await noted.count()
    await noted.run("DELETE FROM remote_directory WHERE tenant_id = $1")
    await reconciling.sweep(world)
    assert await noted.count() == people
    async with world.database.tenant(berlin.id) as conn:
        gone = berlin.people["guest"].id
        await conn.execute("DELETE FROM users WHERE tenant_id = $1 AND id = $2", berlin.id, gone)
    await reconciling.sweep(world)
    assert await noted.count() == people, "it was made a moment ago"
    clock.advance(hours=2)
    await reconciling.sweep(world)
    assert await noted.count() == people - 1


async def test_a_slug_whose_tenant_never_came_is_free_again(
    world: House, clock: FakeClock, admin: asyncpg.Connection, berlin: Organisation
) -> None:
    lost = uuid4()
    await admin.execute(
        "INSERT INTO tenant_directory (tenant_id, slug, region, claimed_at)"
        " VALUES ($1, $2, 'eu', $3)",
        lost,
        f"lost-{lost}",
        clock.now(),
    )
    find = "SELECT settled_at FROM tenant_directory WHERE tenant_id = $1"
    await directory.sweep(world)
    assert await admin.fetchrow(find, lost) is not None
    clock.advance(hours=2)
    await directory.sweep(world)
    assert await admin.fetchrow(find, lost) is None
    assert await admin.fetchval(find, berlin.id) == clock.now()


async def test_an_address_that_is_changed_leads_to_its_region_still(
    world: House, caller: httpx.AsyncClient, berlin: Organisation, noted: Noted
) -> None:
    """The sweep also heals an entry that names another address than the region does."""
    await noted.run("UPDATE remote_directory SET email_hash = 'x' WHERE tenant_id = $1")
    person = berlin.people["viewer"]
    refused = await caller.post(
        "/v1/auth/login", json={"email": person.email, "password": person.password}
    )
    assert refused.status_code == 401
    await reconciling.sweep(world)
    await berlin.headers(caller, "viewer")


async def test_a_tenant_of_another_region_is_deleted_there_and_forgotten_at_home(
    world: House,
    atlas: Settings,
    caller: httpx.AsyncClient,
    clock: FakeClock,
    berlin: Organisation,
    admin: asyncpg.Connection,
    noted: Noted,
) -> None:
    headers = await berlin.headers(caller)
    folder = world.home_of(berlin.id) / "repositories" / str(berlin.id)
    folder.mkdir(parents=True)
    gone = await caller.delete(
        "/v1/tenants/me", params={"confirm": berlin.tenant.slug}, headers=headers
    )
    assert gone.status_code == 200, gone.text
    clock.advance(days=31)
    await purge.sweep(world)
    assert await noted.count() == 0
    assert not folder.exists()
    there = await asyncpg.connect(atlas.database_of("eu"))
    for table, column in (("tenants", "id"), ("users", "tenant_id"), ("events", "tenant_id")):
        count = await there.fetchval(f"SELECT count(*) FROM {table} WHERE {column} = $1", berlin.id)
        assert count == 0, table
    await there.close()
    entry = await admin.fetchrow("SELECT * FROM tenant_directory WHERE tenant_id = $1", berlin.id)
    assert entry is not None
    assert (entry["region"], entry["slug"]) == ("eu", f"deleted-{berlin.id}")
