"""Who may watch by WebSocket: by header, subprotocol, `?token=`, or the dashboard's cookie.

Browsers cannot set headers on a WebSocket, hence the other three. A cookie goes along with any
page's WebSocket, so it counts for pages of our own origin only.

Source: RFC 6455, section 10.2.
"""

import re
from dataclasses import dataclass, replace
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
from leanvibe_server.kernel.errors import Forbidden, Unauthorized
from leanvibe_server.kernel.ids import parse_id
from leanvibe_server.kernel.request import Credentials, Visit, visit_of
from leanvibe_server.kernel.scope import Scope

SUBPROTOCOL = "bearer"
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")


@dataclass(frozen=True)
class Pass:
    """With what a stream was opened, to be looked at again for as long as it is open."""

    gate: Gate
    credentials: Credentials
    task_id: UUID
    tenant_id: UUID
    concerned: frozenset[UUID]

    @classmethod
    def of(
        cls, gate: Gate, credentials: Credentials, caller: Admission | Scope, task_id: UUID
    ) -> "Pass":
        """The pass of an admitted caller. What is taken from them, from their tenant or from the
        one they act for, concerns it."""
        of_caller = (caller.tenant_id, caller.home_tenant_id, caller.actor.id)
        concerned = frozenset(one for one in of_caller if one is not None)
        return cls(gate, replace(credentials, again=True), task_id, caller.tenant_id, concerned)

    async def check(self) -> None:
        """Whether this would open the stream now: not after a sign-out, a revocation, a tighter
        policy, or a role or project that was taken away.

        Raises: Unauthorized, Forbidden, NotFound, and what the gate raises.
        """
        visit = self.credentials.visit
        admission = await self.gate.admit(visit.house, self.credentials)
        try:
            await _check(visit, admission, self.task_id)
        finally:
            await admission.transaction.rollback()


async def admit(socket: WebSocket, task_id: str) -> tuple[Admission, Pass]:
    """Let the caller in who may read this task.

    Raises: Unauthorized, Forbidden, NotFound, and what the gate raises.
    """
    visit = visit_of(socket.scope)
    gate: Gate = socket.app.state.gate
    credentials = _credentials(socket, visit)
    admission = await gate.admit(visit.house, credentials)
    try:
        found = parse_id(task_id, "task")
        await _check(visit, admission, found)
    except BaseException:
        await admission.transaction.rollback()
        raise
    return admission, Pass.of(gate, credentials, admission, found)


async def _check(visit: Visit, admission: Admission, task_id: UUID) -> None:
    """Refuse who may not watch the task. Raises: NotFound, Forbidden."""
    check_permission(admission, Permission.TASK_READ, on_project=True, reading=True)
    house = visit.house
    scope = scope_of(house, admission, visit.request_id, wanted=Permission.TASK_READ)
    await house.guards["task"](scope, task_id)


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
