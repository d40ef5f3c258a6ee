"""From the words and keys of a task to a recipe, or to what stands in the way of one.

Pure: text and a survey in, a plan out. Structured keys come first; free text goes through a fixed
grammar. Whatever a recipe does not honour is listed as unmet, and an unmet item fails the task:
never half of it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from leanvibe_server.engine.demands import read_demands
from leanvibe_server.engine.grammar import Reading, read_text
from leanvibe_server.engine.parameters import ReadParameters, read_parameters
from leanvibe_server.engine.recipes import RECIPES
from leanvibe_server.engine.resolution import resolve

_TEXT_LIMIT = 20_000
_MISSING = {
    "crud_endpoint": [
        "a path: requirements.specification.endpoint, or words such as "
        '"CRUD endpoint for /api/users with fields name: str, age: int"'
    ],
    "lint_autofix": ['the wish itself: requirements.recipe, or words such as "fix lint findings"'],
    "characterisation_tests": [
        'a module: requirements.module, or words such as "add tests for app/pricing.py"'
    ],
}


class TaskText(msgspec.Struct, frozen=True, kw_only=True):
    """What a task asks for."""

    title: str
    description: str = ""
    requirements: dict[str, Any] = {}


class Unmet(msgspec.Struct, frozen=True, kw_only=True):
    """One requirement no recipe honours. `requirement` is a key path or the task's own words."""

    requirement: str
    reason: str
    would_make_possible: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What will be done, or why nothing is. `final` is False while the repository has not been
    looked at.
    """

    recipe: str | None
    parameters: dict[str, Any]
    matched: list[str]
    unmet: list[Unmet]
    assumptions: list[str]
    nearest: list[dict[str, Any]]
    final: bool

    @property
    def ok(self) -> bool:
        """Whether the task can go on: a recipe is chosen and nothing is unmet."""
        return self.recipe is not None and not self.unmet


def plan(task: TaskText, survey: dict[str, Any] | None = None) -> Plan:
    """Plan a task. Without a survey the plan can already say no, but a yes is not final."""
    requirements = task.requirements if isinstance(task.requirements, dict) else {}
    text = f"{task.title}\n{task.description}"[:_TEXT_LIMIT]
    structured = read_parameters(requirements)
    words = _read_words(text, structured)
    recipe = structured.recipe or (words.recipe if not structured.unmet else None)
    unmet = _unmet(structured.unmet)
    parameters = {**words.parameters, **structured.parameters} if recipe else {}
    matched = [*structured.matched, *words.matched]
    assumptions = [*structured.assumptions, *words.background]
    if recipe is None:
        if not unmet:
            unmet.append(_nothing_fits(task))
        unmet += _unmet(read_demands(requirements, None, {}, survey).unmet)
        unmet += _unmet(words.unmet)
        return Plan(
            recipe=None,
            parameters={},
            matched=matched,
            unmet=_distinct(unmet),
            assumptions=[],
            nearest=_nearest(text, set()),
            final=survey is not None,
        )
    demands = read_demands(requirements, recipe, parameters, survey)
    parameters |= demands.parameters
    matched += demands.matched
    unmet += _unmet(demands.unmet) + _unmet(words.unmet)
    resolved = resolve(recipe, parameters, survey)
    unmet += _unmet(resolved.unmet)
    return Plan(
        recipe=recipe,
        parameters=resolved.parameters,
        matched=matched,
        unmet=_distinct(unmet),
        assumptions=[*assumptions, *resolved.assumptions],
        nearest=_nearest(text, {recipe}) if unmet else [],
        final=survey is not None,
    )


def _read_words(text: str, structured: ReadParameters) -> Reading:
    """The text's reading. Beside structured keys it is a label: only what it asks beyond them
    counts.
    """
    reading = read_text(text, chosen=structured.recipe)
    if structured.recipe is None:
        return reading
    return msgspec.structs.replace(reading, parameters={}, matched=[], background=[])


def _nothing_fits(task: TaskText) -> Unmet:
    return Unmet(
        requirement=task.title.strip()[:200] or "title",
        reason="No recipe does this, and no model is configured.",
        would_make_possible="Ask for what a recipe does (see nearest), or configure a model.",
    )


def _unmet(found: list[dict[str, str]]) -> list[Unmet]:
    return [Unmet(**one) for one in found]


def _distinct(unmet: list[Unmet]) -> list[Unmet]:
    return list({one.requirement.casefold(): one for one in reversed(unmet)}.values())[::-1]


def _nearest(text: str, but: set[str]) -> list[dict[str, Any]]:
    """The recipes, nearest first, with what the task would have to say for each."""
    words = set(text.casefold().split())
    hints = {
        "crud_endpoint": {
            "endpoint",
            "endpoints",
            "api",
            "rest",
            "crud",
            "route",
            "routes",
            "resource",
        },
        "lint_autofix": {
            "lint",
            "ruff",
            "style",
            "clean",
            "unused",
            "imports",
            "linter",
            "findings",
        },
        "characterisation_tests": {"test", "tests", "coverage", "untested", "testing", "module"},
    }
    ranked = sorted(
        RECIPES, key=lambda name: (-len(hints[name] & words), list(RECIPES).index(name))
    )
    return [
        {"recipe": name, "title": RECIPES[name].title, "missing": _MISSING[name]}
        for name in ranked
        if name not in but
    ]
