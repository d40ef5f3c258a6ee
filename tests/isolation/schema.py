"""Rows of any table, made up from the schema, so that a new table is tried without being named."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

# Tables that belong to no tenant, each with its reason.
GLOBAL = {
    "signing_keys": "keys of the platform; the app login may not read them",
    "login_failures": "keyed hashes of accounts and addresses, before a tenant is known",
    "tenant_directory": "slug and region of each tenant; the app login may not read it",
    "remote_directory": "keyed hashes of who lives elsewhere; the app login may not read it",
    "webauthn_credentials": "keyed hashes of key ids; the app login may not read it",
    "alembic_version": "the schema's revision",
    "pgqueuer": "the queue: ids only, and only the worker reads it",
    "pgqueuer_log": "the queue's log",
    "pgqueuer_statistics": "the queue's numbers",
    "pgqueuer_schedules": "the queue's clock",
}

COLUMNS = """
SELECT c.relname AS "table", a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  AND (a.attnotnull OR a.attname = 'tenant_id')
ORDER BY c.relname, a.attnum
"""
CHECKS = """
SELECT conrelid::regclass::text AS "table", pg_get_constraintdef(oid) AS text
FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace
"""
# What PostgreSQL makes a value of each type from.
VALUES = {
    "uuid": "gen_random_uuid()",
    "text": "gen_random_uuid()::text",
    "bytea": "uuid_send(gen_random_uuid())",
    "boolean": "false",
    "integer": "1",
    "bigint": "1",
    "jsonb": "'{}'",
    "text[]": "'{}'",
    "uuid[]": "'{}'",
    "timestamp with time zone": "now()",
    "date": "current_date",
    "inet": "'192.0.2.1'",
    "cidr": "'192.0.2.0/24'",
}


# Columns that may be NULL in some rows, but not in one that was just made.
ALSO = {"data_keys": {"wrapped": "uuid_send(gen_random_uuid())"}}


@dataclass(frozen=True)
class Table:
    """A table of tenants: `key` is the column that names the tenant, `columns` are those a row
    needs, each with the SQL that makes a value for it."""

    name: str
    key: str
    columns: dict[str, str]

    def insert(self, tenant_id: UUID) -> str:
        """A statement that adds one row of the tenant."""
        filled = {**self.columns, self.key: f"'{tenant_id}'"}
        return (
            f"INSERT INTO {self.name} ({', '.join(filled)}) VALUES ({', '.join(filled.values())})"
        )


async def list_tenant_tables(admin: asyncpg.Connection) -> list[Table]:
    """Every table whose rows belong to tenants, as the catalogue has it."""
    enumerated = _enumerated(await admin.fetch(CHECKS))
    columns: dict[str, dict[str, str]] = {}
    for row in await admin.fetch(COLUMNS):
        if row["table"] not in GLOBAL:
            value = enumerated.get((row["table"], row["name"])) or _value(row["type"])
            columns.setdefault(row["table"], {})[row["name"]] = value
    return [
        Table(name, "id" if name == "tenants" else "tenant_id", needed | ALSO.get(name, {}))
        for name, needed in columns.items()
    ]


def _value(kind: str) -> str:
    return "1" if kind.startswith("numeric") else VALUES[kind]


def _enumerated(checks: list[Any]) -> dict[tuple[str, str], str]:
    """The first of the words a column may hold, where a check lists them."""
    found = {}
    for check in checks:
        match = re.match(r"CHECK \(\((\w+) = ANY \(ARRAY\['([^']*)'::text", check["text"])
        if match:
            found[check["table"], match[1]] = f"'{match[2]}'"
    return found
