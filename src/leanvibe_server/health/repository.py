"""Statements about the database itself."""

from leanvibe_server.kernel.db import Connection

CACHE_HIT_RATE = """
SELECT round(100.0 * blks_hit / nullif(blks_hit + blks_read, 0), 1)::float8
FROM pg_stat_database WHERE datname = current_database()
"""


async def cache_hit_rate(conn: Connection) -> float | None:
    """Per cent of the blocks that were found in the database's memory; None before the first."""
    rate: float | None = await conn.fetchval(CACHE_HIT_RATE)
    return rate
