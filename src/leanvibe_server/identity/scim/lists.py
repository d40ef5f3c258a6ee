"""What a client asks of a list: a filter, an order, a page, some attributes."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from leanvibe_server.identity.scim.conditions import (
    MOMENT,
    Condition,
    Vocabulary,
    plain_name,
)
from leanvibe_server.identity.scim.errors import invalid
from leanvibe_server.identity.scim.filters import parse_filter
from leanvibe_server.identity.scim.resources import Projection

MAX_COUNT = 200
USUAL_COUNT = 100
MAX_START = 10_000_000


class View(BaseModel):
    """Which attributes to show."""

    attributes: str | None = Field(default=None, max_length=4000)
    excluded: str | None = Field(default=None, max_length=4000, alias="excludedAttributes")

    def projection(self) -> Projection:
        return Projection.of(self.attributes, self.excluded)


class ListQuery(View):
    """The parameters of a list. Source: RFC 7644, section 3.4.2."""

    filter: str | None = None
    sort_by: str | None = Field(default=None, max_length=200, alias="sortBy")
    sort_order: str | None = Field(default=None, max_length=20, alias="sortOrder")
    start: int = Field(default=1, alias="startIndex")
    count: int = USUAL_COUNT


@dataclass(frozen=True)
class Question:
    """A list's question for the database; `start` counts from 1."""

    condition: str
    order: str
    parameters: list[Any]
    start: int
    limit: int

    @property
    def offset(self) -> int:
        return self.start - 1


def question_of(query: ListQuery, vocabulary: Vocabulary) -> Question:
    """The question behind a client's words. Raises: InvalidRequest."""
    condition = Condition(vocabulary, first=2)
    text = "true" if query.filter is None else condition.of(parse_filter(query.filter))
    return Question(
        condition=text,
        order=_order(query, vocabulary),
        parameters=condition.parameters,
        start=min(max(1, query.start), MAX_START),
        limit=min(max(0, query.count), MAX_COUNT),
    )


def _order(query: ListQuery, vocabulary: Vocabulary) -> str:
    if query.sort_by is None:
        return "1"
    name = plain_name(query.sort_by, vocabulary.schema)
    column = vocabulary.columns.get(name)
    if column is None:
        raise invalid("invalidPath", f"Lists cannot be sorted by {query.sort_by[:80]!r}.")
    descending = (query.sort_order or "").lower() == "descending"
    key = column.sql if column.kind in (MOMENT, "flag") else f"lower({column.sql})"
    return f"{key} {'DESC NULLS LAST' if descending else 'ASC NULLS LAST'}"
