"""The registry to which each room hands its personal data: what is kept of people, and why.

Export, erasure, retention and the record of processing are all read off this one list, and a
test holds it against the live schema, so that no table is forgotten.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from uuid import UUID

if TYPE_CHECKING:
    from leanvibe_server.kernel.scope import Scope

Erasure = Literal["delete", "keep"]


@dataclass(frozen=True)
class Retention:
    """How long rows are kept, in days, and within which bounds a tenant may say otherwise.

    Rows whose `column` is older are removed by the hourly sweep; `only` narrows which.
    """

    column: str
    days: int
    shortest: int
    longest: int
    only: str = "true"


@dataclass(frozen=True)
class TableData:
    """What one table keeps of people.

    `person` is a condition that finds one person's rows; {person} stands for their id and
    {email} for their address. None: the table tells of nobody in particular. `withheld` columns
    are secrets, or of no use to a person, and never leave. `kept_because` says why an erasure
    leaves rows in place.

    Source: GDPR Art. 5(1)(e), 15, 17, 20, 30.
    """

    table: str
    purpose: str
    categories: tuple[str, ...] = ()
    person: str | None = None
    withheld: frozenset[str] = frozenset()
    erasure: Erasure = "keep"
    kept_because: str = ""
    retention: Retention | None = None
    basis: str = "contract, Art. 6(1)(b)"
    tenant_column: str = "tenant_id"
    exported: bool = True


@dataclass(frozen=True)
class Subject:
    """A person who is to be erased."""

    user_id: UUID
    email: str


EraseMore = Callable[["Scope", Subject], Awaitable[dict[str, int]]]


@dataclass
class DataMap:
    """Every table of the house, in an order in which rows can be deleted: what refers to others
    first. `more` does what no single table tells, and says how many rows it changed in which."""

    tables: tuple[TableData, ...] = ()
    more: tuple[EraseMore, ...] = field(default_factory=tuple)

    def find(self, table: str) -> TableData | None:
        return next((one for one in self.tables if one.table == table), None)
