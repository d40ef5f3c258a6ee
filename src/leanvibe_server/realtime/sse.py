"""Server-sent events: the messages of a task as a text stream a browser resumes by itself.

Source: WHATWG HTML, section 9.2.
"""

import json
from collections.abc import AsyncIterator
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from leanvibe_server.kernel.errors import AppError, invalid_field
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.request import visit_of
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.realtime.entrance import Pass
from leanvibe_server.realtime.feed import follow_task, open_feed
from leanvibe_server.realtime.hub import Hub

RETRY_MS = 2_000


async def stream(
    scope: Scope, request: Request, task_id: UUID, *, after: str | None, resumed: str | None
) -> Response:
    """The task's messages after `after`, or after what the browser has had.

    A browser that has had the last message gets 204, which tells it not to come again.

    Raises: NotFound. InvalidRequest: the place to resume from is no event id. RateLimited: the
        tenant has too many readers.
    """
    known = parse_event_id(resumed or after)
    scope.house.part(Hub).require_room(scope.tenant_id)
    await scope.house.guards["task"](scope, task_id)
    opening = await open_feed(scope.conn, scope.tenant_id, task_id, known)
    if resumed and opening.nothing_left:
        return Response(status_code=204)
    credentials = visit_of(request.scope).credentials(cookie=True)
    reader = Pass.of(request.app.state.gate, credentials, scope, task_id)
    return StreamingResponse(
        _lines(scope.house, reader, known),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def parse_event_id(text: str | None) -> UUID | None:
    """The event a reader has had last.

    Raises: InvalidRequest: the text is no id.
    """
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise invalid_field(
            "after", "not an event id", "`after` must be the event_id of a message."
        ) from None


async def _lines(house: House, reader: Pass, after: UUID | None) -> AsyncIterator[bytes]:
    yield f"retry: {RETRY_MS}\n\n".encode()
    try:
        async for message in follow_task(house.part(Hub), house, reader, after=after):
            if message is None:
                yield b": still here\n\n"
                continue
            mark = f"id: {message['event_id']}\n" if message["event_id"] else ""
            yield f"{mark}data: {json.dumps(message, ensure_ascii=False)}\n\n".encode()
    except AppError:
        # The browser comes again, is refused, and the page leads to the sign-in.
        return
