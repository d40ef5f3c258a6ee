"""One page of a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from leanvibe._records import Record

T = TypeVar("T", bound=Record)


@dataclass(frozen=True)
class Page(Generic[T]):
    """Up to `limit` rows; `next_cursor` asks for those that follow, None on the last page.

    `unreachable_regions` names those whose rows are missing, in lists over all regions.
    """

    data: list[T]
    has_more: bool
    next_cursor: str | None
    unreachable_regions: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: type[T], body: Mapping[str, Any]) -> Page[T]:
        """The page as the server sent it."""
        rows = [row(entry) for entry in body["data"]]
        missing = tuple(body.get("unreachable_regions", ()))
        return cls(rows, bool(body.get("has_more")), body.get("next_cursor"), missing)

    def __iter__(self) -> Iterator[T]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, position: int) -> T:
        return self.data[position]

    def to_dict(self) -> dict[str, Any]:
        """The page as plain JSON types."""
        rows = [row.to_dict() for row in self.data]
        return {"data": rows, "has_more": self.has_more, "next_cursor": self.next_cursor}
