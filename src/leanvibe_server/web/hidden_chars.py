"""Characters a reader cannot see, or that reorder what is read, made visible.

Source: Unicode Standard Annex #9, "Explicit Directional Formatting Characters"; CVE-2021-42574;
Unicode Technical Standard #51, "Emoji ZWJ Sequences"; RFC 5892, Appendix A.
"""

import re
import unicodedata
from collections.abc import Iterator

from markupsafe import Markup, escape

# Controls but tab and line end, soft hyphen, direction marks, zero-width ones, tags.
# Joiners do not hide where a script or an emoji is written with them: within a family or a
# flag, and between two letters of Arabic, Persian or an Indic script.
_EMOJI = "[\u2190-\u2bff\ufe0f\U0001f000-\U0001faff]"
_JOINED = "[\u0620-\u06ff\u0750-\u077f\u0900-\u0dff]"
_HIDDEN = re.compile(
    f"(?!(?<={_EMOJI})\u200d{_EMOJI}|(?<={_JOINED})[\u200c\u200d]{_JOINED})"
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
_MARKER = Markup('<span class="hidden-char" title="{}">{}</span>')


def has_hidden(text: str) -> bool:
    """Whether the text reads differently from what it holds."""
    return _HIDDEN.search(text) is not None


def visible(text: object) -> Markup:
    """Foreign text for the body of a page, each hidden character as a marker."""
    if hasattr(text, "__html__"):
        return escape(text)
    return Markup("").join(_pieces(str(text)))


def spelled(text: object) -> str:
    """Foreign text for an attribute or a title, each hidden character as its number."""
    return _HIDDEN.sub(lambda found: f"[{_number(found[0])}]", str(text))


def _pieces(text: str) -> Iterator[Markup]:
    at = 0
    for found in _HIDDEN.finditer(text):
        yield escape(text[at : found.start()])
        name = unicodedata.name(found[0], "control character").lower()
        yield _MARKER.format(f"Hidden character: {name}", _number(found[0]))
        at = found.end()
    yield escape(text[at:])


def _number(char: str) -> str:
    return f"U+{ord(char):04X}"
