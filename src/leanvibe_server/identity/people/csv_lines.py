"""Files of people to invite, as spreadsheets write them: one person on each line.

Source: RFC 4180; OWASP, CSV Injection.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO

from leanvibe_server.kernel.errors import InvalidRequest, invalid_field

MOST_LINES = 500
COLUMNS = ("email", "name", "role", "expires_at")
# What such files call the columns, beside their own names.
ALIASES = {"e-mail": "email", "username": "name", "access until": "expires_at"}
DELIMITERS = ",;\t"
# Spreadsheets take what begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class CsvLine:
    """One person: `number` is the line of the file, from 1, `raw` what stands there."""

    number: int
    raw: str
    fields: dict[str, str]


@dataclass(frozen=True)
class Sheet:
    """A file that was read. `header` is its first line, where that names the columns."""

    header: str
    lines: list[CsvLine]


def read_sheet(text: str) -> Sheet:
    """The people of a file or of pasted lines.

    Columns are apart by commas, semicolons or tabs. Where the first line names no columns, two are
    e-mail and role, more are as in `COLUMNS`.
    Raises: InvalidRequest: there is no line, or too many, or a column nobody knows; or quotation
        marks leave it open where a line ends.
    """
    text = text.removeprefix("\ufeff")
    rows = list(_rows(text))
    if not rows:
        raise _unreadable("there is no line with an e-mail address")
    _, raw, first = rows[0]
    names = [ALIASES.get(cell.lower(), cell.lower()) for cell in first]
    header = raw if "email" in names else ""
    if header:
        _require_known(names)
        rows = rows[1:]
    if len(rows) > MOST_LINES:
        raise _unreadable(f"there are {len(rows)} people; invite at most {MOST_LINES} at once")
    lines = [CsvLine(number, raw, _fields(cells, names if header else None))
             for number, raw, cells in rows]  # fmt: skip
    if not lines:
        raise _unreadable("there is no line below the names of the columns")
    return Sheet(header, lines)


def shown(cell: str) -> str:
    """A cell that is no address, so that no spreadsheet takes the answer for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _rows(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Each line that holds anything: its number, itself, and its cells."""
    lines = text.splitlines(keepends=True)
    first = next((line for line in lines if line.strip()), "")
    named = re.fullmatch(r"sep=(.)\s*", first)
    counted = first if any(sign in first for sign in DELIMITERS) else text
    delimiter = named[1] if named else max(DELIMITERS, key=counted.count)
    reader = csv.reader(StringIO("".join(lines), newline=""), delimiter=delimiter, strict=True)
    begin = 0
    try:
        for cells in reader:
            raw = "".join(lines[begin : reader.line_num]).rstrip("\r\n")
            number, begin = begin + 1, reader.line_num
            stripped = [cell.strip() for cell in cells]
            if any(stripped) and not re.fullmatch(r"sep=.\s*", raw):
                yield number, raw, stripped
    except csv.Error as error:
        raise _unreadable(f"line {begin + 1}: {error}. Mind the quotation marks") from None


def _fields(cells: list[str], names: list[str] | None) -> dict[str, str]:
    """What a line says, by column; what is empty says nothing. Beyond the last column: `rest`."""
    if names is None:
        while cells and not cells[-1]:
            cells = cells[:-1]
        names = ["email", "role"] if len(cells) == 2 else list(COLUMNS)
    fields = {name: cell for name, cell in zip(names, cells, strict=False) if cell}
    rest = [cell for cell in cells[len(names) :] if cell]
    if rest:
        fields["rest"] = ", ".join(rest)
    until = fields.get("expires_at", "")
    if _DAY.fullmatch(until):
        fields["expires_at"] = f"{until}T23:59:59Z"
    return fields


def _require_known(names: list[str]) -> None:
    named = [name for name in names if name]
    strange = [name for name in named if name not in COLUMNS]
    if strange or len(set(named)) < len(named):
        what = f"there is no column {shown(strange[0])!r}" if strange else "a column stands twice"
        raise _unreadable(f"{what}: use {', '.join(COLUMNS)}")


def _unreadable(why: str) -> InvalidRequest:
    return invalid_field("lines", why, f"Nobody was invited: {why}.")
