"""Failed sign-ins slow the next ones down: for an account, an address and an organisation.

Nobody is locked out for ever: the wait doubles up to a limit, and a quiet time forgets it. A
device the account has signed in from before has a count of its own, so that strangers who fail
on purpose keep its owner out nowhere but on devices the owner never used. Counts are kept in the
database, so every process sees them; while it does not answer, nobody signs in at all.
Source: NIST SP 800-63B-4, section 3.2.2; OWASP, "Slow Down Online Guessing Attacks with Device
Cookies".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from leanvibe_server.identity.repository import sign_in as rows
from leanvibe_server.kernel.crypto import Vault
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import RateLimited
from leanvibe_server.kernel.request import network_of


@dataclass(frozen=True)
class Patience:
    """How many failures are free, and how long the longest wait is.

    A count is forgotten after a quiet time, and with a `window` also when it began so long ago.
    """

    free: int
    longest: timedelta
    forget_after: timedelta
    window: timedelta | None = None

    def wait(self, failures: int) -> timedelta:
        """How long nobody may try after so many failures in a row."""
        if failures < self.free:
            return timedelta(0)
        doublings = min(failures - self.free, 30)
        return min(self.longest, timedelta(seconds=2**doublings))


ACCOUNT = Patience(free=5, longest=timedelta(minutes=15), forget_after=timedelta(hours=24))
# Many people may share one address.
ADDRESS = Patience(free=30, longest=timedelta(minutes=5), forget_after=timedelta(minutes=30))
# Somebody who tries every account of an organisation from everywhere. The wait is short, since
# it is also that of colleagues on new devices.
ORGANISATION = Patience(
    free=200,
    longest=timedelta(minutes=1),
    forget_after=timedelta(minutes=10),
    window=timedelta(minutes=10),
)
# What is asked for by mail, and links that lead nowhere.
MAIL = Patience(free=5, longest=timedelta(hours=1), forget_after=timedelta(hours=1))
MAIL_ADDRESS = Patience(free=20, longest=timedelta(hours=1), forget_after=timedelta(hours=1))
LINKS = Patience(free=20, longest=timedelta(minutes=5), forget_after=timedelta(minutes=30))

SIGN_IN = "failed sign-in"


@dataclass(frozen=True)
class Attempt:
    """What an attempt counts against, as keyed hashes. The first is that of the account."""

    counts: tuple[tuple[bytes, Patience], ...]
    what: str = "failed sign-ins"

    @property
    def account(self) -> bytes:
        """The hash that stands for the account, or for a known device of it."""
        return self.counts[0][0]

    @property
    def keys(self) -> list[bytes]:
        return [key for key, _ in self.counts]

    @classmethod
    def by(
        cls,
        vault: Vault,
        *,
        email: str,
        address: str | None,
        organisation: str | None = None,
        device: str | None = None,
    ) -> "Attempt":
        """A sign-in. `organisation` is the tenant it names, else the domain of the e-mail, which
        tells nobody whether there is such an account; `device` a known one of this account."""
        if device is not None:
            return cls(((_key(vault, SIGN_IN, f"device:{email}:{device}"), ACCOUNT),))
        of = organisation or email.rpartition("@")[2]
        return cls(
            (
                (_key(vault, SIGN_IN, f"account:{email}"), ACCOUNT),
                (of_address(vault, SIGN_IN, address), ADDRESS),
                (_key(vault, SIGN_IN, f"organisation:{of}"), ORGANISATION),
            )
        )

    @classmethod
    def at_mail(cls, vault: Vault, *, email: str, address: str | None) -> "Attempt":
        """A mail that somebody asks for."""
        return cls(
            (
                (_key(vault, "mail asked for", f"account:{email}"), MAIL),
                (of_address(vault, "mail asked for", address), MAIL_ADDRESS),
            ),
            what="requests for mail",
        )

    @classmethod
    def at_invitation(cls, vault: Vault, *, email: str, tenant_id: UUID) -> "Attempt":
        """An invitation to an address, by one organisation and by all together."""
        return cls(
            (
                (_key(vault, "invitation", f"account:{tenant_id}:{email}"), MAIL),
                (_key(vault, "invitation", f"address:{email}"), MAIL_ADDRESS),
            ),
            what="invitations to this address",
        )

    @classmethod
    def at_link(cls, vault: Vault, *, address: str | None) -> "Attempt":
        """A link of a mail that leads nowhere."""
        return cls(((of_address(vault, "unknown link", address), LINKS),), what="unknown links")


def of_address(vault: Vault, purpose: str, address: str | None) -> bytes:
    """What stands for where a caller comes from: whoever has one IPv6 address has a whole /64."""
    return _key(vault, purpose, f"address:{network_of(address or '')}")


def _key(vault: Vault, purpose: str, text: str) -> bytes:
    return vault.keyed_hash(purpose, text)


async def check(conn: Connection, attempt: Attempt, *, now: datetime) -> None:
    """Refuse while a wait is on.

    Raises: RateLimited.
    """
    refuse_waiting(await rows.list_waits(conn, attempt.keys, now=now), attempt, now=now)


def refuse_waiting(until: Mapping[bytes, datetime], attempt: Attempt, *, now: datetime) -> None:
    """Refuse where something the attempt counts against must wait `until` some time.

    Raises: RateLimited.
    """
    if not until:
        return
    latest = max(until.values())
    seconds = math.ceil((latest - now).total_seconds())
    limit = min(patience.free for key, patience in attempt.counts if until.get(key) == latest)
    raise RateLimited(
        f"Too many {attempt.what}. Try again in {seconds} s.",
        details={"retry_after": seconds},
        headers={
            "Retry-After": str(seconds),
            "X-RateLimit-Retry-After": str(seconds),
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": str(math.ceil(latest.timestamp())),
        },
    )


async def count_failure(conn: Connection, attempt: Attempt, *, now: datetime) -> None:
    """Count a failure against all that it counts against, always in the same order."""
    for key, patience in attempt.counts:
        failures = await rows.count_failure(
            conn,
            key,
            now=now,
            forget_before=now - patience.forget_after,
            began_before=None if patience.window is None else now - patience.window,
        )
        wait = patience.wait(failures)
        if wait:
            await rows.block(conn, key, now + wait)


async def spend(conn: Connection, attempt: Attempt, *, now: datetime) -> None:
    """Count what may be asked for only so often, whatever comes of it.

    Raises: RateLimited.
    """
    await check(conn, attempt, now=now)
    await count_failure(conn, attempt, now=now)


async def forgive(conn: Connection, attempt: Attempt) -> None:
    """The account's owner has signed in. Address and organisation keep their counts: others may
    be behind them."""
    await rows.clear_throttle(conn, attempt.account)


async def forgive_unless_waiting(conn: Connection, attempt: Attempt, *, now: datetime) -> None:
    """`check` and `forgive` in one statement: a right guess among many that were made side by
    side is refused with them once a wait is on.

    Raises: RateLimited.
    """
    waits = await rows.clear_unless_waiting(conn, attempt.account, attempt.keys, now=now)
    refuse_waiting(waits, attempt, now=now)
