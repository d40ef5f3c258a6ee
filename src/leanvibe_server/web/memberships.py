"""Whether a person belongs to several organisations, remembered for a minute."""

from datetime import datetime, timedelta
from uuid import UUID

from leanvibe_server.identity import switching
from leanvibe_server.kernel.scope import Scope

REMEMBERED = timedelta(minutes=1)
MAX_PEOPLE = 10_000


class Memberships:
    """Spares each page a look across tenants just to draw one line of a menu."""

    def __init__(self) -> None:
        self._several: dict[UUID, tuple[bool, datetime]] = {}

    async def has_several(self, scope: Scope) -> bool:
        """Whether the signed-in person may move to another organisation."""
        if scope.actor.id is None:
            return False
        known = self._several.get(scope.actor.id)
        if known is not None and known[1] > scope.now:
            return known[0]
        looked = await switching.list_own_tenants(scope)
        several = len(looked.found) > 1 or bool(looked.silent)
        if len(self._several) >= MAX_PEOPLE:
            self._several.clear()
        self._several[scope.actor.id] = (several, scope.now + REMEMBERED)
        return several
