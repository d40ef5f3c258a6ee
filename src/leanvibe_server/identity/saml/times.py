"""Times in SAML messages: UTC, written with Z, compared with some patience for clocks.

Source: SAML 2.0 Core, sections 1.3.3 and 2.5.1.2.
"""

import re
from datetime import UTC, datetime, timedelta

from leanvibe_server.identity.saml.refusals import Malformed

# How far the clock of an identity provider may be from ours, either way.
SKEW = timedelta(seconds=60)
_LAST = datetime.max.replace(tzinfo=UTC) - SKEW
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_SPAN = re.compile(
    r"P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,5})D)?"
    r"(?:T(?:(\d{1,6})H)?(?:(\d{1,8})M)?(?:(\d{1,9})(?:\.\d+)?S)?)?",
    re.ASCII,
)


def parse_span(text: str) -> timedelta | None:
    """A duration of XML Schema, with months of 30 days and years of 365; None for what is none."""
    match = _SPAN.fullmatch(text)
    if match is None or not any(match.groups()):
        return None
    years, months, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(
        days=365 * years + 30 * months + days, hours=hours, minutes=minutes, seconds=seconds
    )


def parse_time(text: str) -> datetime:
    """Raises: Malformed: no time in UTC."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise Malformed(f"{text[:40]!r} is no time in UTC")
    try:
        moment = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    except ValueError:
        raise Malformed(f"{text[:40]!r} is no time in UTC") from None
    fraction = (match[2] or "0")[:6].ljust(6, "0")
    return moment.replace(microsecond=int(fraction))


def print_time(moment: datetime) -> str:
    """A time as SAML writes it, in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_begun(not_before: datetime | None, now: datetime) -> bool:
    """Whether the time has come, by a clock that may be behind."""
    # What a message says is never calculated with: the first or last of all years has no room.
    return not_before is None or now + SKEW >= not_before


def is_over(not_on_or_after: datetime | None, now: datetime) -> bool:
    """Whether the time is up, even by a clock that may be ahead."""
    return not_on_or_after is not None and now - SKEW >= not_on_or_after


def forgotten_at(usable_until: datetime) -> datetime:
    """When a message that was taken is over by every clock, so that it need be known no more."""
    return min(usable_until, _LAST) + SKEW
