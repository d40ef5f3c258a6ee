"""Why a task failed, and what would help, as its page shows it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leanvibe_server.engine.schemas import TaskView
from leanvibe_server.web.formats import words
from leanvibe_server.web.task_view import texts

NO_RECIPE = "no_recipe"
GATES_FAILED = "gates_failed"
# The engine hands over no more findings of one gate than these.
MAX_FINDINGS = 20
MAX_LISTS = 12
# The API's name of a slot, before the words that fill it as well.
_FIELD_NAMES = re.compile(r"requirements\.[\w.]+, or ")
# Told elsewhere on the page, or of no use to a person.
_LEFT_OUT = frozenset({"command", "field", "nearest", "nearest_recipes", "analysis"})


@dataclass(frozen=True)
class RecipeHint:
    """A recipe that nearly fits, and what it lacks."""

    name: str
    title: str
    missing: str


@dataclass(frozen=True)
class Problem:
    """A failure in a sentence, what stood in the way list by list, and what would work."""

    message: str
    lists: list[tuple[str, list[str]]]
    recipes: list[RecipeHint]


def problem_of(task: TaskView) -> Problem | None:
    """The failure of a task; None for one that has not failed."""
    if task.error is None:
        return None
    details = task.error.details
    message = task.error.message
    if task.error.code == NO_RECIPE:
        message = "No recipe can do this, and no model is connected. Nothing was changed."
    if task.error.code == GATES_FAILED:
        gates = [gate for gate in details.get("gates") or [] if isinstance(gate, dict)]
        return Problem(message, [_gate(gate) for gate in gates[:MAX_LISTS]], [])
    lists = [
        (words(name), _items(value))
        for name, value in list(details.items())[:MAX_LISTS]
        if name not in _LEFT_OUT and _items(value)
    ]
    nearest = details.get("nearest_recipes") or details.get("nearest") or []
    return Problem(message, lists, [_hint(item) for item in nearest if isinstance(item, dict)])


def _gate(gate: Mapping[str, Any]) -> tuple[str, list[str]]:
    """A gate that stood in the way, and what it found, a line each."""
    found = [item for item in gate.get("findings") or [] if isinstance(item, dict)]
    name = words(str(gate.get("name") or "gate"))
    reasons = texts(gate.get("reason"))
    if not found:
        return name, reasons or ["It did not pass."]
    count = f"{len(found)} new finding{'' if len(found) == 1 else 's'}"
    if len(found) >= MAX_FINDINGS:
        count = f"the first {len(found)} new findings"
    return f"{name}: {count}", [*reasons, *(_finding(item) for item in found)]


def _finding(item: Mapping[str, Any]) -> str:
    """One finding as linters print it; one on a whole file has no line."""
    place = str(item.get("path") or "")
    if place and item.get("line"):
        place = f"{place}:{item['line']}"
    parts = (place, str(item.get("rule") or ""), str(item.get("message") or ""))
    return " ".join(part for part in parts if part)


def _items(value: Any) -> list[str]:
    if isinstance(value, list):
        return [_unmet(item) if isinstance(item, dict) else text for item, text in _paired(value)]
    return texts(value)


def _paired(values: list[Any]) -> list[tuple[Any, str]]:
    return list(zip(values, texts(values), strict=False))


def _unmet(item: Mapping[str, Any]) -> str:
    """A requirement nobody can meet here, why, and what would change that."""
    if "requirement" not in item:
        return ", ".join(f"{words(str(key)).lower()}: {value}" for key, value in item.items())
    reasons = (str(item.get("reason") or ""), str(item.get("would_make_possible") or ""))
    return f"{item['requirement']}: " + " ".join(reason for reason in reasons if reason)


def _hint(item: Mapping[str, Any]) -> RecipeHint:
    name = str(item.get("recipe", ""))
    missing = item.get("missing") or ""
    return RecipeHint(
        name=name,
        title=str(item.get("title") or words(name)),
        missing=_FIELD_NAMES.sub("", "; ".join(texts(missing))),
    )
