"""What every floor of one process shares."""

from dataclasses import dataclass, field
from uuid import UUID

from leanvibe_server.kernel.clock import Clock, SystemClock
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.crypto import Vault
from leanvibe_server.kernel.db import Database
from leanvibe_server.kernel.events import Listeners
from leanvibe_server.kernel.ratelimit import RateLimiter


@dataclass
class House:
    """The process-wide parts: settings, clock, database, vault, listeners, rate limiter."""

    settings: Settings
    database: Database
    vault: Vault
    clock: Clock = field(default_factory=SystemClock)
    listeners: Listeners = field(default_factory=Listeners)
    limiter: RateLimiter = field(default_factory=RateLimiter)
    call_counts: dict[UUID, int] = field(default_factory=dict)
