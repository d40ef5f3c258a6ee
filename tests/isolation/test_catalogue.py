"""The schema itself: no tenant table without a forced policy, no way around one."""

import asyncpg

from tests.isolation.schema import GLOBAL

# The directory is read before a tenant is known, by the platform login only.
KEYED_OTHERWISE = {
    "directory_by_email",
    "directory_by_account",
    "domains_verified",
    "tenants_pkey",
    "tenants_slug_key",
}


async def _tables(admin: asyncpg.Connection) -> list[asyncpg.Record]:
    return await admin.fetch(
        """
        SELECT c.oid, c.relname AS name, c.relrowsecurity AS enabled,
               c.relforcerowsecurity AS forced
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
        """
    )


async def test_every_tenant_table_forces_row_level_security(admin: asyncpg.Connection) -> None:
    open_tables = {
        row["name"]
        for row in await _tables(admin)
        if row["name"] not in GLOBAL and not (row["enabled"] and row["forced"])
    }
    assert open_tables == set()


async def test_every_tenant_table_has_the_one_form_of_policy(admin: asyncpg.Connection) -> None:
    policies = await admin.fetch("SELECT * FROM pg_policies WHERE schemaname = 'public'")
    by_table: dict[str, dict[str, asyncpg.Record]] = {}
    for policy in policies:
        by_table.setdefault(policy["tablename"], {})[policy["policyname"]] = policy
    for row in await _tables(admin):
        if row["name"] in GLOBAL:
            continue
        found = by_table[row["name"]]
        assert set(found) == {"tenant_rows", "platform_rows"}, row["name"]
        column = "id" if row["name"] == "tenants" else "tenant_id"
        bound = f"({column} = (current_setting('app.tenant_id'::text))::uuid)"
        tenant = found["tenant_rows"]
        assert (tenant["qual"], tenant["with_check"]) == (bound, bound), row["name"]
        assert tenant["roles"] == ["leanvibe_app"]
        assert found["platform_rows"]["roles"] == ["leanvibe_platform"]


async def test_every_key_and_index_begins_with_the_tenant(admin: asyncpg.Connection) -> None:
    indexes = await admin.fetch(
        """
        SELECT i.indexrelid::regclass::text AS name, t.relname AS table,
               a.attname AS first
        FROM pg_index i
        JOIN pg_class t ON t.oid = i.indrelid
        JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = 'public'
        LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0]
        """
    )
    wrong = {
        row["name"]
        for row in indexes
        if row["table"] not in GLOBAL
        and row["name"] not in KEYED_OTHERWISE
        and row["first"] != "tenant_id"
    }
    assert wrong == set()


async def test_every_foreign_key_between_tenant_tables_carries_the_tenant(
    admin: asyncpg.Connection,
) -> None:
    keys = await admin.fetch(
        """
        SELECT conname AS name, conrelid::regclass::text AS source,
               (SELECT array_agg(attname::text) FROM pg_attribute
                WHERE attrelid = conrelid AND attnum = ANY (conkey)) AS columns
        FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
        """
    )
    for key in keys:
        if key["source"] == "tenants":
            assert key["columns"] == ["parent_tenant_id"]
        else:
            assert "tenant_id" in key["columns"], key["name"]


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


async def test_no_view_or_function_reads_with_the_owner_s_rights(
    admin: asyncpg.Connection,
) -> None:
    views = await admin.fetchval(
        """
        SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND (c.relkind = 'm' OR (c.relkind = 'v'
          AND NOT coalesce(c.reloptions @> ARRAY['security_invoker=true'], false)))
        """
    )
    definers = await admin.fetchval(
        "SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname = 'public' AND p.prosecdef"
    )
    assert (views, definers) == (0, 0)


async def test_the_app_login_cannot_touch_what_belongs_to_the_platform_or_rewrite_history(
    admin: asyncpg.Connection,
) -> None:
    async def rights(role: str, table: str) -> set[str]:
        return {
            right
            for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
            if await admin.fetchval("SELECT has_table_privilege($1, $2, $3)", role, table, right)
        }

    for table in ("signing_keys", "login_failures"):
        assert await rights("leanvibe_app", table) == set()
    for role in ("leanvibe_app", "leanvibe_platform"):
        assert await rights(role, "events") == {"SELECT", "INSERT"}
    for table in ("events", "users", "tasks"):
        assert await rights("leanvibe_worker", table) == set()
    assert not await admin.fetchval("SELECT has_schema_privilege('leanvibe_app','public','CREATE')")
