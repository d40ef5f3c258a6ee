"""Wire types every room prints alike."""

import re
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, Field, PlainSerializer

from leanvibe_server.kernel.clock import rfc3339

Timestamp = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]
"""A moment, printed in RFC 3339 UTC with `Z`."""


# Control characters, and those that hide or turn the direction of text around: a name is one line
# that reads the same in a terminal, a commit and a page.
_TRICKY = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")


def one_line(value: Any) -> Any:
    """A text as one line that shows all it holds; anything else as it is."""
    return _TRICKY.sub(" ", value).strip() if isinstance(value, str) else value


OneLine = BeforeValidator(one_line)
"""Marks text that people read as a name: line breaks and tricky characters become spaces.

It stands last, so that the constraints before it see the result.
"""


def counted(value: Any) -> Any:
    """Anything but true and false, which would be read as the numbers 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("Input should be a whole number")
    return value


class RowView(BaseModel):
    """What is printed of a row."""

    @classmethod
    def from_row(cls, row: object, /, **others: Any) -> Self:
        """Each field is the row's attribute of the same name, or one of `others`."""
        same = {name: getattr(row, name) for name in cls.model_fields if name not in others}
        return cls(**same, **others)


class Error(BaseModel):
    """The envelope of every error."""

    error: str = Field(description="Code to branch on", examples=["not_found"])
    message: str = Field(description="What happened and what to do next")
    details: dict[str, Any]
    request_id: str = Field(examples=["req_550e8400-e29b-41d4-a716-446655440005"])
    timestamp: Timestamp
    upgrade_options: list[dict[str, Any]] | None = Field(
        None, description="Plans with more room; only beside quota_exceeded and forbidden"
    )
