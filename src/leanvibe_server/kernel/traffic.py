"""What this process answered lately, for those who ask how the service is."""

import time
from collections.abc import Callable
from dataclasses import dataclass

SPAN_S = 60


@dataclass
class _Second:
    """The answers of one second; `at` tells of which."""

    at: int = -1
    answers: int = 0
    failures: int = 0
    took_s: float = 0.0


class Traffic:
    """Counts answers of the last minute, and of all the time since the process began.

    A failure is an answer of the 500s: what callers do wrong is no fault of the service, nor is
    that they ask for what is not offered (501).
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._seconds = [_Second() for _ in range(SPAN_S)]
        self._answers = 0
        self._failures = 0

    def note(self, status: int, took_s: float) -> None:
        """Count one answer."""
        now = int(self._clock_s())
        second = self._seconds[now % SPAN_S]
        if second.at != now:
            second.at, second.answers, second.failures, second.took_s = now, 0, 0, 0.0
        failed = status >= 500 and status != 501
        second.answers += 1
        second.failures += failed
        second.took_s += took_s
        self._answers += 1
        self._failures += failed

    @property
    def requests_per_minute(self) -> int:
        return sum(second.answers for second in self._lately())

    @property
    def average_response_time_ms(self) -> int | None:
        """From request to the start of the answer; None in a minute without any."""
        took_s = sum(second.took_s for second in self._lately())
        answers = self.requests_per_minute
        return round(1000 * took_s / answers) if answers else None

    @property
    def error_rate(self) -> float:
        """Per cent of the last minute's requests that failed."""
        failures = sum(second.failures for second in self._lately())
        return _per_cent(failures, self.requests_per_minute)

    @property
    def uptime_percentage(self) -> float:
        """Per cent of all requests since the process began that did not fail."""
        return round(100 - _per_cent(self._failures, self._answers), 2)

    def _lately(self) -> list[_Second]:
        since = int(self._clock_s()) - SPAN_S
        return [second for second in self._seconds if second.at > since]


def _per_cent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


TRAFFIC = Traffic()
