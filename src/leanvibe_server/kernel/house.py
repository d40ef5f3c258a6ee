"""What every floor of one process shares."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from leanvibe_server.kernel.clock import Clock, SystemClock
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.crypto import Vault
from leanvibe_server.kernel.data_keys import DataKeys
from leanvibe_server.kernel.db import Connection, Database
from leanvibe_server.kernel.events import Listeners
from leanvibe_server.kernel.key_providers import load_master_keys
from leanvibe_server.kernel.ratelimit import RateLimiter

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from leanvibe_server.kernel.errors import AppError
    from leanvibe_server.kernel.scope import Scope
    from leanvibe_server.kernel.sealing import SealedColumn

# How errors are told below a path that follows a standard of its own: from the refusal and our
# envelope to the body, and its media type.
Dialect = Callable[["AppError", dict[str, Any]], tuple[dict[str, Any], str]]
Gauge = Callable[["Scope"], Awaitable[int]]
# What each of several tenants has of something, counted by one statement of the platform login.
Tally = Callable[["Connection", "Sequence[UUID]", "datetime"], Awaitable["Mapping[UUID, int]"]]
Guard = Callable[["Scope", "UUID"], Awaitable[object]]
Part = TypeVar("Part")


@dataclass
class House:
    """The process-wide parts. `gauges` count a tenant's things for the rooms below their own, and
    `tallies` those of several tenants at once;
    `guards` refuse who may not know of a thing, for those who show it by its id only;
    `sealed_columns` are those a rotation of keys goes through.

    `dialects` are the error bodies of standards, by the beginning of the paths they hold for.
    """

    settings: Settings
    database: Database
    vault: Vault
    clock: Clock = field(default_factory=SystemClock)
    listeners: Listeners = field(default_factory=Listeners)
    limiter: RateLimiter = field(default_factory=RateLimiter)
    gauges: dict[str, Gauge] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    guards: dict[str, Guard] = field(default_factory=dict)
    parts: dict[type, Any] = field(default_factory=dict)
    dialects: dict[str, Dialect] = field(default_factory=dict)
    sealed_columns: "dict[tuple[str, str], SealedColumn]" = field(default_factory=dict)
    data_keys: DataKeys = field(init=False)

    def __post_init__(self) -> None:
        master = load_master_keys(self.settings, self.vault)
        self.data_keys = DataKeys(master, cache_s=self.settings.key_cache_s)

    def home_of(self, tenant_id: UUID) -> Path:
        """Where the files of a tenant are kept: in its region, like its rows. For a tenant in
        whose transaction the caller is or was."""
        return self.settings.home_of(self.database.known_region_of(tenant_id))

    def place(self, part: object) -> None:
        """Give the house a part that an upper room brings, such as its signing keys."""
        self.parts[type(part)] = part

    def part(self, kind: type[Part]) -> Part:
        """The part of that kind.

        Raises: KeyError: nobody placed one.
        """
        found: Part = self.parts[kind]
        return found
