"""A unified diff as git writes it, read into files and lines. Bytes in, since names and content
may be any.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import msgspec

FileStatus = Literal["added", "modified", "deleted", "renamed"]

_HUNK = re.compile(rb"^@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b'"': b'"', b"\\": b"\\", b"a": b"\a",
            b"b": b"\b", b"f": b"\f", b"v": b"\v"}  # fmt: skip


class FileDiff(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a diff. `added` holds the line's number in the new file and its content."""

    path: str
    old_path: str | None
    status: FileStatus
    binary: bool
    added: tuple[tuple[int, bytes], ...]
    removed: tuple[bytes, ...]

    @property
    def added_ranges(self) -> list[list[int]]:
        """The numbers of the added lines as inclusive ranges."""
        ranges: list[list[int]] = []
        for number, _ in self.added:
            if ranges and ranges[-1][1] == number - 1:
                ranges[-1][1] = number
            else:
                ranges.append([number, number])
        return ranges


def parse_diff(diff: bytes) -> list[FileDiff]:
    """Every file of the diff, in its order. What is no diff gives no files."""
    lines = diff.split(b"\n")
    starts = list(_file_starts(lines))
    return [
        _read_file(lines[start:end])
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=False)
    ]


def _file_starts(lines: list[bytes]) -> Iterator[int]:
    """Where each file begins. Lines within a hunk are skipped: they may look like a header."""
    index = 0
    while index < len(lines):
        line = lines[index]
        hunk = _HUNK.match(line)
        if hunk:
            index += _hunk_length(lines, index, hunk)
            continue
        if line.startswith(b"diff --git "):
            yield index
        index += 1


def _hunk_length(lines: list[bytes], start: int, hunk: re.Match[bytes]) -> int:
    old, new = int(hunk[1] or 1), int(hunk[3] or 1)
    index = start + 1
    while index < len(lines) and (old > 0 or new > 0):
        kind = lines[index][:1]
        if kind not in {b"+", b"-", b" ", b"\\", b""}:
            break
        old -= kind in {b"-", b" ", b""}
        new -= kind in {b"+", b" ", b""}
        index += 1
    return index - start


def _read_file(lines: list[bytes]) -> FileDiff:
    status: FileStatus = "modified"
    binary = False
    old, new = _header_paths(lines[0])
    added: list[tuple[int, bytes]] = []
    removed: list[bytes] = []
    index = 1
    while index < len(lines):
        line = lines[index]
        hunk = _HUNK.match(line)
        if hunk:
            length = _hunk_length(lines, index, hunk)
            _read_hunk(lines[index + 1 : index + length], int(hunk[2]), added, removed)
            index += length
            continue
        if line.startswith(b"new file mode"):
            status = "added"
        elif line.startswith(b"deleted file mode"):
            status = "deleted"
        elif line.startswith(b"rename from "):
            status, old = "renamed", _unquote(line[12:])
        elif line.startswith(b"rename to "):
            new = _unquote(line[10:])
        elif line.startswith(b"--- ") and line != b"--- /dev/null":
            old = _strip_prefix(_unquote(line[4:]))
        elif line.startswith(b"+++ ") and line != b"+++ /dev/null":
            new = _strip_prefix(_unquote(line[4:]))
        elif line.startswith((b"Binary files ", b"GIT binary patch")):
            binary = True
        index += 1
    path = old if status == "deleted" else new
    return FileDiff(
        path=_text(path),
        old_path=_text(old) if old != path else None,
        status=status,
        binary=binary,
        added=tuple(added),
        removed=tuple(removed),
    )


def _read_hunk(
    lines: list[bytes], number: int, added: list[tuple[int, bytes]], removed: list[bytes]
) -> None:
    for line in lines:
        kind, content = line[:1], line[1:]
        if kind == b"+":
            added.append((number, content))
            number += 1
        elif kind == b"-":
            removed.append(content)
        elif kind != b"\\":
            number += 1


def _header_paths(line: bytes) -> tuple[bytes, bytes]:
    """Both names of `diff --git a/x b/x`. Unquoted names with spaces are split where both halves
    agree.
    """
    rest = line[len(b"diff --git ") :]
    quoted = re.match(rb'^("(?:[^"\\]|\\.)*"|\S+) ("(?:[^"\\]|\\.)*"|\S+)$', rest)
    if quoted:
        return _strip_prefix(_unquote(quoted[1])), _strip_prefix(_unquote(quoted[2]))
    for match in re.finditer(rb" b/", rest):
        old, new = rest[: match.start()], rest[match.start() + 1 :]
        if old[2:] == new[2:]:
            return old[2:], new[2:]
    return b"", b""


def _strip_prefix(name: bytes) -> bytes:
    return name[2:] if name[:2] in {b"a/", b"b/"} else name


def _unquote(name: bytes) -> bytes:
    """A name as git quotes it: C escapes and octal bytes. A tab ends an unquoted name."""
    if not name.startswith(b'"'):
        return name.partition(b"\t")[0]
    inner = name[1 : name.rfind(b'"')]

    def replace(match: re.Match[bytes]) -> bytes:
        code = match[1]
        return _ESCAPES[code] if code in _ESCAPES else bytes([int(code, 8) & 0xFF])

    return re.sub(rb'\\([0-7]{3}|[ntr"\\abfv])', replace, inner)


def _text(name: bytes) -> str:
    return name.decode("utf-8", errors="backslashreplace")
