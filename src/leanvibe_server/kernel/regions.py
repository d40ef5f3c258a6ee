"""Regions: in which database the rows of a tenant live.

A region is a database. Which one a tenant lives in is written once, when the tenant is made, in
the directory of the home region, and never changes: so what a process has learned stays true.
An installation with one database asks nothing and keeps nothing here.
"""

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

REGIONS: Final = ("us", "eu", "uk", "ca", "au")

# The tenant that platform admins belong to. It holds no customer data and lives in the home region.
PLATFORM_TENANT: Final = UUID("00000000-0000-7000-8000-000000000001")

# In the home of a region, one folder of each tenant in each of these.
TENANT_FOLDERS: Final = (
    "repositories",
    "mirrors",
    "workspaces",
    "dependencies",
    "exports",
    "audit",
    "erasures",
)

# Enough for the tenants that are busy at a time; an entry costs some 150 bytes.
KNOWN_TENANTS: Final = 200_000

Ask = Callable[[UUID], Awaitable[str | None]]


class Whereabouts:
    """What one process has learned of the directory: tenant → region."""

    def __init__(self, home: str, ask: Ask) -> None:
        self._home = home
        self._ask = ask
        self._known: dict[UUID, str] = {PLATFORM_TENANT: home}
        self._before: dict[UUID, str] = {}

    async def region_of(self, tenant_id: UUID) -> str:
        """The region of a tenant; the home region for one that nobody knows.

        Only what is in the directory is remembered: an unknown tenant may be made any moment.
        """
        known = self.recall(tenant_id)
        if known is not None:
            return known
        region = await self._ask(tenant_id)
        if region is None:
            return self._home
        self.note(tenant_id, region)
        return region

    def recall(self, tenant_id: UUID) -> str | None:
        """What is remembered of a tenant, without asking."""
        return self._known.get(tenant_id) or self._before.get(tenant_id)

    def note(self, tenant_id: UUID, region: str) -> None:
        """Remember where a tenant lives, until twice as many others were seen since."""
        if len(self._known) >= KNOWN_TENANTS:
            self._before, self._known = self._known, {PLATFORM_TENANT: self._home}
        self._known[tenant_id] = region
