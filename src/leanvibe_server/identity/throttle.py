"""Failed sign-ins slow the next ones down: for an account, and for an address.

Nobody is locked out for ever: the wait doubles up to a limit, and a quiet time forgets it.
Source: NIST SP 800-63B-4, section 3.2.2.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from leanvibe_server.identity.repository import sign_in as rows
from leanvibe_server.kernel.crypto import Vault
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import RateLimited


@dataclass(frozen=True)
class Patience:
    """How many failures are free, and how long the longest wait is."""

    free: int
    longest: timedelta
    forget_after: timedelta

    def wait(self, failures: int) -> timedelta:
        """How long nobody may try after so many failures in a row."""
        if failures < self.free:
            return timedelta(0)
        doublings = min(failures - self.free, 30)
        return min(self.longest, timedelta(seconds=2**doublings))


ACCOUNT = Patience(free=5, longest=timedelta(minutes=15), forget_after=timedelta(hours=24))
# Many people may share one address.
ADDRESS = Patience(free=30, longest=timedelta(minutes=5), forget_after=timedelta(minutes=30))


@dataclass(frozen=True)
class Attempt:
    """Whose failures a sign-in counts against, as keyed hashes."""

    account: bytes
    address: bytes

    @classmethod
    def by(cls, vault: Vault, *, email: str, address: str) -> "Attempt":
        return cls(
            vault.keyed_hash("failed sign-in", f"account:{email}"),
            vault.keyed_hash("failed sign-in", f"address:{address}"),
        )

    def patience(self) -> tuple[tuple[bytes, Patience], ...]:
        return ((self.account, ACCOUNT), (self.address, ADDRESS))


async def check(conn: Connection, attempt: Attempt, *, now: datetime) -> None:
    """Refuse while a wait is on.

    Raises: RateLimited.
    """
    throttles = await rows.list_throttles(conn, (attempt.account, attempt.address))
    until = max((t.blocked_until for t in throttles if t.blocked_until is not None), default=now)
    if until <= now:
        return
    seconds = math.ceil((until - now).total_seconds())
    raise RateLimited(
        f"Too many failed sign-ins. Try again in {seconds} s.",
        details={"retry_after": seconds},
        headers={"Retry-After": str(seconds), "X-RateLimit-Retry-After": str(seconds)},
    )


async def count_failure(conn: Connection, attempt: Attempt, *, now: datetime) -> None:
    """Count a failure against the account and against the address."""
    for key, patience in attempt.patience():
        failures = await rows.count_failure(
            conn, key, now=now, forget_before=now - patience.forget_after
        )
        wait = patience.wait(failures)
        if wait:
            await rows.block(conn, key, now + wait)


async def forgive(conn: Connection, attempt: Attempt) -> None:
    """The account's owner has signed in. The address keeps its count: others may be behind it."""
    await rows.clear_throttle(conn, attempt.account)
