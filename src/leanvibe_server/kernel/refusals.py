"""Refused permissions in the audit log: who was kept from what, without a way to flood it.

The first refusal of a caller and permission is written at once, in a transaction of its own; more
of the same kind within a minute are counted, and their number is written as one further entry.
A process that is killed loses what it counted and had not written, a minute's worth at most.

Source: OWASP ASVS 5.0, 16.3.2: failed authorization attempts are logged.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

import msgspec

from leanvibe_server.kernel.errors import Forbidden
from leanvibe_server.kernel.events import Event
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.log import logger, speak_of_home
from leanvibe_server.kernel.request import Caller, Visit
from leanvibe_server.kernel.scope import Scope

WINDOW = timedelta(minutes=1)
# Windows of one process at once. Beyond them the eldest ends early: an entry more, never one less.
MOST = 20_000
_Kind = tuple[object, ...]


class AccessRefused(Event, frozen=True, kw_only=True):
    """A signed-in caller was refused. `times` is how often since the entry before it, if that was
    within the last minute."""

    name: ClassVar[str] = "access.refused"
    area: ClassVar[str] = "auth"
    permission: str | None
    reason: str
    method: str
    route: str
    times: int


@dataclass(frozen=True)
class _Refusal:
    """What was refused, to whom, by which request."""

    caller: Caller
    event: AccessRefused
    request_id: str

    @property
    def kind(self) -> _Kind:
        actor, event = self.caller.actor, self.event
        return self.caller.tenant_id, actor.kind, actor.id, event.permission, event.reason


@dataclass
class _Window:
    """A minute after an entry. `last` is the latest refusal in it, `times` how many there were."""

    began_at: datetime
    last: _Refusal
    times: int = 0


@dataclass
class Refusals:
    """The refusals of one process that are not written yet."""

    house: House
    _open: dict[_Kind, _Window] = field(default_factory=dict)

    async def add(self, refusal: _Refusal) -> None:
        """Write a refusal, or count it."""
        window = self._open.get(refusal.kind)
        if window is not None and self._lasts(window):
            window.last, window.times = refusal, window.times + 1
            return
        counted = self._open.pop(refusal.kind, None)
        if len(self._open) >= MOST:
            await self._end(next(iter(self._open)))
        self._open[refusal.kind] = _Window(self.house.clock.now(), refusal)
        await self._write(refusal, 1 + (counted.times if counted else 0))

    async def flush(self, *, every: bool = False) -> None:
        """Write what was counted in the minutes that are over, or in `every` one."""
        for kind, window in list(self._open.items()):
            if every or not self._lasts(window):
                await self._end(kind)

    async def _end(self, kind: _Kind) -> None:
        window = self._open.pop(kind, None)
        if window is None or not window.times:
            return
        # A flood goes on: the minute that begins now starts with this entry.
        self._open[kind] = _Window(self.house.clock.now(), window.last)
        await self._write(window.last, window.times)

    def _lasts(self, window: _Window) -> bool:
        return self.house.clock.now() - window.began_at < WINDOW

    async def _write(self, refusal: _Refusal, times: int) -> None:
        house, caller = self.house, refusal.caller
        speak_of_home()
        try:
            async with house.database.tenant(caller.tenant_id) as conn:
                scope = Scope(
                    conn, caller.tenant_id, caller.actor, house.clock, house, refusal.request_id
                )
                await scope.emit(msgspec.structs.replace(refusal.event, times=times))
        except Exception as error:  # the caller is refused all the same
            logger("audit").warning("refusal not written", exc_info=error)


async def note_refusal(visit: Visit, error: BaseException, permission: str | None) -> None:
    """Write or count what ended a request, if that was a refusal of a caller we know.
    `permission` is what the route asks for; a feature that the plan lacks is no refusal of the
    caller."""
    refusal = _refusal(visit, error, permission)
    if refusal is not None:
        await visit.house.part(Refusals).add(refusal)


def _refusal(visit: Visit, error: BaseException, permission: str | None) -> _Refusal | None:
    """The refusal of somebody we know that ended a request; a page keeps it as its cause."""
    found = next((one for one in (error, error.__cause__) if isinstance(one, Forbidden)), None)
    if found is None or visit.caller is None or found.upgrade_options is not None:
        return None
    lacked = found.details.get("required_permission")
    event = AccessRefused(
        permission=lacked or permission,
        reason=str(found.details.get("reason") or ("permission" if lacked else found.logged_as)),
        method=visit.method,
        route=str(visit.log.get("route", "")),
        times=1,
    )
    return _Refusal(visit.caller, event, visit.request_id)
