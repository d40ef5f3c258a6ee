"""A task's requirements from the words of a command."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click


def read_requirements(
    *, json_file: str | None, pairs: Sequence[str], recipe: str | None
) -> dict[str, Any] | None:
    """The file first, then each `key=value` over it, then the recipe; None when none is given.

    Raises:
        click.UsageError: the file or a pair does not read.
    """
    requirements = {} if json_file is None else _from_file(json_file)
    for pair in pairs:
        _put(requirements, pair)
    if recipe is not None:
        requirements["recipe"] = recipe
    return requirements or None


def _from_file(name: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text()
        value = json.loads(text)
    except (OSError, ValueError) as problem:
        raise click.UsageError(f"--requirements-json {name} does not read: {problem}") from None
    if not isinstance(value, dict):
        raise click.UsageError(f"--requirements-json {name} must hold an object")
    return value


def _put(requirements: dict[str, Any], pair: str) -> None:
    """Set `a.b=value`; the value is JSON where it reads as JSON, text otherwise."""
    path, equals, text = pair.partition("=")
    *parents, name = path.split(".")
    if not equals or not name or not all(parents):
        raise click.UsageError(f"--requirement {pair!r} is not key=value")
    place = requirements
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise click.UsageError(f"--requirement {pair!r}: {parent} already has a value")
    try:
        place[name] = json.loads(text)
    except ValueError:
        place[name] = text
