"""Live updates over WebSocket and server-sent events."""

from typing import Annotated

from fastapi import Header, Query, Request, Response, WebSocket

from leanvibe_server.kernel.access import Permission, may
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.http import PathId, Router, refuses
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.realtime import sockets, sse

router = Router(tags=["Live updates"])


@router.websocket("/tasks/{task_id}/updates")
async def watch_task(socket: WebSocket, task_id: str) -> None:
    """Everything that happens to a task, as it happens, to its end."""
    await sockets.watch(socket, task_id)


@router.websocket("/ws/tasks/{task_id}")
async def watch_task_too(socket: WebSocket, task_id: str) -> None:
    """The same under its other name."""
    await sockets.watch(socket, task_id)


@router.get(
    "/tasks/{task_id}/events",
    response_class=Response,
    responses={
        **refuses(NotFound),
        200: {"content": {"text/event-stream": {}}, "description": "One message an event"},
        204: {"description": "The task is over and everything was told"},
    },
)
async def stream_task(
    request: Request,
    task_id: PathId,
    scope: Annotated[Scope, may(Permission.TASK_READ, cookie=True, on_project=True)],
    after: Annotated[str | None, Query(description="`event_id` of the last known message")] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Everything that happens to a task, as server-sent events."""
    return await sse.stream(scope, request, task_id, after=after, resumed=last_event_id)
