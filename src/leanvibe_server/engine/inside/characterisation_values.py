"""Values written as Python source, so that a test can build and compare them."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import math
import sys
import uuid
from typing import Any

MAX_DEPTH = 6
MAX_TEXT = 400


class Unrenderable(Exception):
    """The value can't be written as source that gives an equal value."""


class Renderer:
    """Writes values as source and keeps the imports they need as (module, name)."""

    def __init__(self, *, approximate: bool) -> None:
        self.approximate = approximate
        self.imports: set[tuple[str, str]] = set()

    def render(self, value: Any, depth: int = 0) -> str:
        """The source of a value.

        Raises: Unrenderable: there is none that is short and gives an equal value.
        """
        if depth > MAX_DEPTH:
            raise Unrenderable("too deep")
        text = self._render(value, depth)
        if len(text) > MAX_TEXT:
            raise Unrenderable("too long")
        return text

    def _render(self, value: Any, depth: int) -> str:
        kind = type(value)
        if isinstance(value, enum.Enum):
            if isinstance(value, enum.Flag) and value.name is None:
                raise Unrenderable("a combination of flags")
            return f"{self._class(kind)}.{value.name}"
        if value is None or kind in {bool, int, str, bytes}:
            return repr(value)
        if kind is float:
            return self._float(value)
        if kind in {list, tuple, set, frozenset, dict}:
            return self._container(value, depth)
        if kind in {datetime.date, datetime.datetime, datetime.time, datetime.timedelta}:
            return self._time(value)
        if kind in {decimal.Decimal, fractions.Fraction, uuid.UUID}:
            self.imports.add((kind.__module__, kind.__name__))
            return f"{kind.__name__}({str(value)!r})"
        return self._record(value, depth)

    def _float(self, value: float) -> str:
        if math.isnan(value):
            raise Unrenderable("not a number")
        if math.isinf(value):
            return f'float("{value}")'
        return f"pytest.approx({value!r})" if self.approximate else repr(value)

    def _container(self, value: Any, depth: int) -> str:
        kind = type(value)
        if kind is dict:
            keys = Renderer(approximate=False)
            items = [
                f"{keys.render(key, depth + 1)}: {self.render(one, depth + 1)}"
                for key, one in value.items()
            ]
            self.imports |= keys.imports
            return "{" + ", ".join(items) + "}"
        parts = [self.render(one, depth + 1) for one in value]
        if kind is list:
            return "[" + ", ".join(parts) + "]"
        if kind is tuple:
            return "(" + ", ".join(parts) + ("," if len(parts) == 1 else "") + ")"
        inner = "{" + ", ".join(sorted(parts)) + "}"
        if kind is frozenset:
            return f"frozenset({inner if parts else ''})"
        return inner if parts else "set()"

    def _time(self, value: Any) -> str:
        if getattr(value, "tzinfo", None) not in {None, datetime.UTC}:
            raise Unrenderable("a time zone")
        self.imports.add(("", "datetime"))
        return repr(value)

    def _record(self, value: Any, depth: int) -> str:
        kind = type(value)
        if dataclasses.is_dataclass(value) and "__eq__" in vars(kind):
            pairs = [(one.name, getattr(value, one.name)) for one in dataclasses.fields(value)
                     if one.init]  # fmt: skip
        elif isinstance(value, tuple) and hasattr(value, "_fields"):
            pairs = list(zip(value._fields, value, strict=True))
        elif hasattr(kind, "model_fields") and hasattr(value, "model_fields_set"):
            pairs = [(name, getattr(value, name)) for name in kind.model_fields]
        else:
            raise Unrenderable(f"a {kind.__name__}")
        name = self._class(kind)
        return f"{name}({', '.join(f'{key}={self.render(one, depth + 1)}' for key, one in pairs)})"

    def _class(self, kind: type) -> str:
        module = sys.modules.get(kind.__module__)
        name: str = kind.__name__
        if "." in kind.__qualname__ or getattr(module, name, None) is not kind:
            raise Unrenderable(f"{kind.__qualname__} can't be imported")
        if name.startswith("_"):
            raise Unrenderable(f"{name} is private")
        self.imports.add((kind.__module__, name))
        return name
