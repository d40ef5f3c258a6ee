"""Transactions with a tenant bound: nothing leaks, and without a tenant nothing is read."""

import asyncio
import importlib
import pkgutil
from dataclasses import replace
from uuid import UUID, uuid4

import asyncpg
import pytest

import leanvibe_server
from leanvibe_server import wiring
from leanvibe_server.kernel.db import HouseConnection, login_dsn
from leanvibe_server.kernel.house import House
from tests.conftest import Ground

A, B = UUID(int=0xA << 64 | 0x7000 << 48), UUID(int=0xB << 64 | 0x7000 << 48)
WRITE = """
INSERT INTO outgoing_mail (tenant_id, id, recipient, subject, body, created_at)
VALUES ($1, ('000' || substr(gen_random_uuid()::text, 4))::uuid, 'a@b.example', 's', 'b', now())
"""
COUNT = "SELECT count(*) FROM outgoing_mail"


@pytest.fixture
async def narrow(ground: Ground) -> object:
    """A house whose every pool holds one connection."""
    house = await wiring.open_house(replace(ground.settings, database_pool_size=1))
    yield house
    await house.database.close()


async def test_a_query_without_a_tenant_is_a_loud_error(ground: Ground) -> None:
    dsn = login_dsn(ground.admin_dsn, "app", ground.vault)
    connection = await asyncpg.connect(dsn)
    try:
        with pytest.raises(asyncpg.UndefinedObjectError, match=r"app\.tenant_id"):
            await connection.fetch(COUNT)
    finally:
        await connection.close()


async def test_a_tenant_sees_and_writes_its_own_rows_only(house: House) -> None:
    async with house.database.tenant(A) as conn:
        before = await conn.fetchval(COUNT)
        await conn.execute(WRITE, A)
        assert await conn.fetchval(COUNT) == before + 1
    async with house.database.tenant(B) as conn:
        assert not await conn.fetchval("SELECT count(*) FROM outgoing_mail WHERE tenant_id = $1", A)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with house.database.tenant(B) as conn:
            await conn.execute(WRITE, A)


async def test_a_row_cannot_be_moved_to_another_tenant(house: House) -> None:
    async with house.database.tenant(A) as conn:
        await conn.execute(WRITE, A)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with house.database.tenant(A) as conn:
            await conn.execute("UPDATE outgoing_mail SET tenant_id = $1", B)


async def test_a_pool_of_one_leaks_nothing_after_errors_cancels_and_time_outs(
    narrow: House,
) -> None:
    async def fail_inside() -> None:
        async with narrow.database.tenant(A) as conn:
            await conn.execute(WRITE, A)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_inside()
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with narrow.database.tenant(A) as conn:
            await conn.execute("SELECT 1 / 0")

    async def sleep_inside() -> None:
        async with narrow.database.tenant(A) as conn:
            await conn.execute("SELECT pg_sleep(30)")

    task = asyncio.create_task(sleep_inside())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sleep_inside(), 0.2)
    async with narrow.database.tenant(B) as conn:
        assert await conn.fetchval("SELECT current_setting('app.tenant_id')") == str(B)
        assert (
            await conn.fetchval("SELECT count(*) FROM outgoing_mail WHERE tenant_id = $1", A) == 0
        )


async def test_a_failed_transaction_cannot_end_as_if_it_had_lasted(house: House) -> None:
    transaction = await house.database.begin_tenant(A)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await transaction.conn.execute("SELECT 1 / 0")
    # PostgreSQL answers COMMIT of a failed transaction with ROLLBACK, and no error.
    with pytest.raises(RuntimeError, match="rolled back"):
        await transaction.commit()


async def test_the_product_refuses_to_work_under_a_login_that_can_bypass_isolation(
    ground: Ground, admin: asyncpg.Connection
) -> None:
    await admin.execute("ALTER ROLE leanvibe_app BYPASSRLS")
    try:
        with pytest.raises(Exception, match="BYPASSRLS"):
            await wiring.open_house(ground.settings)
    finally:
        await admin.execute("ALTER ROLE leanvibe_app NOBYPASSRLS")


def statements() -> dict[str, str]:
    """Every SQL statement of the house: public upper-case text constants of its modules."""
    found = {}
    for module_info in pkgutil.walk_packages(leanvibe_server.__path__, "leanvibe_server."):
        if ".inside" in module_info.name or ".migrations" in module_info.name:
            continue
        module = importlib.import_module(module_info.name)
        for name, value in vars(module).items():
            if name.isupper() and not name.startswith("_") and isinstance(value, str):
                verb = value.split(maxsplit=1)[0].upper() if value.strip() else ""
                if verb in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"):
                    found[f"{module_info.name}.{name}"] = value
    return found


async def test_every_statement_of_the_house_fits_the_schema(ground: Ground) -> None:
    every = statements()
    assert len(every) > 20
    connection = await asyncpg.connect(
        login_dsn(ground.admin_dsn, "platform", ground.vault), connection_class=HouseConnection
    )
    try:
        for name, statement in every.items():
            try:
                await connection.prepare(statement)
            except asyncpg.PostgresError as error:
                pytest.fail(f"{name}: {error}")
    finally:
        await connection.close()


async def test_a_cancelled_transaction_leaves_its_connection_as_it_was(house: House) -> None:
    """asyncpg complains to the loop about a connection that comes back inside a transaction."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))

    async def work() -> None:
        async with house.database.tenant(uuid4()) as conn:
            await conn.execute("SELECT 1")

    for turn in range(300):
        task = asyncio.create_task(work())
        await asyncio.sleep(turn % 100 * 0.00003)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with house.database.tenant(uuid4()) as conn:
        assert await conn.fetchval("SELECT 1") == 1
    assert complaints == []
