"""Where time comes from."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of the present moment, aware and in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """The moment as the API prints it: UTC with a trailing Z.

    Source: RFC 3339.
    """
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
