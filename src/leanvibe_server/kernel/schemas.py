"""Wire types every room prints alike."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, PlainSerializer

from leanvibe_server.kernel.clock import rfc3339

Timestamp = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]
"""A moment, printed in RFC 3339 UTC with `Z`."""


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
