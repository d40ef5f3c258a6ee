"""The look of an organisation: its colour and its logo, as far as people can still read the page.

A page loads the colour as a style sheet of ours whose name is the colour, so nothing stands
inline; the logo is the one thing it may load from elsewhere, and only from where that is.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from leanvibe_server.tenancy.models import Tenant
from leanvibe_server.tenancy.schemas import is_web_image

COLOR = re.compile(r"[0-9a-f]{6}")
# Text on a surface. Source: WCAG 2.2, success criterion 1.4.3.
READABLE = 4.5
LIGHT, DARK = (255, 255, 255), (21, 29, 26)

Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class Brand:
    """What a page shows of an organisation's look; empty where there is none."""

    name: str = ""
    style_sheet: str = ""
    logo: str = ""

    @property
    def image_source(self) -> str:
        """Where the logo comes from, for the content security policy."""
        parts = urlsplit(self.logo)
        return f"{parts.scheme}://{parts.netloc}" if self.logo else ""


PLAIN = Brand()


def brand_of(tenant: Tenant | None) -> Brand:
    """The look of a tenant. What was stored is judged again before it gets into a page."""
    kept: Any = None if tenant is None else tenant.configuration.get("branding")
    if tenant is None or not isinstance(kept, dict):
        return PLAIN
    color = str(kept.get("primary_color") or "").removeprefix("#").lower()
    logo = str(kept.get("logo_url") or "")
    return Brand(
        name=tenant.display_name,
        style_sheet=f"/static/brand/{color}/accents.css" if COLOR.fullmatch(color) else "",
        logo=logo if is_web_image(logo) else "",
    )


def style_sheet(color: str) -> str:
    """The accents of light and dark pages around a colour of six hexadecimal digits."""
    wanted = _rgb(color)
    light = _accents(_readable(wanted, on=LIGHT, towards=(0, 0, 0)), LIGHT, (0, 0, 0))
    dark = _accents(_readable(wanted, on=DARK, towards=(255, 255, 255)), DARK, (255, 255, 255))
    return (
        f":root{{{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n"
        f":root[data-theme=dark]{{{dark}}}\n"
    )


def contrast(one: Rgb, other: Rgb) -> float:
    """How far apart two colours are in brightness, from 1 to 21. Source: WCAG 2.2."""
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def _accents(accent: Rgb, surface: Rgb, towards: Rgb) -> str:
    on_accent = max(((255, 255, 255), (0, 0, 0)), key=lambda text: contrast(text, accent))
    return ";".join(
        f"{name}:{_hex(value)}"
        for name, value in {
            "--accent": accent,
            "--accent-strong": _mix(accent, towards, 0.25),
            "--accent-weak": _mix(surface, accent, 0.12),
            "--on-accent": on_accent,
        }.items()
    )


def _readable(color: Rgb, *, on: Rgb, towards: Rgb) -> Rgb:
    """The colour, moved as little as it takes to be read on a surface."""
    for step in range(21):
        mixed = _mix(color, towards, step / 20)
        if contrast(mixed, on) >= READABLE:
            return mixed
    return towards


def _mix(one: Rgb, other: Rgb, share: float) -> Rgb:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _luminance(color: Rgb) -> float:
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (part / 255 for part in color)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _rgb(text: str) -> Rgb:
    return int(text[0:2], 16), int(text[2:4], 16), int(text[4:6], 16)


def _hex(color: Rgb) -> str:
    return "#" + "".join(f"{part:02x}" for part in color)
