"""How values read in a page: times, durations, numbers, names."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from markupsafe import Markup, escape

from leanvibe_server.kernel.access import Role
from leanvibe_server.web.hidden_chars import spelled, visible


def to_datetime(value: datetime | str) -> datetime:
    """A moment, from itself or from its RFC 3339 text."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.astimezone(UTC)


def time_text(moment: datetime) -> str:
    """A moment of UTC in words, to the minute."""
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"


def time_tag(value: datetime | str | None, style: str = "minute") -> Markup:
    """A moment as <time>; a module of ours shows it in the reader's zone."""
    if value is None:
        return Markup('<span class="quiet">–</span>')
    moment = to_datetime(value)
    machine = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if style == "clock":
        text = f"{moment:%H:%M:%S}"
    elif style == "day":
        text = f"{moment.day} {moment:%b %Y}"
    else:
        text = time_text(moment)
    return Markup('<time datetime="{}" data-style="{}">{}</time>').format(machine, style, text)


def duration(seconds: float | None) -> str:
    """A length of time in the two units that matter."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def between(start: datetime | str | None, end: datetime | str | None) -> float | None:
    """Seconds from `start` to `end`; None while one is missing."""
    if start is None or end is None:
        return None
    return max(timedelta(0), to_datetime(end) - to_datetime(start)).total_seconds()


def number(value: int | float | Decimal | None) -> str:
    """A number with thousands apart."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def percent(ratio: float | Decimal | None) -> str:
    """A ratio of 0 to 1 in whole percent."""
    return "–" if ratio is None else f"{round(float(ratio) * 100)} %"


def role_name(name: str | None) -> str:
    """A role as people read it: one of the product as a word, one of the tenant's own as it is."""
    return words(name) if name is None or name in set(Role) else name


def words(name: str | None) -> str:
    """A machine's name as a person writes it: `test_generation` is Test generation."""
    if not name:
        return "–"
    text = name.replace("_", " ").replace(".", " ").strip()
    return text[:1].upper() + text[1:]


def initials(name: str) -> str:
    """One or two letters that stand for a person."""
    parts = [part for part in name.replace(".", " ").replace("@", " ").split() if part]
    return "".join(part[0] for part in parts[:2]).upper() or "?"


def breakable(text: str) -> Markup:
    """Foreign text that may wrap after slashes, its hidden characters made visible."""
    return Markup("/<wbr>").join(visible(part) for part in text.split("/"))


def codes(text: str) -> Markup:
    """A text of the API's description: what stands between backticks is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )


FILTERS: dict[str, Any] = {
    "time": time_tag,
    "duration": duration,
    "number": number,
    "percent": percent,
    "words": words,
    "role": role_name,
    "initials": initials,
    "breakable": breakable,
    "visible": visible,
    "spelled": spelled,
    "codes": codes,
}
