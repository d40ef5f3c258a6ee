"""Migrating as an admin who is no superuser, as on a managed PostgreSQL."""

import asyncpg
import pytest

from leanvibe_server.migrations import CannotMigrate, migrate
from tests.conftest import Ground

RIGHTS = """
SELECT rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole FROM pg_roles
WHERE rolname = 'upgraded_app'
"""


async def test_an_admin_who_is_no_superuser_migrates_and_migrates_again(
    ground: Ground, modest_dsn: str
) -> None:
    first = await migrate(modest_dsn, ground.vault)
    again = await migrate(modest_dsn, ground.vault)

    assert first.before is None
    assert again.before == again.after == first.after


async def test_a_right_that_crept_in_is_taken_or_complained_of(
    ground: Ground, admin: asyncpg.Connection, modest_dsn: str
) -> None:
    await migrate(modest_dsn, ground.vault)
    await admin.execute("ALTER ROLE upgraded_app BYPASSRLS CREATEDB")

    with pytest.raises(CannotMigrate, match="upgraded_app"):
        await migrate(modest_dsn, ground.vault)

    await migrate(ground.admin_dsn.rpartition("/")[0] + "/upgraded", ground.vault)
    assert await admin.fetchval(RIGHTS) is False
