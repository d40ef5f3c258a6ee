"""Answers of the API as objects: attributes and keys, typed where known, complete where not."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

Convert = Callable[[Any], Any]
_HIDDEN_WORDS = ("token", "secret", "password", "private_key")


def parse_time(value: object) -> object:
    """An RFC 3339 text as an aware datetime; what does not read as a time stays as sent."""
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Record(Mapping[str, Any]):
    """One object of an answer.

    Declared fields have the declared type. Fields a newer server adds are kept and reachable in
    the same two ways, `task.title` and `task["title"]`. Records do not change after they are made.
    """

    _fields: dict[str, Any]
    _raw: dict[str, Any]

    def __init__(self, raw: Mapping[str, Any]) -> None:
        converters = _converters(type(self))
        plain = {name: _plain(value) for name, value in raw.items()}
        fields = {
            name: converters[name](value) if name in converters else _wrap(name, value)
            for name, value in plain.items()
        }
        # A field that is called like a method stays reachable by key only.
        visible = {name: value for name, value in fields.items() if not hasattr(Record, name)}
        self.__dict__.update(visible, _fields=fields, _raw=plain)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{type(self).__name__} has no field {name!r}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        shown = (f"{name}={_shown(name, value)}" for name, value in self._fields.items())
        return f"{type(self).__name__}({', '.join(shown)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.to_dict(),)

    def to_dict(self) -> dict[str, Any]:
        """The object as it came over the wire: plain JSON types, times as text."""
        return copy.deepcopy(self._raw)


def _plain(value: Any) -> Any:
    """The value without records in it, so that `to_dict` gives plain JSON types."""
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _wrap(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return Record(value)
    if isinstance(value, list):
        return [_wrap("", inner) for inner in value]
    return parse_time(value) if name.endswith("_at") else value


def _shown(name: str, value: object) -> str:
    secret = isinstance(value, str) and any(word in name for word in _HIDDEN_WORDS)
    return "'…'" if secret or name == "key" else repr(value)


@cache
def _converters(record: type[Record]) -> dict[str, Convert]:
    hints = get_type_hints(record)
    return {name: _converter(hint) for name, hint in hints.items() if not name.startswith("_")}


def _converter(hint: Any) -> Convert:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        inner = [_converter(argument) for argument in arguments if argument is not NoneType]
        return inner[0] if len(inner) == 1 else _as_sent
    if origin is list:
        return _list_of(_converter(arguments[0]))
    if hint is datetime:
        return parse_time
    if isinstance(hint, type) and issubclass(hint, Record):
        return lambda value: hint(value) if isinstance(value, Mapping) else value
    return _as_sent


def _list_of(convert: Convert) -> Convert:
    return lambda value: [convert(inner) for inner in value] if isinstance(value, list) else value


def _as_sent(value: Any) -> Any:
    return value
