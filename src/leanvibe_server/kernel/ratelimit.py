"""How often a caller may call: the generic cell rate algorithm, in memory."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """`per_minute` calls sustained, `burst` at once."""

    per_minute: int
    burst: int


@dataclass(frozen=True)
class Verdict:
    """Whether a call may pass, and what the headers say of it."""

    allowed: bool
    limit: int
    remaining: int
    reset_s: float
    retry_after_s: float

    def headers(self, now_epoch: float) -> list[tuple[bytes, bytes]]:
        """X-RateLimit headers; `Reset` is the epoch second at which the bucket is full again."""
        pairs = [
            (b"x-ratelimit-limit", str(self.limit).encode()),
            (b"x-ratelimit-remaining", str(self.remaining).encode()),
            (b"x-ratelimit-reset", str(math.ceil(now_epoch + self.reset_s)).encode()),
        ]
        if not self.allowed:
            seconds = str(max(1, math.ceil(self.retry_after_s))).encode()
            pairs += [(b"x-ratelimit-retry-after", seconds), (b"retry-after", seconds)]
        return pairs


ROUNDING_S = 1e-3
ANONYMOUS = Rate(per_minute=300, burst=300)


class RateLimiter:
    """One bucket for each key. Time is passed in, in seconds of any steady clock.

    A bucket is one number: the theoretical arrival time of the next call that conforms.
    Source: ITU-T I.371, generic cell rate algorithm.
    """

    def __init__(self, max_keys: int = 100_000) -> None:
        self._arrival: dict[str, float] = {}
        self._max_keys = max_keys

    def take(self, key: str, rate: Rate, now_s: float, cost: int = 1) -> Verdict:
        """Count `cost` calls against `key`; a refused call costs nothing."""
        interval = 60.0 / rate.per_minute
        tolerance = interval * rate.burst
        arrival = max(self._arrival.get(key, now_s), now_s)
        next_arrival = arrival + interval * cost
        wait = next_arrival - tolerance - now_s
        # A cell that fills the bucket exactly conforms. Floats of epoch seconds are coarse (a
        # quarter of a microsecond), and the error adds up over a bucket.
        allowed = wait <= ROUNDING_S
        if allowed:
            self._make_room(key, now_s)
            self._arrival[key] = arrival = next_arrival
        used_s = arrival - now_s
        return Verdict(
            allowed=allowed,
            limit=rate.per_minute,
            remaining=max(0, int((tolerance - used_s + ROUNDING_S) / interval)),
            reset_s=used_s,
            retry_after_s=max(0.0, wait),
        )

    def _make_room(self, key: str, now_s: float) -> None:
        if len(self._arrival) < self._max_keys or key in self._arrival:
            return
        full = [name for name, arrival in self._arrival.items() if arrival <= now_s]
        for name in full or list(self._arrival)[: self._max_keys // 10]:
            del self._arrival[name]
