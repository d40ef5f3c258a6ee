"""What the schema must be like so that no tenant can reach another, read from the catalogue.

Each function gives the names of what is wrong; none are right.
"""

from collections.abc import Awaitable, Callable

import asyncpg

from tests.isolation.schema import GLOBAL

# Read before a tenant is known, by the platform login only.
KEYED_OTHERWISE = {
    "directory_by_email",
    "directory_by_account",
    "domains_verified",
    "events_newest",
    # From an organisation to those below it: the one table a tenant finds others by, on purpose.
    "tenant_ancestors_below",
    "tenants_pkey",
    "tenants_slug_key",
}
TABLES = """
SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
"""
POLICIES = "SELECT * FROM pg_policies WHERE schemaname = 'public'"
INDEXES = """
SELECT i.indexrelid::regclass::text AS name, t.relname AS table, a.attname AS first
FROM pg_index i
JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = 'public'
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0]
"""
UNKEYED = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT EXISTS (
    SELECT 1 FROM pg_constraint p WHERE p.conrelid = c.oid AND p.contype = 'p')
"""
FOREIGN_KEYS = """
SELECT conname AS name, conrelid::regclass::text AS source,
       (SELECT array_agg(attname::text) FROM pg_attribute
        WHERE attrelid = conrelid AND attnum = ANY (conkey)) AS columns
FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
"""
OWNER_S_EYES = """
SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND (c.relkind = 'm' OR (c.relkind = 'v'
  AND NOT coalesce(c.reloptions @> ARRAY['security_invoker=true'], false)))
UNION ALL
SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'public' AND p.prosecdef
"""

Faults = set[str]


async def tables_without_forced_security(conn: asyncpg.Connection) -> Faults:
    return {
        row["name"]
        for row in await conn.fetch(TABLES)
        if row["name"] not in GLOBAL and not (row["enabled"] and row["forced"])
    }


async def tables_with_other_policies(conn: asyncpg.Connection) -> Faults:
    """Every table has two policies, in one form: its tenant's rows, and the platform's."""
    by_table: dict[str, dict[str, asyncpg.Record]] = {}
    for policy in await conn.fetch(POLICIES):
        by_table.setdefault(policy["tablename"], {})[policy["policyname"]] = policy
    return {
        row["name"]
        for row in await conn.fetch(TABLES)
        if row["name"] not in GLOBAL
        and not _is_of_the_one_form(row["name"], by_table.get(row["name"], {}))
    }


# What an organisation may read of those below it, each with the policy that says so.
FURTHER = {
    "tenant_ancestors": {"tenant_descendants"},
    "tenants": {"tenant_subtree"},
    "usage_counters": {"tenant_subtree"},
}


def _is_of_the_one_form(table: str, policies: dict[str, asyncpg.Record]) -> bool:
    further = FURTHER.get(table, set())
    if set(policies) != {"tenant_rows", "platform_rows", *further}:
        return False
    if any(policies[name]["cmd"] != "SELECT" for name in further):
        return False
    column = "id" if table == "tenants" else "tenant_id"
    bound = f"({column} = (current_setting('app.tenant_id'::text))::uuid)"
    tenant, platform = policies["tenant_rows"], policies["platform_rows"]
    return bool(
        tenant["qual"] == bound
        # Who may only read writes nothing that had to be checked.
        and tenant["with_check"] == (None if tenant["cmd"] == "SELECT" else bound)
        and tenant["roles"] == ["leanvibe_app"]
        and platform["roles"] == ["leanvibe_platform"]
    )


async def indexes_that_begin_otherwise(conn: asyncpg.Connection) -> Faults:
    return {
        row["name"]
        for row in await conn.fetch(INDEXES)
        if row["table"] not in GLOBAL
        and row["name"] not in KEYED_OTHERWISE
        and row["first"] != "tenant_id"
    }


async def tables_without_a_key(conn: asyncpg.Connection) -> Faults:
    return {row["relname"] for row in await conn.fetch(UNKEYED)} - set(GLOBAL)


async def foreign_keys_without_the_tenant(conn: asyncpg.Connection) -> Faults:
    return {
        key["name"]
        for key in await conn.fetch(FOREIGN_KEYS)
        if "tenant_id" not in key["columns"]
        and (key["source"], *key["columns"])
        not in {("tenants", "parent_tenant_id"), ("tenant_ancestors", "ancestor_id")}
    }


async def what_reads_with_the_owner_s_rights(conn: asyncpg.Connection) -> Faults:
    return {row["name"] for row in await conn.fetch(OWNER_S_EYES)}


RULES: tuple[Callable[[asyncpg.Connection], Awaitable[Faults]], ...] = (
    tables_without_forced_security,
    tables_with_other_policies,
    tables_without_a_key,
    indexes_that_begin_otherwise,
    foreign_keys_without_the_tenant,
    what_reads_with_the_owner_s_rights,
)


async def faults_of(conn: asyncpg.Connection) -> dict[str, Faults]:
    """Every rule that is broken, with what breaks it."""
    found = {rule.__name__: await rule(conn) for rule in RULES}
    return {rule: names for rule, names in found.items() if names}
