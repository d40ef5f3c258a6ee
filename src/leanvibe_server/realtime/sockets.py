"""WebSockets: a task's messages as text frames, to the task's end or the reader's."""

import asyncio
import json
from contextlib import suppress
from uuid import UUID

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import AppError, ServerError, envelope
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.refusals import note_refusal
from leanvibe_server.kernel.request import visit_of
from leanvibe_server.realtime.entrance import Pass, admit, offered_subprotocol
from leanvibe_server.realtime.feed import follow_task, open_feed
from leanvibe_server.realtime.hub import Hub
from leanvibe_server.realtime.sse import parse_event_id

# A reader that takes longer for one message is dropped; it resumes where it was.
SEND_S = 20.0

NORMAL = 1000
GOING_AWAY = 1001
TOO_SLOW = 4408
_REASON_BYTES = 120


async def watch(socket: WebSocket, task_id: str) -> None:
    """Admit the caller, then tell the task's messages until it ends.

    A refusal is an HTTP answer with the usual envelope where the server can give one, else a
    close with the code 4000 + status.
    """
    try:
        reader, known = await _enter(socket, task_id)
    except AppError as error:
        await note_refusal(visit_of(socket.scope), error, Permission.TASK_READ)
        await _refuse(socket, error)
        return
    except Exception as error:
        logger("realtime").error("crash", exc_info=error)
        await _refuse(socket, ServerError("Something broke on our side. Try again."))
        return
    await socket.accept(subprotocol=offered_subprotocol(socket))
    await _serve(socket, reader, known)


async def _enter(socket: WebSocket, task_id: str) -> tuple[Pass, UUID | None]:
    admission, reader = await admit(socket, task_id)
    try:
        visit_of(socket.scope).house.part(Hub).require_room(reader.tenant_id)
        known = parse_event_id(socket.query_params.get("after"))
        await open_feed(admission.transaction.conn, reader.tenant_id, reader.task_id, known)
    except BaseException:
        await admission.transaction.rollback()
        raise
    await admission.transaction.commit()
    return reader, known


async def _serve(socket: WebSocket, reader: Pass, known: UUID | None) -> None:
    """Send until the task or the reader is done, whichever is first."""
    jobs = [
        asyncio.create_task(_tell(socket, reader, known)),
        asyncio.create_task(_wait_for_leave(socket)),
    ]
    try:
        done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        code, reason = done.pop().result()
    except (WebSocketDisconnect, OSError):
        return
    except AppError as error:
        code, reason = 4000 + error.status, error.message
    except Exception as error:
        logger("realtime").error("crash", exc_info=error)
        code, reason = 1011, "Something broke on our side. Connect again."
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
    if code:
        with suppress(RuntimeError, WebSocketDisconnect, OSError, TimeoutError):
            await asyncio.wait_for(socket.close(code, _short(reason)), SEND_S)


async def _tell(socket: WebSocket, reader: Pass, known: UUID | None) -> tuple[int, str]:
    house = visit_of(socket.scope).house
    hub = house.part(Hub)
    async for message in follow_task(hub, house, reader, after=known):
        if message is None:
            continue
        try:
            await asyncio.wait_for(
                socket.send_text(json.dumps(message, ensure_ascii=False)), SEND_S
            )
        except TimeoutError:
            return TOO_SLOW, "Too slow. Connect again with ?after= to resume."
    if hub.closing:
        return GOING_AWAY, "The server is restarting. Connect again with ?after= to resume."
    return NORMAL, "The task is over."


async def _wait_for_leave(socket: WebSocket) -> tuple[int, str]:
    """Read and drop what the reader says, until it leaves."""
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return 0, ""


async def _refuse(socket: WebSocket, error: AppError) -> None:
    visit = visit_of(socket.scope)
    if "websocket.http.response" in socket.scope.get("extensions", {}):
        body = envelope(error, request_id=visit.request_id, now=visit.house.clock.now())
        headers = {**error.headers, "X-Request-ID": visit.request_id}
        await socket.send_denial_response(
            JSONResponse(body, status_code=error.status, headers=headers)
        )
        return
    await socket.accept(subprotocol=offered_subprotocol(socket))
    await socket.close(4000 + error.status, _short(error.message))


def _short(reason: str) -> str:
    return reason.encode()[:_REASON_BYTES].decode(errors="ignore")
