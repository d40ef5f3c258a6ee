"""The grammar of tasks: free text to a recipe and its slots, and whatever words are left over.

Deterministic: fixed patterns over clauses. A clause that fits a recipe gives up the words that fill
a slot; words that remain and mean something are unmet. Other clauses are background unless they
demand something.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from leanvibe_server.engine.endpoint_grammar import read_endpoint_clause, read_endpoint_modifiers
from leanvibe_server.engine.parameters import unmet_item
from leanvibe_server.engine.vocabulary import (
    DEMAND_WORDS,
    ORDERS,
    RECIPE_WORDS,
    SOFT_WORDS,
    TECHNOLOGIES,
)

_CLAUSE = re.compile(r"(?<=[.!?;])\s+|\n+|\s+-\s+|(?<=\w),?\s+and then\s+|;\s*")
_WORD = re.compile(r"[A-Za-z0-9_/#+@.'-]*[A-Za-z0-9_#+]")
_LINT = re.compile(
    r"\b(?:fix|clean(?:\s*-?up)?|resolve|remove|repair|address|correct|tidy|autofix|auto-fix|apply|"
    r"eliminate|run)\b.*?\b(?:lint\w*|ruff|flake8|pyflakes|unused imports?|import order)\b|"
    r"\blint[ -](?:autofix|fix|cleanup|clean-up|findings|errors|issues)\b|"
    r"^\s*lint (?:the )?(?:code|project|repository|repo)\b",
    re.IGNORECASE,
)
_TESTS = re.compile(
    r"\b(?:add|write|generate|create|provide|build|need|needs)\b[^,;]*?\b(?:tests?|coverage)\b|"
    r"\b(?:raise|increase|improve)\b[^,;]*?\bcoverage\b|\bcover\b.+\b(?:with|by) tests\b|"
    r"^\s*characteri[sz]ation tests\b|^\s*(?:unit )?tests? for\b",
    re.IGNORECASE,
)
_RULE = re.compile(r"\b[A-Z]{1,4}\d{2,4}\b")
_NAMED_RULES = {"unused imports": "F401", "unused import": "F401", "import order": "I001"}
_MODULE_PATH = re.compile(r"\b[\w./-]+\.py\b|\b\w+(?:\.\w+)+\b|`[^`]+`")
_AFTER_PREPOSITION = re.compile(
    r"\b(?:for|of|to|in|on|covering|cover)\s+(?:the\s+|my\s+|our\s+)?(?:module\s+|file\s+|package\s+)?"
    r"(?P<name>[A-Za-z_]\w*)(?:\s+(?:module|file|package|functions?|code|logic))?",
    re.IGNORECASE,
)
_DUTIES = re.compile(r"\b(?:rate|two|single|audit)[- ](?:limit|factor|sign|trail)", re.IGNORECASE)
_REMEDY = "Leave it out of this task, give it a task of its own, or configure a model."


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What the text says: a recipe, slots, words nothing honours, and sentences read as
    background.
    """

    recipe: str | None
    parameters: dict[str, Any]
    matched: list[str]
    unmet: list[dict[str, str]]
    background: list[str]


def read_text(text: str, *, chosen: str | None = None) -> Reading:
    """Read a task's text. With a recipe already `chosen` only technologies it demands are looked
    for.
    """
    clauses = [one.strip() for one in _CLAUSE.split(text) if one and one.strip()]
    if chosen is not None:
        named = [item for clause in clauses for item in _named_technologies(clause, chosen)]
        return Reading(recipe=chosen, parameters={}, matched=[], unmet=named, background=[])
    found = [(clause, *_fit(clause)) for clause in clauses]
    recipe = next((one for _, one, _, _ in found if one), None)
    if recipe is None:
        return Reading(recipe=None, parameters={}, matched=[], unmet=[], background=[])
    parameters: dict[str, Any] = {}
    matched: list[str] = []
    unmet: list[dict[str, str]] = []
    background: list[str] = []
    for clause, own, slots, rest in found:
        if own is not None and own != recipe:
            unmet.append(
                unmet_item(clause[:200], f"It asks for {own} too; a task runs one recipe.", _REMEDY)
            )
            continue
        if own is None and recipe == "crud_endpoint":
            slots, rest = read_endpoint_modifiers(clause)
        if own is None and not slots and not _demands(clause):
            background.append(f"Read as background: {clause[:200]}")
            continue
        for slot, value in slots.items():
            unmet += _put(parameters, slot, value, clause)
        left = _left_over(rest, recipe)
        unmet += [unmet_item(words, "No part of the recipe does this.", _REMEDY) for words in left]
        if own is not None or slots:
            matched.append(f'"{clause[:120]}": {own or recipe}')
    return Reading(
        recipe=recipe, parameters=parameters, matched=matched, unmet=unmet, background=background
    )


def _put(parameters: dict[str, Any], slot: str, value: Any, clause: str) -> list[dict[str, str]]:
    known = parameters.get(slot)
    if isinstance(value, list) and isinstance(known, list):
        parameters[slot] = [*known, *(one for one in value if one not in known)]
    elif known is None or known == value:
        parameters[slot] = value
    else:
        shown = f"{clause[:160]} ({slot})"
        return [unmet_item(shown, f"Another sentence says {known}.", "Say it once.")]
    return []


def _fit(clause: str) -> tuple[str | None, dict[str, Any], str]:
    """The recipe a clause asks for, the slots it fills, and the text that is left."""
    endpoint = read_endpoint_clause(clause)
    if endpoint is not None:
        return ("crud_endpoint", *endpoint)
    if _TESTS.search(clause) and not _LINT.search(clause):
        return ("characterisation_tests", *_read_tests(clause))
    if _LINT.search(clause):
        return ("lint_autofix", *_read_lint(clause))
    return None, {}, clause


def _read_tests(clause: str) -> tuple[dict[str, Any], str]:
    path = _MODULE_PATH.search(clause)
    if path:
        return {"module": path[0].strip("`.")}, clause.replace(path[0], " ")
    for match in _AFTER_PREPOSITION.finditer(clause):
        name = match["name"]
        known = SOFT_WORDS | RECIPE_WORDS["characterisation_tests"]
        if name.casefold() not in known and name.casefold() not in TECHNOLOGIES:
            return {"module": name}, clause.replace(name, " ", 1)
    named = re.search(r"\b(?:module|file)\s+([A-Za-z_]\w*)|\b([A-Za-z_]\w*)\s+module\b", clause)
    if named:
        name = named[1] or named[2]
        if name.casefold() not in SOFT_WORDS | RECIPE_WORDS["characterisation_tests"]:
            return {"module": name}, clause.replace(name, " ", 1)
    return {}, clause


def _read_lint(clause: str) -> tuple[dict[str, Any], str]:
    slots: dict[str, Any] = {}
    rest = clause
    rules = _RULE.findall(clause)
    for words, rule in _NAMED_RULES.items():
        if re.search(rf"\b{words}\b", clause, re.IGNORECASE):
            rules.append(rule)
            rest = re.sub(rf"\b{words}\b", " ", rest, flags=re.IGNORECASE)
    if rules:
        slots["rules"] = list(dict.fromkeys(rules))
        rest = _RULE.sub(" ", rest)
    places = re.findall(r"\b(?:[\w-]+/)+[\w.-]*|\b[\w-]+\.py\b", rest)
    inside = re.search(r"\bin (?:the )?(\w+)(?: module| package| folder| directory)?\b", rest)
    if not places and inside and inside[1].casefold() not in SOFT_WORDS:
        places = [inside[1]]
    if places:
        slots["paths"] = [one.rstrip("/.") for one in places]
        for one in places:
            rest = rest.replace(one, " ", 1)
    return slots, rest


def _demands(clause: str) -> bool:
    """Whether the clause asks for something rather than telling why."""
    words = [one.casefold() for one in _WORD.findall(clause)]
    begins = [words[0] if words else ""]
    begins += [
        match[1].casefold() for match in re.finditer(r"(?:,|\band|\balso|\bplease)\s+(\w+)", clause)
    ]
    goes_on = re.match(r"(?:with|having|including|plus)\b", clause, re.IGNORECASE) is not None
    return (
        goes_on
        or not ORDERS.isdisjoint(begins)
        or not DEMAND_WORDS.isdisjoint(words)
        or not TECHNOLOGIES.isdisjoint(words)
        or _DUTIES.search(clause) is not None
    )


def _left_over(rest: str, recipe: str) -> list[str]:
    """Runs of words that neither a slot nor the recipe accounts for."""
    known = SOFT_WORDS | RECIPE_WORDS[recipe]
    runs: list[list[str]] = [[]]
    for word in re.findall(r"[^\s]+", rest):
        plain = word.strip(".,:;!?()[]{}\"'`").casefold()
        if not plain or plain in known or not re.search(r"\w", plain):
            if runs[-1]:
                runs.append([])
        else:
            runs[-1].append(word.strip(".,:;!?()[]{}\"'`"))
    return [" ".join(run) for run in runs if run]


def _named_technologies(clause: str, recipe: str) -> list[dict[str, str]]:
    """Technologies named in a text beside structured keys, as candidates for unmet items."""
    words = [one.strip(".'") for one in _WORD.findall(clause)]
    named = [one for one in words if one.casefold() in TECHNOLOGIES]
    quiet = {"jwt", "sqlalchemy", "bearer", "login", "payment", "payments", "cache", "dashboard"}
    return [
        unmet_item(one, "No part of the recipe does this.", _REMEDY)
        for one in dict.fromkeys(named)
        if one.casefold() not in quiet
    ]
