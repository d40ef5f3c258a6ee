"""The schema itself: no tenant table without a forced policy, no way around one."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from tests.isolation.catalogue import RULES, Faults, faults_of
from tests.isolation.probe import undone


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
async def test_nothing_in_the_schema_breaks_the_rule(
    rule: Callable[[asyncpg.Connection], Awaitable[Faults]], admin: asyncpg.Connection
) -> None:
    assert await rule(admin) == set()


@pytest.mark.parametrize(
    ("made", "caught"),
    [
        ("CREATE VIEW seen AS SELECT * FROM users", "seen"),
        ("CREATE MATERIALIZED VIEW seen AS SELECT * FROM users", "seen"),
        (
            "CREATE FUNCTION seen() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
            "seen",
        ),
    ],
)
async def test_sec_tenant_isolation_db_08_what_reads_with_the_owner_s_rights_is_caught(
    made: str, caught: str, admin: asyncpg.Connection
) -> None:
    async with undone(admin):
        await admin.execute(made)
        assert (await faults_of(admin))["what_reads_with_the_owner_s_rights"] == {caught}


PROTECT = """
ALTER TABLE fresh ENABLE ROW LEVEL SECURITY;
ALTER TABLE fresh FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON fresh TO leanvibe_app
    USING (tenant_id = current_setting('app.tenant_id')::uuid)
    WITH CHECK (tenant_id = current_setting('app.tenant_id')::uuid);
CREATE POLICY platform_rows ON fresh TO leanvibe_platform USING (true) WITH CHECK (true);
"""
KEYED = (
    "CREATE TABLE fresh (tenant_id uuid NOT NULL, id uuid NOT NULL, PRIMARY KEY (tenant_id, id));"
)


@pytest.mark.parametrize(
    "made",
    [
        KEYED,
        KEYED + PROTECT + "ALTER TABLE fresh NO FORCE ROW LEVEL SECURITY",
        KEYED + PROTECT + "ALTER TABLE fresh DISABLE ROW LEVEL SECURITY",
        KEYED + PROTECT + "DROP POLICY tenant_rows ON fresh",
        KEYED + PROTECT + "ALTER POLICY tenant_rows ON fresh USING (true)",
        KEYED + PROTECT + "ALTER POLICY tenant_rows ON fresh WITH CHECK (true)",
        KEYED + PROTECT + "CREATE POLICY too ON fresh TO leanvibe_app USING (true)",
        "CREATE TABLE fresh (id uuid PRIMARY KEY, tenant_id uuid NOT NULL);" + PROTECT,
        "CREATE TABLE fresh (id uuid, tenant_id uuid NOT NULL);" + PROTECT,
        KEYED + PROTECT + "CREATE UNIQUE INDEX fresh_id ON fresh (id)",
        KEYED + PROTECT + "ALTER TABLE fresh ADD task_id uuid, ADD other uuid UNIQUE",
    ],
)
async def test_sec_tenant_isolation_db_17_a_new_table_that_is_not_protected_is_caught(
    made: str, admin: asyncpg.Connection
) -> None:
    async with undone(admin):
        await admin.execute(made)
        assert any("fresh" in str(names) for names in (await faults_of(admin)).values())


async def test_a_new_table_that_is_protected_breaks_no_rule(admin: asyncpg.Connection) -> None:
    async with undone(admin):
        await admin.execute(KEYED + PROTECT)
        assert await faults_of(admin) == {}


async def test_no_login_of_the_house_can_go_around_a_policy(admin: asyncpg.Connection) -> None:
    roles = await admin.fetch("SELECT * FROM pg_roles WHERE rolname LIKE 'leanvibe\\_%'")
    assert {role["rolname"] for role in roles} == {
        "leanvibe_app",
        "leanvibe_platform",
        "leanvibe_worker",
    }
    for role in roles:
        assert not role["rolsuper"]
        assert not role["rolbypassrls"]
        assert not role["rolcreaterole"]
    members = await admin.fetchval(
        "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member"
        " WHERE r.rolname LIKE 'leanvibe\\_%'"
    )
    assert members == 0
    owned = await admin.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        " AND tableowner LIKE 'leanvibe\\_%'"
    )
    assert owned == []


async def test_the_app_login_cannot_touch_what_belongs_to_the_platform_or_rewrite_history(
    admin: asyncpg.Connection,
) -> None:
    async def rights(role: str, table: str) -> set[str]:
        return {
            right
            for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
            if await admin.fetchval("SELECT has_table_privilege($1, $2, $3)", role, table, right)
        }

    for table in ("signing_keys", "login_failures", "tenant_directory", "remote_directory"):
        assert await rights("leanvibe_app", table) == set()
    for role in ("leanvibe_app", "leanvibe_platform"):
        assert await rights(role, "events") == {"SELECT", "INSERT"}
    for table in ("events", "users", "tasks"):
        assert await rights("leanvibe_worker", table) == set()
    assert not await admin.fetchval("SELECT has_schema_privilege('leanvibe_app','public','CREATE')")
