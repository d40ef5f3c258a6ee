"""Lists: a page, and an opaque cursor to the next."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, computed_field

from leanvibe_server.kernel.errors import invalid_field

T = TypeVar("T")
R = TypeVar("R")


class PageRequest(BaseModel):
    """Which part of a list is asked for."""

    limit: int
    after: UUID | None = None


class Page(BaseModel, Generic[T]):
    """One part of a list; pass `next_cursor` as `cursor` to get the next."""

    data: list[T]
    has_more: bool
    next_cursor: str | None


class Whole(BaseModel, Generic[T]):
    """A list that is short by its nature: always whole, and read like a page."""

    data: list[T]

    @computed_field  # type: ignore[prop-decorator]  # as pydantic documents it
    @property
    def has_more(self) -> bool:
        """Nothing follows."""
        return False

    @computed_field  # type: ignore[prop-decorator]
    @property
    def next_cursor(self) -> None:
        """Nothing follows."""


def encode_cursor(last_id: UUID) -> str:
    return base64.urlsafe_b64encode(json.dumps({"id": str(last_id)}).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> UUID:
    """The id behind a cursor.

    Raises: InvalidRequest: the text is none of our cursors.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return UUID(json.loads(base64.urlsafe_b64decode(padded))["id"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise invalid_field(
            "cursor",
            "not a valid cursor",
            "The cursor is not valid. Begin without one, or use next_cursor of the last page.",
        ) from None


def _page_request(
    limit: Annotated[int, Query(ge=1, le=100, description="Entries on a page")] = 20,
    cursor: Annotated[
        str | None, Query(max_length=200, description="`next_cursor` of the page before")
    ] = None,
) -> PageRequest:
    return PageRequest(limit=limit, after=None if cursor is None else decode_cursor(cursor))


PageQuery = Annotated[PageRequest, Depends(_page_request)]


def containing(text: str) -> str:
    """The pattern of ILIKE that finds `text` anywhere, its own wildcards taken as letters."""
    plain = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{plain}%"


def page_of(
    rows: Sequence[R], page: PageRequest, view: Callable[[R], T], key: Callable[[R], UUID]
) -> Page[T]:
    """A page from rows that were fetched with one more than the limit."""
    shown = rows[: page.limit]
    more = len(rows) > page.limit
    return Page[T](
        data=[view(row) for row in shown],
        has_more=more,
        next_cursor=encode_cursor(key(shown[-1])) if more else None,
    )
