"""Who may watch by WebSocket: by header, subprotocol, `?token=`, or the dashboard's cookie.

Browsers cannot set headers on a WebSocket, hence the other three. A cookie goes along with any
page's WebSocket, so it counts for pages of our own origin only.

Source: RFC 6455, section 10.2.
"""

import re
from dataclasses import replace
from urllib.parse import urlsplit
from uuid import UUID

from starlette.websockets import WebSocket

from leanvibe_server.kernel.access import (
    Admission,
    Gate,
    Permission,
    check_permission,
    scope_of,
)
from leanvibe_server.kernel.errors import AppError, Forbidden, NotFound, Unauthorized
from leanvibe_server.kernel.ids import parse_id
from leanvibe_server.kernel.request import Credentials, Visit, visit_of

SUBPROTOCOL = "bearer"
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")


async def admit(socket: WebSocket, task_id: str) -> tuple[Admission, UUID]:
    """Let the caller in who may read this task; returns its id too.

    Raises: Unauthorized, Forbidden, NotFound, and what the gate raises.
    """
    visit = visit_of(socket.scope)
    gate: Gate = socket.app.state.gate
    admission = await gate.admit(visit.house, _credentials(socket, visit))
    try:
        check_permission(admission, Permission.TASK_READ, on_project=True)
        found = parse_id(task_id, "task")
        await guard(visit, admission, found)
    except BaseException:
        await admission.transaction.rollback()
        raise
    return admission, found


async def guard(visit: Visit, admission: Admission, task_id: UUID) -> None:
    """Refuse who may not know of the task. Raises: NotFound, Forbidden."""
    house = visit.house
    scope = scope_of(house, admission, visit.request_id, wanted=Permission.TASK_READ)
    await house.guards["task"](scope, task_id)


async def still_admitted(gate: Gate, credentials: Credentials, task_id: UUID) -> bool:
    """Whether a credential that opened a stream would open it now: not after a sign-out, a
    revocation, or a role that may no longer read."""
    try:
        admission = await gate.admit(credentials.visit.house, replace(credentials, again=True))
    except (Unauthorized, Forbidden):
        return False
    except AppError:
        return True
    try:
        check_permission(admission, Permission.TASK_READ, on_project=True)
        await guard(credentials.visit, admission, task_id)
    except (Forbidden, NotFound):
        return False
    finally:
        await admission.transaction.rollback()
    return True


def credentials_of(socket: WebSocket) -> Credentials:
    """What a WebSocket showed when it was opened."""
    return _credentials(socket, visit_of(socket.scope))


def offered_subprotocol(socket: WebSocket) -> str | None:
    """The subprotocol to answer with: ours, where the client offered it."""
    return SUBPROTOCOL if SUBPROTOCOL in _subprotocols(socket) else None


def _credentials(socket: WebSocket, visit: Visit) -> Credentials:
    shown = visit.credentials(cookie=True)
    if shown.bearer is not None:
        return replace(shown, cookie=None)
    offered = _subprotocols(socket)
    if len(offered) >= 2 and offered[0] == SUBPROTOCOL:
        return replace(shown, bearer=offered[1], cookie=None)
    token = socket.query_params.get("token")
    if token is not None:
        if not _JWT.fullmatch(token):
            raise Unauthorized(
                "?token= takes an access token only. Send API keys in the Authorization header."
            )
        return replace(shown, bearer=token, cookie=None)
    if shown.cookie is not None:
        _check_origin(visit)
    return shown


def _check_origin(visit: Visit) -> None:
    """Raises: Forbidden: the page that opens the connection is not ours."""
    origin = visit.headers.get("origin", "")
    host = visit.headers.get("host", "")
    scheme = "https" if visit.secure else "http"
    if not origin or origin not in (_origin(visit.house.settings.base_url), f"{scheme}://{host}"):
        raise Forbidden("This page may not open a connection in your name.")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _subprotocols(socket: WebSocket) -> list[str]:
    return list(socket.scope.get("subprotocols") or [])
