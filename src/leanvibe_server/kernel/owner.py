"""What no login of the house may do, done as the owner of the schema: the log forgets a tenant.

The event log is append-only for the logins the house works under, and stays so. When a tenant is
gone for good, the worker deletes its part as the owner, whose address is that of `migrate`.
"""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from leanvibe_server.kernel.config import Settings

BATCH = 5_000
MAY_BYPASS = """
SELECT rolsuper OR rolbypassrls AS bypasses FROM pg_roles WHERE rolname = current_user
"""


async def delete_as_owner(
    settings: Settings, region: str, tenant_id: UUID, tables: Sequence[str]
) -> None:
    """Delete the rows of one tenant from tables no other login may delete from."""
    connection = await asyncpg.connect(settings.direct_database_of(region), timeout=10)
    try:
        await connection.execute("SET lock_timeout = '5s'")
        bypasses = await connection.fetchval(MAY_BYPASS)
        for table in tables:
            if bypasses:
                await _delete(connection, table, tenant_id)
            else:
                await _delete_by_policy(connection, table, tenant_id)
    finally:
        await connection.close()


async def _delete(
    connection: "asyncpg.Connection[asyncpg.Record]", table: str, tenant_id: UUID
) -> None:
    """In batches, so that no statement holds its locks for long."""
    some = f'SELECT ctid FROM "{table}" WHERE tenant_id = $1 LIMIT {BATCH}'  # noqa: S608  # a name of the catalogue
    statement = f'DELETE FROM "{table}" WHERE ctid = ANY (ARRAY ({some}))'  # noqa: S608  # the same
    while await connection.execute(statement, tenant_id) != "DELETE 0":
        pass


async def _delete_by_policy(
    connection: "asyncpg.Connection[asyncpg.Record]", table: str, tenant_id: UUID
) -> None:
    """An owner who is no superuser is under forced row-level security too: for as long as this
    takes, a policy shows them this tenant's rows and no others."""
    drop = f'DROP POLICY IF EXISTS purge ON "{table}"'
    bound = f"tenant_id = '{UUID(str(tenant_id))}'"
    await connection.execute(drop)
    await connection.execute(f'CREATE POLICY purge ON "{table}" TO CURRENT_USER USING ({bound})')
    try:
        await _delete(connection, table, tenant_id)
    finally:
        await connection.execute(drop)
