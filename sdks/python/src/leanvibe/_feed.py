"""What a live stream has seen, and what to do when its connection is lost."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote
from uuid import UUID

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import CloseCode

from leanvibe import exceptions as errors
from leanvibe._core import USER_AGENT, Core
from leanvibe._operations import Pause, Steps, path_of
from leanvibe._refusals import error_from_answer
from leanvibe._retries import passes
from leanvibe.models import FINISHED, TaskUpdate

_LAST_TYPES = frozenset({"completion", "error"})
_MAX_MESSAGE_BYTES = 8 * 1024 * 1024
_FAREWELL_S = 5.0
_CONNECT_S = 10.0
# A server that refuses after the handshake says the HTTP status as 4000 + status.
_REFUSED_CLOSES = range(4400, 4600)


class UpdateFeed:
    """One task's updates over as many connections as it takes.

    Every connection starts with the task's current state. To whoever resumes that is no news:
    the updates after the last known one follow, so the state is passed on only the first time.
    """

    def __init__(
        self, core: Core, task_id: str | UUID, *, after: str | None, max_losses: int = 10
    ) -> None:
        self._finished = False
        self._core = core
        self._path = path_of("tasks", task_id, "updates")
        self._after = after
        self._max_losses = max_losses
        self._losses = 0
        self._seen: set[str] = set() if after is None else {after}
        self._bearer: str | None = None
        self._renewed = False
        self._at_start = True
        self._opened = False
        self._over = False

    def connection(self) -> dict[str, Any]:
        """The arguments of the next connection, which resumes after the last known update."""
        self._bearer = self._core.bearer()
        self._at_start = True
        headers = self._core.headers(self._bearer)
        del headers["User-Agent"]
        resume = "" if self._after is None else f"?after={quote(self._after, safe='')}"
        return {
            "uri": self._core.settings.websocket_base + self._path + resume,
            "additional_headers": headers,
            "user_agent_header": USER_AGENT,
            "open_timeout": _CONNECT_S,
            "max_size": _MAX_MESSAGE_BYTES,
        }

    def goes_on(self) -> bool:
        """Whether updates may still come."""
        return not self._finished

    @property
    def patience_s(self) -> float | None:
        """Seconds to wait for the next message; a finished task's last one comes at once."""
        return _FAREWELL_S if self._over else None

    def accept(self, message: str | bytes) -> TaskUpdate | None:
        """The update in the message; None when it is not news."""
        update = _parse(message)
        is_state, self._at_start = self._at_start, False
        if update is None:
            return None
        self._renewed = False
        self._finished = update.type in _LAST_TYPES
        self._over = self._over or update.status in FINISHED
        if is_state and update.type == "task_update":
            return self._open(update)
        if update.event_id is not None:
            if update.event_id in self._seen:
                return None
            self._seen.add(update.event_id)
            self._after = update.event_id
        self._losses = 0
        return update

    def _open(self, state: TaskUpdate) -> TaskUpdate | None:
        """The state, for whoever knows nothing yet. Its id is a place to resume, not news."""
        if self._after is not None or self._opened:
            return None
        self._after = state.event_id
        self._opened = True
        return state

    def recover(self, loss: Exception) -> Steps[None]:
        """Get ready for the next connection after this one was lost or refused.

        Raises:
            LeanVibeError: there is no use in another connection.
        """
        if self._over and _is_farewell(loss):
            # The task is over and the server has said all it had to say.
            self._finished = True
            return
        error = self._error(loss)
        if isinstance(error, errors.AuthenticationError):
            if self._renewed or not self._core.can_renew(self._bearer):
                raise error
            self._renewed = True
            yield from self._core.renew_alone(stale=str(self._bearer))
            return
        if not passes(error) or self._losses >= self._max_losses:
            raise error
        back_off_s = self._core.retry.back_off_s(self._losses, self._core.random)
        self._losses += 1
        yield Pause(max(back_off_s, error.retry_after or 0.0))

    def _error(self, loss: Exception) -> errors.LeanVibeError:
        if isinstance(loss, InvalidStatus):
            answer = loss.response
            body = bytes(answer.body or b"")
            return error_from_answer(answer.status_code, answer.headers, body, now=self._core.now())
        close = loss.rcvd if isinstance(loss, ConnectionClosed) else None
        if close is not None and close.code in _REFUSED_CLOSES:
            body = json.dumps({"message": close.reason}).encode()
            return error_from_answer(close.code - 4000, {}, body, now=self._core.now())
        return errors.ConnectionFailedError(
            f"The live stream from {self._core.settings.base_url} broke off "
            f"({loss or type(loss).__name__})."
        )


def _is_farewell(loss: Exception) -> bool:
    """Whether the server closed in peace, or has nothing more to say."""
    if isinstance(loss, ConnectionClosed):
        return loss.rcvd is not None and loss.rcvd.code == CloseCode.NORMAL_CLOSURE
    return isinstance(loss, TimeoutError)


def _parse(message: str | bytes) -> TaskUpdate | None:
    """The message as an update; None when it is none, such as a sign of life."""
    try:
        body = json.loads(message)
    except ValueError:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("type"), str):
        return None
    if not {"status", "percentage", "progress_percentage", "event_id", "error"} & body.keys():
        return None
    if body.get("event_id") is not None:
        body["event_id"] = str(body["event_id"])
    percentage = body.get("progress_percentage", body.get("percentage"))
    if percentage is not None:
        body |= {"progress_percentage": percentage, "percentage": percentage}
    return TaskUpdate(body)
