"""News: what happened, told upwards. The event row is also the audit record."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import msgspec

from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.event_privacy import cleaned, digests, merge, split
from leanvibe_server.kernel.event_privacy import printable as printable

if TYPE_CHECKING:
    from leanvibe_server.kernel.scope import Scope

LIVE_CHANNEL = "leanvibe_live"
ACCESS = "access:"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, in the past tense.

    `public` events leave by webhook; `audited` ones are shown in the audit log under `area`;
    one with a `stream` is also told live to those who watch that stream. One that `ends_access`
    may take from somebody what they could see until now: the one user it names, or anybody of
    the tenant. What is told to them live is held back until they are let in anew.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    public: ClassVar[bool] = False
    audited: ClassVar[bool] = True
    area: ClassVar[str] = "tenant"
    ends_access: ClassVar[bool] = False

    @property
    def stream(self) -> str | None:
        return None

    @property
    def ends_access_of(self) -> UUID | None:
        """Whose access the event may end; None: that of anybody in the tenant."""
        user_id: UUID | None = getattr(self, "user_id", None)
        return user_id


Handler = Callable[["Scope", "StoredEvent"], Awaitable[None]]


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the event log, as handlers and readers get it."""

    id: UUID
    tenant_id: UUID
    name: str
    version: int
    area: str
    payload: dict[str, Any]
    actor_kind: str
    actor_id: UUID | None
    actor_label: str | None
    request_id: str | None
    address: str | None
    user_agent: str | None
    occurred_at: datetime
    stream: str | None
    stream_seq: int | None


@dataclass
class Listeners:
    """Who hears which event. Filled by hand in wiring."""

    by_event: dict[str, list[str]] = field(default_factory=dict)
    handlers: dict[str, Handler] = field(default_factory=dict)

    def add(self, handler_name: str, handler: Handler, events: Sequence[type[Event]]) -> None:
        """`handler` hears `events`; its name keys what it has already heard."""
        self.handlers[handler_name] = handler
        for event in events:
            self.by_event.setdefault(event.name, []).append(handler_name)


# The tenant is bound, so the row lock on the stream serialises its writers and numbers have no
# gap; a stream that is deleted or rolled back leaves none either.
NEXT_IN_STREAM = """
INSERT INTO event_streams (tenant_id, stream, last_seq) VALUES ($1, $2, 1)
ON CONFLICT (tenant_id, stream) DO UPDATE SET last_seq = event_streams.last_seq + 1
RETURNING last_seq
"""
# In one statement: the event, what it tells of people, and its place in the queue of those that
# the audit chain is still to seal.
INSERT_EVENT = """
WITH parts AS (
    INSERT INTO event_personal (tenant_id, event_id, person_id, salt, body, occurred_at)
    SELECT $1, $2, part.person_id, part.salt, part.body, $13
    FROM unnest($17::uuid[], $18::bytea[], $19::text[]) AS part (person_id, salt, body)
), queued AS (
    INSERT INTO unsealed_events (tenant_id, event_id) SELECT $1, $2 WHERE $6
)
INSERT INTO events (tenant_id, id, name, version, public, audited, area, payload, actor_kind,
    actor_id, actor_label, request_id, occurred_at, stream, stream_seq, personal_digests)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""
NOTIFY = "SELECT pg_notify($1, key) FROM unnest($2::text[]) AS key"
EVENT_COLUMNS = """id, tenant_id, name, version, area, payload, actor_kind, actor_id, actor_label,
    request_id, address, user_agent, occurred_at, stream, stream_seq, personal_digests,
    ARRAY(SELECT body FROM event_personal known
          WHERE known.tenant_id = events.tenant_id AND known.event_id = events.id) AS known"""
FIND_EVENT = f"SELECT {EVENT_COLUMNS} FROM events WHERE tenant_id = $1 AND id = $2"
STREAM_AFTER = f"""
SELECT {EVENT_COLUMNS} FROM events
WHERE tenant_id = $1 AND stream = $2 AND stream_seq > $3 ORDER BY stream_seq LIMIT $4
"""
STREAM_POSITION = """
SELECT stream_seq FROM events WHERE tenant_id = $1 AND stream = $2 AND id = $3
"""
MARK_HANDLED = """
INSERT INTO handled_events (tenant_id, event_id, handler, handled_at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING event_id
"""


async def write_event(scope: "Scope", event: Event) -> UUID:
    """Write the event row in the caller's transaction and tell those who watch its stream."""
    event_id = scope.new_id()
    stream = event.stream
    seq = None
    if stream is not None:
        seq = await scope.conn.fetchval(NEXT_IN_STREAM, scope.tenant_id, stream)
    actor = scope.actor
    payload, parts = split(cleaned(msgspec.to_builtins(event)), actor)
    await scope.conn.execute(
        INSERT_EVENT,
        scope.tenant_id,
        event_id,
        event.name,
        event.version,
        event.public,
        event.audited,
        event.area,
        payload,
        actor.kind,
        actor.id,
        actor.label if actor.kind == "system" else None,
        scope.request_id,
        scope.clock.now(),
        stream,
        seq,
        digests(parts),
        [part.person_id for part in parts],
        [part.salt for part in parts],
        [part.body for part in parts],
    )
    if stream is not None:
        await scope.conn.execute(NOTIFY, LIVE_CHANNEL, [stream_key(scope.tenant_id, stream)])
    if event.ends_access:
        await doubt_access(scope.conn, [event.ends_access_of or scope.tenant_id])
    return event_id


async def doubt_access(conn: Connection, whose: Sequence[UUID]) -> None:
    """Tell with the commit that what these users, or these tenants' people, may see may be less
    from now on. An event that `ends_access` does so for those it names."""
    await conn.execute(NOTIFY, LIVE_CHANNEL, [access_key(one) for one in whose])


def stream_key(tenant_id: UUID, stream: str) -> str:
    """Under what it is told that a stream grew."""
    return f"{tenant_id}/{stream}"


def access_key(whose: UUID) -> str:
    """Under what it is told that the access of a user, or of a tenant's people, may be over."""
    return f"{ACCESS}{whose}"


def stored_event(row: Any) -> StoredEvent:
    """A row of EVENT_COLUMNS as a frozen shape, with what is still known of people in it."""
    values = dict(row)
    kept = values.pop("personal_digests") or {}
    values["payload"], actor = merge(values["payload"], values.pop("known"))
    values |= actor
    if not actor and values["actor_label"] is None and str(values["actor_id"]) in kept:
        values["actor_label"] = f"erased person {values['actor_id']}"
    return StoredEvent(**values)


async def find_event(conn: Connection, tenant_id: UUID, event_id: UUID) -> StoredEvent | None:
    row = await conn.fetchrow(FIND_EVENT, tenant_id, event_id)
    return None if row is None else stored_event(row)


async def read_stream(
    conn: Connection, tenant_id: UUID, stream: str, *, after_seq: int, limit: int = 500
) -> list[StoredEvent]:
    """The events of one stream that follow `after_seq`, oldest first."""
    rows = await conn.fetch(STREAM_AFTER, tenant_id, stream, after_seq, limit)
    return [stored_event(row) for row in rows]


async def stream_position(
    conn: Connection, tenant_id: UUID, stream: str, event_id: UUID
) -> int | None:
    """Where in its stream an event stands; None when it is not of this stream."""
    position: int | None = await conn.fetchval(STREAM_POSITION, tenant_id, stream, event_id)
    return position


async def mark_handled(scope: "Scope", event_id: UUID, handler: str) -> bool:
    """Note that a handler heard an event; False when it had already."""
    row = await scope.conn.fetchval(
        MARK_HANDLED, scope.tenant_id, event_id, handler, scope.clock.now()
    )
    return row is not None
