"""The spans over which usage is counted."""

from datetime import UTC, datetime, timedelta

MONTHLY = frozenset({"api_calls"})


def period_of(metric: str, now: datetime) -> str:
    """The period a moment falls in: `2026-11` for monthly meters, `2026-11-21` for daily ones."""
    moment = now.astimezone(UTC)
    month = f"{moment.year:04}-{moment.month:02}"
    return month if metric in MONTHLY else f"{month}-{moment.day:02}"


def period_end(metric: str, now: datetime) -> datetime:
    """When the counter begins anew (UTC)."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if metric in MONTHLY:
        return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    return midnight + timedelta(days=1)
