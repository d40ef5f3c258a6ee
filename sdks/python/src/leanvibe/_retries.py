"""When a failed request is sent again, and after how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from leanvibe import exceptions as errors

_PASSING_STATUSES = frozenset({408, 502, 503, 504})


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """Exponential back-off with jitter. `max_retries` counts the attempts after the first."""

    max_retries: int = 3
    first_delay_s: float = 0.5
    longest_delay_s: float = 8.0
    longest_wait_s: float = 60.0
    """A server that asks for a longer wait than this is not waited for; the error is raised."""

    def delay_s(
        self, error: errors.LeanVibeError, retries_done: int, random: Callable[[], float]
    ) -> float | None:
        """Seconds until the next attempt, or None when there is none; `random` gives 0 to 1."""
        if retries_done >= self.max_retries or not passes(error):
            return None
        if error.retry_after is not None:
            return error.retry_after if error.retry_after <= self.longest_wait_s else None
        return self.back_off_s(retries_done, random)

    def back_off_s(self, retries_done: int, random: Callable[[], float]) -> float:
        """Between half and the whole of a delay that doubles each time."""
        whole = min(self.longest_delay_s, self.first_delay_s * 2.0 ** min(retries_done, 30))
        return whole * (0.5 + random() / 2)


def passes(error: errors.LeanVibeError) -> bool:
    """Whether the same request may well succeed a little later."""
    if isinstance(error, errors.SandboxUnavailableError):
        return False
    if isinstance(error, errors.RateLimitError | errors.ConnectionFailedError):
        return True
    return error.status in _PASSING_STATUSES
