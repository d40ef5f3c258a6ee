"""The audit log as CSV, page by page, so that a log of any length needs little memory."""

import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from leanvibe_server.kernel.clock import rfc3339
from leanvibe_server.kernel.events import StoredEvent

Fetch = Callable[[UUID | None, int], Awaitable[list[StoredEvent]]]
BATCH = 500
MEDIA_TYPE = "text/csv; charset=utf-8; header=present"
COLUMNS = (
    "timestamp", "event_type", "area", "tenant_id", "actor_kind", "actor_id", "actor_label",
    "ip_address", "user_agent", "request_id", "details", "id",
)  # fmt: skip
# The first cell of the line that says what is missing; every other line begins with a time.
UNREACHABLE = "# unreachable_regions"
# What a spreadsheet takes for a formula. Source: OWASP, "CSV Injection".
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


async def csv_lines(fetch: Fetch, unreachable: Sequence[str] = ()) -> AsyncIterator[bytes]:
    """The whole answer of `fetch(before, limit)`, newest first, and a last line that names the
    regions that are missing from it, if `unreachable` then holds any. Source: RFC 4180."""
    yield _line(COLUMNS)
    before: UUID | None = None
    while True:
        batch = await fetch(before, BATCH)
        yield b"".join(_line(_cells(event)) for event in batch)
        if len(batch) < BATCH:
            break
        before = batch[-1].id
    if unreachable:
        yield _line((UNREACHABLE, *sorted(set(unreachable))))


def _cells(event: StoredEvent) -> Sequence[Any]:
    return (
        rfc3339(event.occurred_at),
        event.name,
        event.area,
        event.tenant_id,
        event.actor_kind,
        event.actor_id,
        event.actor_label,
        event.address,
        event.user_agent,
        event.request_id,
        json.dumps(event.payload, ensure_ascii=False, separators=(",", ":")),
        event.id,
    )


def _line(cells: Sequence[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow([safe_cell(cell) for cell in cells])
    return text.getvalue().encode()


def safe_cell(value: Any) -> str:
    """The value as text that no spreadsheet runs, on one line, without control characters."""
    text = "" if value is None else str(value)
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return f"'{shown}" if text.startswith(_FORMULA) else shown
