"""A database of its own to migrate, as on a managed server."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.conftest import Ground


@pytest.fixture
async def modest_dsn(ground: Ground, admin: asyncpg.Connection) -> AsyncIterator[str]:
    """The address of a database of its own, as a user who may only create roles."""
    await admin.execute("CREATE ROLE modest LOGIN CREATEROLE PASSWORD 'modest'")
    await admin.execute("CREATE DATABASE upgraded OWNER modest")
    host = ground.admin_dsn.rpartition("@")[2].partition("/")[0]
    yield f"postgresql://modest:modest@{host}/upgraded"
    await admin.execute("DROP DATABASE upgraded")
    for role in ("upgraded_app", "upgraded_platform", "upgraded_worker", "modest"):
        await admin.execute(f"DROP ROLE IF EXISTS {role}")
