"""Inputs worth trying on a function: by annotation, default, literals and boundaries."""

from __future__ import annotations

import ast
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import inspect
import itertools
import types
import typing
import uuid
from typing import Any

MAX_PER_PARAMETER = 24
MAX_COMBINATIONS = 500
TYPICAL: dict[type, list[Any]] = {
    bool: [True, False],
    int: [1, 2, 0, -1, 10, 100],
    float: [1.5, 0.0, -1.0, 100.0],
    complex: [1j],
    str: ["abc", "12.50", "", "12", "-3", "Hello World", " padded ", "a,b", "ada@example.com"],
    bytes: [b"ab", b""],
    datetime.date: [datetime.date(2026, 1, 2), datetime.date(2024, 2, 29)],
    datetime.datetime: [datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)],
    datetime.timedelta: [datetime.timedelta(hours=1), datetime.timedelta(0)],
    decimal.Decimal: [decimal.Decimal("1.50"), decimal.Decimal(0), decimal.Decimal(-1)],
    uuid.UUID: [uuid.UUID("6f1f2b1e-8a57-4c1c-9f6d-0d4f5f2c7a11")],
}
UNKNOWN: list[Any] = [1, "abc", 0, "", [1, 2], [], {"a": 1}, {}, -1, 1.5, None]


class NoInputs(Exception):
    """Nothing is known that the parameter would take."""


@dataclasses.dataclass
class Literals:
    """Constants found in a function's body and in the containers of the module that it names."""

    numbers: list[int | float]
    texts: list[str]


def find_literals(node: ast.AST, namespace: dict[str, Any]) -> Literals:
    """The literals of a function's body, in the order they stand."""
    numbers: list[int | float] = []
    texts: list[str] = []
    docstrings = {id(one.value) for one in ast.walk(node) if isinstance(one, ast.Expr)}
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and id(one) not in docstrings:
            _sort_in(one.value, numbers, texts)
        elif isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load):
            value = namespace.get(one.id)
            if isinstance(value, dict | set | frozenset | list | tuple) and len(value) <= 50:
                ordered = (
                    list(value)
                    if isinstance(value, dict | list | tuple)
                    else sorted(value, key=repr)
                )
                for key in ordered[:6]:
                    _sort_in(key, numbers, texts)
            else:
                _sort_in(value, numbers, texts)
    return Literals(list(dict.fromkeys(numbers)), list(dict.fromkeys(texts)))


def _sort_in(value: Any, numbers: list[int | float], texts: list[str]) -> None:
    if isinstance(value, bool | enum.Enum):
        return
    if isinstance(value, int | float) and abs(value) <= 10**9:
        numbers.append(value)
    elif isinstance(value, str) and 0 < len(value) <= 40:
        texts.append(value)


def candidates(annotation: Any, literals: Literals, depth: int = 0) -> list[Any]:
    """Values for one parameter, the most typical first.

    Raises: NoInputs: the annotation names something that can't be made up.
    """
    if depth > 3:
        raise NoInputs("nested too deep")
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is inspect.Parameter.empty or annotation is Any or annotation is object:
        return [*UNKNOWN, *literals.numbers[:4], *literals.texts[:6]]
    if origin is typing.Annotated:
        return candidates(arguments[0], literals, depth)
    if origin in {typing.Union, types.UnionType}:
        return _of_union(arguments, literals, depth)
    listed = _of_listed(annotation, origin, arguments)
    if listed is not None:
        return listed
    if annotation in TYPICAL:
        return _of_builtin(annotation, literals)
    container = _of_container(annotation, origin, arguments, literals, depth)
    if container is not None:
        return container
    if isinstance(annotation, type):
        return _of_record(annotation, literals, depth)
    raise NoInputs(f"no values are known for {annotation}")


def _of_listed(annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> list[Any] | None:
    """Every value of an annotation that lists its values."""
    if annotation is None or annotation is types.NoneType:
        return [None]
    if isinstance(annotation, typing.TypeVar):
        return list(UNKNOWN)
    if origin is typing.Literal:
        return list(arguments)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return list(annotation)
    return None


def _of_union(arguments: tuple[Any, ...], literals: Literals, depth: int) -> list[Any]:
    found: list[Any] = []
    for one in sorted(arguments, key=lambda one: one is types.NoneType):
        try:
            found += candidates(one, literals, depth + 1)[: MAX_PER_PARAMETER // 2 + 3]
        except NoInputs:
            continue
    if not found:
        raise NoInputs("no values are known for any of the alternatives")
    return found


def _of_builtin(annotation: type, literals: Literals) -> list[Any]:
    typical = TYPICAL[annotation]
    if annotation is int:
        whole = [int(n) for n in literals.numbers if n == int(n)]
        return [*typical[:2], *(n + step for n in whole for step in (0, -1, 1)), *typical[2:]]
    if annotation is float:
        parts = [float(n) for n in literals.numbers]
        return [*typical[:1], *(n + step for n in parts for step in (0, -1, 1)), *typical[1:]]
    if annotation is str:
        around = [f"1{text}25" for text in literals.texts if len(text) <= 2]
        around += [f"1{text}234" for text in literals.texts if len(text) <= 2]
        around += [f"{text}1" for text in literals.texts if len(text) <= 2]
        return [*typical[:3], *literals.texts[:12], *typical[3:5], *around[:6], *typical[5:]]
    return list(typical)


def _of_container(
    annotation: Any, origin: Any, arguments: tuple[Any, ...], literals: Literals, depth: int
) -> list[Any] | None:
    kind = origin or annotation
    sequences = (
        list,
        collections.abc.Sequence,
        collections.abc.Iterable,
        collections.abc.Collection,
    )
    inner = arguments[0] if arguments else Any
    if kind in sequences:
        values = candidates(inner, literals, depth + 1)
        return [values[:2], [], values[:1], values[:5], list(reversed(values[:3]))]
    if kind in {set, frozenset, collections.abc.Set}:
        values = [one for one in candidates(inner, literals, depth + 1) if _hashable(one)]
        made = frozenset if kind is frozenset else set
        return [made(values[:2]), made(), made(values[:5])]
    if kind in {dict, collections.abc.Mapping, collections.abc.MutableMapping}:
        value_kind = arguments[1] if len(arguments) == 2 else Any
        keys = [o for o in candidates(inner, literals, depth + 1) if _hashable(o)]
        values = candidates(value_kind, literals, depth + 1)
        full = dict(zip(keys, itertools.cycle(values), strict=False))
        return [dict(list(full.items())[:2]), {}, dict(list(full.items())[:1]), full]
    if kind is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            values = candidates(inner, literals, depth + 1)
            return [tuple(values[:2]), (), tuple(values[:1])]
        columns = [candidates(one, literals, depth + 1) for one in arguments]
        return [tuple(row) for row in combine(columns, limit=8)] or [()]
    return None


def _of_record(annotation: type, literals: Literals, depth: int) -> list[Any]:
    """Instances of a dataclass, a named tuple or a Pydantic model, made from values of their
    fields.
    """
    known = (
        dataclasses.is_dataclass(annotation)
        or hasattr(annotation, "model_fields")
        or (issubclass(annotation, tuple) and hasattr(annotation, "_fields"))
    )
    if not known:
        raise NoInputs(f"no values are known for {annotation.__name__}")
    made = []
    for _, keywords in argument_rows(annotation, literals, depth=depth + 1, limit=12):
        try:
            made.append(annotation(**keywords))
        except Exception:  # noqa: S112 - a record may refuse a made-up value; another row may do
            continue
    if not made:
        raise NoInputs(f"{annotation.__name__} took none of the values tried")
    return made


def argument_rows(
    function: Any, literals: Literals, *, depth: int = 0, limit: int = MAX_COMBINATIONS
) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Rows of arguments for a callable: (positional only, by name).

    Raises: NoInputs: a required parameter takes nothing that can be made up.
    """
    signature = inspect.signature(function)
    hints = read_hints(function)
    names, columns, positional = [], [], 0
    for parameter in signature.parameters.values():
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            continue
        annotation = hints.get(parameter.name, parameter.annotation)
        default = parameter.default
        try:
            values = candidates(annotation, literals, depth)
        except NoInputs as error:
            if default is parameter.empty:
                raise NoInputs(f"{parameter.name}: {error}") from error
            continue
        if (
            annotation is parameter.empty
            and default not in {parameter.empty, None}
            and _hashable(default)
        ):
            values = [one for one in values if type(one) is type(default)] or values
            values += TYPICAL.get(type(default), [])
        if default is not parameter.empty and _is_plain(default):
            values = [default, *values]
        positional += parameter.kind is parameter.POSITIONAL_ONLY
        names.append(parameter.name)
        columns.append(_distinct(values)[:MAX_PER_PARAMETER])
    rows = combine(columns, limit=limit)
    return [
        (tuple(row[:positional]), dict(zip(names[positional:], row[positional:], strict=True)))
        for row in rows
    ]


def read_hints(function: Any) -> dict[str, Any]:
    """The resolved annotations; of a class those of its constructor or its fields."""
    found: dict[str, Any] = {}
    targets = [function]
    if isinstance(function, type):
        targets.append(inspect.getattr_static(function, "__init__"))
    for target in targets:
        try:
            found.update(typing.get_type_hints(target, include_extras=True))
        except Exception:  # noqa: S112 - foreign annotations may name anything; then we guess
            continue
    found.pop("return", None)
    return found


def combine(columns: list[list[Any]], *, limit: int) -> list[tuple[Any, ...]]:
    """Rows over the columns: all of them if they are few, else each value once against several
    bases.
    """
    if not columns:
        return [()]
    total = 1
    for column in columns:
        total *= len(column)
    if total <= limit:
        return list(itertools.product(*columns))
    rows: list[tuple[Any, ...]] = []
    for shift in range(3):
        base = [column[shift % len(column)] for column in columns]
        rows.append(tuple(base))
        for index, column in enumerate(columns):
            for value in column:
                rows.append((*base[:index], value, *base[index + 1 :]))
    for left, right in itertools.combinations(range(len(columns)), 2):
        for one, other in itertools.product(columns[left][:6], columns[right][:6]):
            row = [column[0] for column in columns]
            row[left], row[right] = one, other
            rows.append(tuple(row))
    return rows[:limit]


def _distinct(values: list[Any]) -> list[Any]:
    seen: set[tuple[type, str]] = set()
    kept = []
    for value in values:
        key = (type(value), repr(value))
        if key not in seen:
            seen.add(key)
            kept.append(value)
    return kept


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _is_plain(value: Any) -> bool:
    plain = (bool, int, float, str, bytes, list, tuple, dict, set, frozenset, enum.Enum)
    return value is None or isinstance(value, plain)
