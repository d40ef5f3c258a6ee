"""What isolation means at a table, tried out: each sentence that does not hold is returned.

It runs in one transaction of the owner, takes the roles of the logins one after the other, and is
undone at the end, so that the same probe can be turned on a schema that was broken on purpose.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from tests.isolation.catalogue import FURTHER
from tests.isolation.schema import Table

A, B = UUID(int=0xA11 << 64 | 0x7000 << 48), UUID(int=0xB0B << 64 | 0x7000 << 48)
APP, PLATFORM, OWNER = "leanvibe_app", "leanvibe_platform", "leanvibe_probe_owner"

Check = Callable[[asyncpg.Connection, Table], Awaitable[bool]]


@asynccontextmanager
async def undone(conn: asyncpg.Connection) -> AsyncIterator[None]:
    """What happens inside never was, an error of the database included."""
    nested = conn.transaction()
    await nested.start()
    try:
        yield
    finally:
        await nested.rollback()


async def _become(conn: asyncpg.Connection, role: str, tenant: UUID | None) -> None:
    await conn.execute(f"SET LOCAL ROLE {role}")
    if tenant is not None:
        await conn.execute(f"SET LOCAL app.tenant_id = '{tenant}'")


async def _count(conn: asyncpg.Connection, table: Table, tenant: UUID) -> int:
    count: int = await conn.fetchval(
        f"SELECT count(*) FROM {table.name} WHERE {table.key} = $1", tenant
    )
    return count


async def _refused(conn: asyncpg.Connection, statement: str) -> bool:
    """Whether the policy refuses to write, rather than something that comes before or after."""
    try:
        async with conn.transaction():
            await conn.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return True
    except asyncpg.PostgresError:
        return False
    return False


async def _may(conn: asyncpg.Connection, table: Table, right: str) -> bool:
    allowed: bool = await conn.fetchval(
        "SELECT has_table_privilege(current_user, $1, $2)", table.name, right
    )
    return allowed


async def sees_its_own(conn: asyncpg.Connection, table: Table) -> bool:
    await _become(conn, APP, A)
    return await _count(conn, table, A) == 1


async def sees_no_other(conn: asyncpg.Connection, table: Table) -> bool:
    await _become(conn, APP, A)
    return await _count(conn, table, B) == 0


async def changes_no_other(conn: asyncpg.Connection, table: Table) -> bool:
    await _become(conn, APP, A)
    if not await _may(conn, table, "UPDATE"):
        return True
    key = table.key
    done = await conn.execute(f"UPDATE {table.name} SET {key} = {key} WHERE {key} = '{B}'")
    return bool(done == "UPDATE 0")


async def deletes_no_other(conn: asyncpg.Connection, table: Table) -> bool:
    await _become(conn, APP, A)
    if not await _may(conn, table, "DELETE"):
        return True
    done = await conn.execute(f"DELETE FROM {table.name} WHERE {table.key} = '{B}'")
    return bool(done == "DELETE 0")


async def adds_to_no_other(conn: asyncpg.Connection, table: Table) -> bool:
    await _become(conn, APP, A)
    return await _refused(conn, table.insert(B))


async def gives_nothing_away(conn: asyncpg.Connection, table: Table) -> bool:
    await _become(conn, APP, A)
    return await _refused(conn, f"UPDATE {table.name} SET {table.key} = '{B}'")


async def shows_those_below(conn: asyncpg.Connection, table: Table) -> bool:
    """What is said to be below a tenant, or is named in its subtree, it may read and not write."""
    if table.name not in FURTHER:
        return True
    if table.name == "tenant_ancestors":
        below = f"UPDATE tenant_ancestors SET ancestor_id = '{A}' WHERE tenant_id = '{B}'"
        await conn.execute(below)
    await _become(conn, APP, A)
    await conn.execute(f"SET LOCAL app.subtree = '{B}'")
    return await _count(conn, table, B) == 1 and await changes_no_other(conn, table)


async def fails_without_a_tenant(conn: asyncpg.Connection, table: Table) -> bool:
    await _become(conn, APP, None)
    try:
        async with conn.transaction():
            await conn.fetch(f"SELECT 1 FROM {table.name}")
    except (asyncpg.UndefinedObjectError, asyncpg.InvalidTextRepresentationError):
        return True
    return False


async def shows_the_platform_every_tenant(conn: asyncpg.Connection, table: Table) -> bool:
    await _become(conn, PLATFORM, A)
    return await _count(conn, table, A) == await _count(conn, table, B) == 1


async def holds_its_owner_too(conn: asyncpg.Connection, table: Table) -> bool:
    """The owner of a table, where that is no superuser, is under no policy's favour."""
    await conn.execute(f"CREATE ROLE {OWNER}")
    await conn.execute(f"GRANT USAGE, CREATE ON SCHEMA public TO {OWNER}")
    await conn.execute(f"ALTER TABLE {table.name} OWNER TO {OWNER}")
    await _become(conn, OWNER, A)
    return await _count(conn, table, A) == await _count(conn, table, B) == 0


CHECKS: tuple[Check, ...] = (
    sees_its_own,
    sees_no_other,
    changes_no_other,
    deletes_no_other,
    adds_to_no_other,
    gives_nothing_away,
    shows_those_below,
    fails_without_a_tenant,
    shows_the_platform_every_tenant,
    holds_its_owner_too,
)


async def probe(conn: asyncpg.Connection, table: Table) -> list[str]:
    """The sentences that do not hold of a table, by the names of their checks.

    Two tenants have one row each in it; foreign keys sleep, so that a row needs no others.
    """
    broken = []
    async with undone(conn):
        await conn.execute("SET LOCAL session_replication_role = replica")
        for tenant in (A, B):
            await conn.execute(table.insert(tenant))
        for check in CHECKS:
            async with undone(conn):
                if not await _holds(conn, table, check):
                    broken.append(check.__name__)
    return broken


async def _holds(conn: asyncpg.Connection, table: Table, check: Check) -> bool:
    """An error nobody expected is no proof of anything."""
    try:
        return await check(conn, table)
    except asyncpg.PostgresError:
        return False
