"""Rows and the structs they become: a column and a field bear the same name."""

from collections.abc import Callable
from typing import Any, TypeVar

from leanvibe_server.kernel.db import Connection

Row = TypeVar("Row")


async def find_row(
    conn: Connection, kind: Callable[..., Row], statement: str, *values: Any
) -> Row | None:
    """The row that a statement finds, as a `kind`; None when it finds none."""
    row = await conn.fetchrow(statement, *values)
    return None if row is None else kind(**row)


async def list_rows(
    conn: Connection, kind: Callable[..., Row], statement: str, *values: Any
) -> list[Row]:
    """The rows that a statement finds, each as a `kind`."""
    return [kind(**row) for row in await conn.fetch(statement, *values)]


def columns_of(alias: str, columns: str) -> str:
    """`columns` (apart by commas) as those of the table called `alias` in a statement."""
    return ", ".join(f"{alias}.{name.strip()}" for name in columns.split(","))


def values_of(row: object, columns: str) -> list[Any]:
    """What a struct holds for each of `columns` (apart by commas), in their order."""
    return [getattr(row, name.strip()) for name in columns.split(",")]
