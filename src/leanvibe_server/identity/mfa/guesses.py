"""Tries at second factors are counted before they are judged, for each account and factor.

So a thousand guesses that arrive at once are no more than five free ones: each waits for the count
of the one before, and while a wait is on none is looked at. A right one gives its count back.
Source: NIST SP 800-63B-4, section 3.2.2; OWASP ASVS 5.0, 6.6.3.
"""

from datetime import timedelta

from leanvibe_server.identity import throttle
from leanvibe_server.identity.mfa import repository as rows
from leanvibe_server.identity.models import User
from leanvibe_server.identity.repository import sign_in
from leanvibe_server.identity.throttle import Attempt, Patience
from leanvibe_server.kernel.errors import RateLimited
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import Reason, across_tenants

FACTOR = Patience(free=5, longest=timedelta(hours=1), forget_after=timedelta(hours=24))
# Many people may share one address.
ADDRESS = Patience(free=30, longest=timedelta(minutes=15), forget_after=timedelta(minutes=30))

HOUR = timedelta(hours=1)
# Eight hashes each.
SET_UPS_PER_HOUR = 30
PASSWORDS_PER_HOUR = 60


def attempt_at(house: House, user: User, method: str, address: str | None) -> Attempt:
    """What a try at a factor counts against."""
    key = house.vault.keyed_hash
    return Attempt(
        (
            (key("second factor", f"{user.tenant_id} {user.id} {method}"), FACTOR),
            (throttle.of_address(house.vault, "second factor", address), ADDRESS),
        ),
        what="wrong codes",
    )


async def spend(house: House, attempt: Attempt) -> int:
    """Count one try; how many in a row this is for the account.

    Raises: RateLimited: a wait is on, so the try is not looked at.
    """
    now, counts = house.clock.now(), []
    async with across_tenants(house.database, Reason.SIGN_IN) as conn:
        # Always in this order, so that no two tries wait for each other.
        for key, patience in attempt.counts:
            count = await rows.count_try(
                conn, key, now=now, forget_before=now - patience.forget_after
            )
            if count is None:
                await throttle.check(conn, attempt, now=now)
                raise RuntimeError("a count was blocked and is not")
            wait = patience.wait(count)
            if wait:
                await sign_in.block(conn, key, now + wait)
            counts.append(count)
    return counts[0]


async def forgive(house: House, attempt: Attempt) -> None:
    """The try was right: the account's count begins anew, the address gets this one back."""
    async with across_tenants(house.database, Reason.SIGN_IN) as conn:
        for key, patience in attempt.counts:
            if patience is FACTOR:
                await sign_in.clear_throttle(conn, key)
            else:
                await rows.give_back(conn, key, free=patience.free)


async def within(house: House, purpose: str, text: str, *, most: int, window: timedelta) -> bool:
    """Count one more of what may be done `most` times in a window; False when that is spent."""
    now = house.clock.now()
    key = house.vault.keyed_hash(purpose, text)
    async with across_tenants(house.database, Reason.SIGN_IN) as conn:
        return await rows.count_within(conn, key, now=now, began_before=now - window, most=most)


async def spend_on_hashes(house: House, user: User, what: str, *, most: int) -> None:
    """Count one more of what somebody signed in does at the price of slow hashes, `most` times an
    hour: all the house's sign-ins stand in the same line.

    Raises: RateLimited.
    """
    text = f"{user.tenant_id} {user.id}"
    if not await within(house, what, text, most=most, window=HOUR):
        raise spent(
            "You did this very often within an hour. Try again later.", HOUR, reason="too_often"
        )


def spent(message: str, window: timedelta, *, reason: str) -> RateLimited:
    """The refusal where what is allowed in a window is used up."""
    wait = int(window.total_seconds())
    return RateLimited(
        message,
        details={"reason": reason, "retry_after": wait},
        headers={"Retry-After": str(wait), "X-RateLimit-Retry-After": str(wait)},
    )
