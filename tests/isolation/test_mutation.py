"""Isolation is not only there, it is noticed when it is gone: each part of it is taken away in
turn, and the probe of behaviour must turn red every time."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import asyncpg
import pytest

from tests.isolation.probe import probe, undone
from tests.isolation.schema import Table, list_tenant_tables


@dataclass(frozen=True)
class Mutant:
    """One part of a table's protection, taken away by `statement`."""

    name: str
    statement: str


@pytest.fixture
async def owner(admin: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """The owner's connection inside a transaction that is undone."""
    async with undone(admin):
        yield admin


async def list_mutants(owner: asyncpg.Connection, table: Table) -> list[Mutant]:
    """Every policy dropped, opened and left unchecked; FORCE and row-level security off."""
    policies = await owner.fetch(
        "SELECT policyname AS name, qual, with_check FROM pg_policies"
        " WHERE schemaname = 'public' AND tablename = $1",
        table.name,
    )
    alter = f"ALTER TABLE {table.name}"
    mutants = [
        Mutant("no FORCE", f"{alter} NO FORCE ROW LEVEL SECURITY"),
        Mutant("no row-level security", f"{alter} DISABLE ROW LEVEL SECURITY"),
    ]
    for policy in policies:
        name, on = policy["name"], f"ON {table.name}"
        mutants.append(Mutant(f"no policy {name}", f"DROP POLICY {name} {on}"))
        if policy["qual"] not in (None, "true"):
            mutants.append(Mutant(f"{name} open", f"ALTER POLICY {name} {on} USING (true)"))
        if policy["with_check"] not in (None, "true"):
            unchecked = f"ALTER POLICY {name} {on} WITH CHECK (true)"
            mutants.append(Mutant(f"{name} without WITH CHECK", unchecked))
    return mutants


async def test_every_table_keeps_each_tenant_to_its_own_rows(owner: asyncpg.Connection) -> None:
    tables = await list_tenant_tables(owner)
    assert len(tables) > 15
    assert {table.name: await probe(owner, table) for table in tables} == {
        table.name: [] for table in tables
    }


async def test_sec_tenant_isolation_db_18_every_part_of_the_protection_that_is_taken_away_is_missed(
    owner: asyncpg.Connection, record_property: Callable[[str, object], None]
) -> None:
    killed, survivors = 0, []
    for table in await list_tenant_tables(owner):
        for mutant in await list_mutants(owner, table):
            async with undone(owner):
                await owner.execute(mutant.statement)
                if await probe(owner, table):
                    killed += 1
                else:
                    survivors.append(f"{table.name}: {mutant.name}")
    assert survivors == []
    assert killed > 100
    record_property("summary", f"isolation: {killed} of {killed} mutants killed (100 %)")
