"""The Scope: the first argument of every service function."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from leanvibe_server.kernel.clock import Clock
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.events import Event, write_event
from leanvibe_server.kernel.ids import new_id
from leanvibe_server.kernel.jobs import HANDLE_EVENT, enqueue

if TYPE_CHECKING:
    from leanvibe_server.kernel.house import House


@dataclass(frozen=True)
class Actor:
    """Who acts: `kind` is user, api_key, oauth_client, scim, system or anonymous; `label` is what
    people read. `credential_id` is the key or token of a program. `further_roles` count beside
    `role`. `device` is what somebody who signs in shows to be known as a device of the account."""

    kind: str
    id: UUID | None = None
    label: str | None = None
    role: str | None = None
    session_id: UUID | None = None
    credential_id: UUID | None = None
    address: str | None = None
    user_agent: str | None = None
    further_roles: tuple[str, ...] = ()
    device: str | None = field(default=None, repr=False)


SYSTEM = Actor(kind="system", label="system")


@dataclass(frozen=True)
class Scope:
    """An open transaction with the tenant bound, who acts in it, and when.

    A service takes everything it needs from here: rows through `conn`, time from `clock`,
    news by `emit`, later work by `enqueue`. `permissions` hold in the whole tenant,
    `project_roles` on single projects; `wanted` is the permission the caller came in for.
    `home_tenant_id` is where somebody belongs who acts for an organisation below their own,
    `authenticated_at` when they last proved who they are.
    """

    conn: Connection
    tenant_id: UUID
    actor: Actor
    clock: Clock
    house: "House"
    request_id: str | None = None
    permissions: frozenset[str] = field(default_factory=frozenset)
    plan: str = "developer"
    wanted: str | None = None
    project_roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    home_tenant_id: UUID | None = None
    authenticated_at: datetime | None = None

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def new_id(self) -> UUID:
        return new_id(self.clock.now())

    async def emit(self, event: Event) -> UUID:
        """Write the event and one job for each listener, all in this transaction."""
        event_id = await write_event(self, event)
        for handler in self.house.listeners.by_event.get(event.name, ()):
            await self.enqueue(HANDLE_EVENT, event_id=event_id, handler=handler)
        return event_id

    async def enqueue(
        self, job: str, *, run_at: datetime | None = None, **ids: UUID | str | int
    ) -> None:
        """Have `job` run for this tenant once this transaction is committed.

        `ids` name rows; a job's payload holds nothing else.
        """
        delay = None if run_at is None else max(run_at - self.clock.now(), run_at - run_at)
        await enqueue(self.conn, job, tenant_id=self.tenant_id, ids=ids, delay=delay)
