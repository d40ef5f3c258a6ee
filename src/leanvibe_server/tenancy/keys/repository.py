"""Every SQL statement about data keys beside those that seal and unseal."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from leanvibe_server.kernel.data_keys import COLUMNS, WrappedKey
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.master_keys import MARKED
from leanvibe_server.kernel.rows import list_rows
from leanvibe_server.kernel.sealing import SealedColumn

LIST = f"SELECT {COLUMNS} FROM data_keys WHERE tenant_id = $1 ORDER BY version DESC"
# Waits for those who are sealing: see kernel.data_keys.HOLD_CURRENT.
RETIRE = """
UPDATE data_keys SET retired_at = $3
WHERE tenant_id = $1 AND version = $2 AND retired_at IS NULL AND destroyed_at IS NULL
RETURNING version
"""
DESTROY = """
UPDATE data_keys SET wrapped = NULL, destroyed_at = $3, retired_at = coalesce(retired_at, $3)
WHERE tenant_id = $1 AND version = $2 AND destroyed_at IS NULL RETURNING version
"""
REWRAP = """
UPDATE data_keys SET wrapped = $4, wrapped_by = $5
WHERE tenant_id = $1 AND version = $2 AND wrapped = $3 RETURNING version
"""
PROCESSES = """
SELECT DISTINCT application_name FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE $1
"""
TENANTS_WITH_KEYS = """
SELECT DISTINCT tenant_id FROM data_keys WHERE destroyed_at IS NULL
  AND ($1::uuid IS NULL OR tenant_id = $1) ORDER BY tenant_id
"""


async def list_keys(conn: Connection, tenant_id: UUID) -> list[WrappedKey]:
    """Every version, newest first."""
    return await list_rows(conn, WrappedKey, LIST, tenant_id)


async def retire(conn: Connection, tenant_id: UUID, version: int, *, now: datetime) -> bool:
    """Seal nothing more with a version; False when it is not the current one any more."""
    return await conn.fetchval(RETIRE, tenant_id, version, now) is not None


async def destroy(conn: Connection, tenant_id: UUID, version: int, *, now: datetime) -> bool:
    """Forget a key; False when it was forgotten before."""
    return await conn.fetchval(DESTROY, tenant_id, version, now) is not None


async def rewrap(conn: Connection, key: WrappedKey, wrapped: bytes, wrapped_by: str) -> bool:
    """Keep a key in its new wrapping, unless it was wrapped or destroyed meanwhile."""
    done = await conn.fetchval(REWRAP, key.tenant_id, key.version, key.wrapped, wrapped, wrapped_by)
    return done is not None


async def list_processes(conn: Connection) -> list[str]:
    """What the lasting connections of servers and workers are called here."""
    return [row["application_name"] for row in await conn.fetch(PROCESSES, f"%{MARKED}%")]


async def list_tenants_with_keys(conn: Connection, tenant_id: UUID | None) -> list[UUID]:
    """The tenants that have a key to rotate, or the one named."""
    return [row["tenant_id"] for row in await conn.fetch(TENANTS_WITH_KEYS, tenant_id)]


# Names of tables and columns come from wiring.SEALED_COLUMNS, never from a caller.
def sealed_otherwise(column: SealedColumn) -> str:
    """A batch of a column's values that were not sealed with the version of prefix $3."""
    return f"""
        SELECT id, {column.column} AS sealed FROM {column.table}
        WHERE tenant_id = $1 AND id > $2 AND {column.column} IS NOT NULL
          AND substring({column.column} FROM 1 FOR 5) <> $3
        ORDER BY id LIMIT $4 FOR UPDATE
    """


def put_back(column: SealedColumn) -> str:
    """Replace one value."""
    return f"UPDATE {column.table} SET {column.column} = $3 WHERE tenant_id = $1 AND id = $2"


def sealed_with(column: SealedColumn) -> str:
    """How many values of a column begin with the prefix $2."""
    return f"""
        SELECT count(*) FROM {column.table} WHERE tenant_id = $1
          AND substring({column.column} FROM 1 FOR length($2::bytea)) = $2::bytea
    """


async def list_sealed_otherwise(
    conn: Connection,
    column: SealedColumn,
    tenant_id: UUID,
    *,
    after: UUID,
    prefix: bytes,
    limit: int,
) -> Sequence[tuple[UUID, bytes]]:
    """Values to seal anew, locked until the transaction ends."""
    rows = await conn.fetch(sealed_otherwise(column), tenant_id, after, prefix, limit)
    return [(row["id"], row["sealed"]) for row in rows]


async def replace_sealed(
    conn: Connection, column: SealedColumn, tenant_id: UUID, row_id: UUID, sealed: bytes
) -> None:
    await conn.execute(put_back(column), tenant_id, row_id, sealed)


async def count_sealed_with(
    conn: Connection, column: SealedColumn, tenant_id: UUID, prefix: bytes
) -> int:
    found: int = await conn.fetchval(sealed_with(column), tenant_id, prefix)
    return found
