"""A unified diff as a page shows it: files, and in each its lines with both line numbers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from leanvibe_server.engine.diffs import FileDiff, parse_diff
from leanvibe_server.web.hidden_chars import has_hidden

MAX_LINES_OF_FILE = 600
MAX_LINES_OPEN = 100
MAX_LINE_LENGTH = 1_000

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)")


@dataclass(frozen=True)
class Line:
    """One line: `kind` is same, add, del or hunk; the numbers are those in the two versions."""

    kind: str
    text: str
    old: int | None = None
    new: int | None = None


@dataclass(frozen=True)
class FileView:
    """One file of a diff. `open` ones are unfolded at first; `cut` ones are longer than shown.

    `hidden` ones hold characters that cannot be seen, in their name or anywhere in their lines.
    """

    path: str
    old_path: str | None
    change: str
    binary: bool
    added: int
    removed: int
    lines: list[Line]
    open: bool
    cut: bool
    hidden: bool


def view_diff(raw: bytes) -> list[FileView]:
    """The files of a diff in its order; the first ones are unfolded until there is enough."""
    texts = raw.decode(errors="replace").split("\n")
    shown: list[FileView] = []
    unfolded = 0
    for facts, lines in zip(parse_diff(raw), _split(texts), strict=False):
        cut = len(lines) > MAX_LINES_OF_FILE
        unfolded += min(len(lines), MAX_LINES_OF_FILE)
        shown.append(_view(facts, lines, cut, unfolded <= MAX_LINES_OPEN))
    return shown


def _view(facts: FileDiff, lines: list[Line], cut: bool, unfold: bool) -> FileView:
    texts = (facts.path, facts.old_path or "", *(line.text for line in lines))
    return FileView(
        path=facts.path,
        old_path=facts.old_path,
        change=facts.status,
        binary=facts.binary,
        added=len(facts.added),
        removed=len(facts.removed),
        lines=[
            replace(line, text=line.text[:MAX_LINE_LENGTH]) for line in lines[:MAX_LINES_OF_FILE]
        ],
        open=unfold,
        cut=cut,
        hidden=any(has_hidden(text) for text in texts),
    )


def _split(texts: list[str]) -> Iterator[list[Line]]:
    """The lines of each file."""
    lines: list[Line] | None = None
    index = 0
    while index < len(texts):
        text = texts[index]
        index += 1
        hunk = _HUNK.match(text)
        if hunk and lines is not None:
            begun = index
            lines.append(Line("hunk", f"@@ line {hunk[3]} @@ {hunk[5]}".rstrip()))
            lines.extend(_read_hunk(texts, begun, hunk))
            index = begun + _length(texts, begun, hunk)
        elif text.startswith("diff --git "):
            if lines is not None:
                yield lines
            lines = []
    if lines is not None:
        yield lines


def _counts(hunk: re.Match[str]) -> tuple[int, int]:
    return int(hunk[2] or 1), int(hunk[4] or 1)


def _length(texts: list[str], start: int, hunk: re.Match[str]) -> int:
    """How many lines the hunk has: what it says, for its lines may look like a header."""
    old, new = _counts(hunk)
    index = start
    while index < len(texts) and (old > 0 or new > 0) and texts[index][:1] in "+- \\":
        kind = texts[index][:1]
        old -= kind in ("-", " ", "")
        new -= kind in ("+", " ", "")
        index += 1
    return index - start


def _read_hunk(texts: list[str], start: int, hunk: re.Match[str]) -> Iterator[Line]:
    old, new = int(hunk[1]), int(hunk[3])
    for text in texts[start : start + _length(texts, start, hunk)]:
        kind, content = text[:1], text[1:].removesuffix("\r")
        if kind == "+":
            yield Line("add", content, new=new)
            new += 1
        elif kind == "-":
            yield Line("del", content, old=old)
            old += 1
        elif kind in (" ", ""):
            yield Line("same", content, old=old, new=new)
            old, new = old + 1, new + 1
