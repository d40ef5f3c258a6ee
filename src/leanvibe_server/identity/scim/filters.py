"""The filter language, read into a small tree, within bounds.

Source: RFC 7644, section 3.4.2.2.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from leanvibe_server.identity.scim.errors import invalid
from leanvibe_server.kernel.errors import InvalidRequest

MAX_LENGTH = 4_000
MAX_DEPTH = 12
MAX_TERMS = 60
OPERATORS = frozenset({"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"})

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<mark>[()\[\]])
      | (?P<text>"(?:[^"\\\x00-\x1f]|\\.)*")
      | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?=[\s)\]]|$)
      | (?P<word>[A-Za-z$][A-Za-z0-9_$:.\-]*)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Compare:
    """An attribute against a value; `operator` is one of OPERATORS."""

    path: str
    operator: str
    value: str | bool | int | float | None


@dataclass(frozen=True)
class Present:
    """An attribute has a value."""

    path: str


@dataclass(frozen=True)
class Not:
    of: "Node"


@dataclass(frozen=True)
class Both:
    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Either:
    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Within:
    """One of an attribute's values fulfils a condition of its own."""

    path: str
    condition: "Node"


Node = Compare | Present | Not | Both | Either | Within


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


def parse_filter(text: str) -> Node:
    """The tree of a filter.

    Raises: InvalidRequest: it is none, or larger or deeper than is read.
    """
    if len(text) > MAX_LENGTH:
        raise bad_filter(f"it is longer than {MAX_LENGTH} characters")
    return _Reader(list(_tokens(text))).whole()


def bad_filter(why: str) -> InvalidRequest:
    """The refusal of a filter."""
    return invalid("invalidFilter", f"The filter cannot be used: {why}.")


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    stripped = text.rstrip()
    while place < len(stripped):
        match = _TOKEN.match(stripped, place)
        if match is None or match.lastgroup is None:
            raise bad_filter(f"it is not understood at character {place + 1}")
        yield _Token(match.lastgroup, match[match.lastgroup])
        place = match.end()


class _Reader:
    """Reads the tokens by recursive descent, counting how deep and how much."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self._terms = 0

    def whole(self) -> Node:
        node = self._either(0, nested=False)
        if self._place < len(self._tokens):
            raise bad_filter(f"{self._tokens[self._place].text!r} is one too many")
        return node

    def _either(self, depth: int, *, nested: bool) -> Node:
        if depth > MAX_DEPTH:
            raise bad_filter(f"it is nested deeper than {MAX_DEPTH}")
        parts = [self._both(depth, nested=nested)]
        while self._takes("or"):
            parts.append(self._both(depth, nested=nested))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self, depth: int, *, nested: bool) -> Node:
        parts = [self._term(depth, nested=nested)]
        while self._takes("and"):
            parts.append(self._term(depth, nested=nested))
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _term(self, depth: int, *, nested: bool) -> Node:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise bad_filter(f"it has more than {MAX_TERMS} conditions")
        if self._peek() == "not" and self._peek(1) == "(":
            self._place += 1
            return Not(self._group(depth, nested=nested))
        if self._peek() == "(":
            return self._group(depth, nested=nested)
        path = self._word("an attribute")
        if self._takes("["):
            if nested:
                raise bad_filter("a condition on values stands within another")
            condition = self._either(depth + 1, nested=True)
            self._expect("]")
            return Within(path, condition)
        return self._condition(path)

    def _group(self, depth: int, *, nested: bool) -> Node:
        self._expect("(")
        node = self._either(depth + 1, nested=nested)
        self._expect(")")
        return node

    def _condition(self, path: str) -> Node:
        operator = self._word("an operator").lower()
        if operator == "pr":
            return Present(path)
        if operator not in OPERATORS:
            raise bad_filter(f"there is no operator {operator!r}")
        return Compare(path, operator, self._value())

    def _value(self) -> str | bool | int | float | None:
        if self._place >= len(self._tokens):
            raise bad_filter("a value is missing at its end")
        token = self._tokens[self._place]
        self._place += 1
        if token.kind in ("text", "number") or token.text in ("true", "false", "null"):
            value: str | bool | int | float | None = _literal(token.text)
            return value
        raise bad_filter(f"{token.text!r} is no value; texts stand in double quotes")

    def _word(self, what: str) -> str:
        if self._place >= len(self._tokens) or self._tokens[self._place].kind != "word":
            raise bad_filter(f"{what} is missing")
        self._place += 1
        return self._tokens[self._place - 1].text

    def _peek(self, ahead: int = 0) -> str:
        place = self._place + ahead
        if place >= len(self._tokens) or self._tokens[place].kind == "text":
            return ""
        return self._tokens[place].text.lower()

    def _takes(self, text: str) -> bool:
        if self._peek() != text:
            return False
        self._place += 1
        return True

    def _expect(self, text: str) -> None:
        if not self._takes(text):
            raise bad_filter(f"{text!r} is missing")


def _literal(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        raise bad_filter(f"{text[:40]!r} is no value") from None
    if isinstance(value, str) and ("\0" in value or not _is_storable(value)):
        raise bad_filter("a text holds characters that cannot be stored")
    return value


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
