"""What a task demands beside its recipe: frameworks, security, tests, compliance. Honoured, or
listed as unmet.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from leanvibe_server.engine.parameters import unmet_item

# Keys that choose a recipe or fill its slots; `parameters` reads them.
SLOT_KEYS = frozenset(
    {"recipe", "component_type", "specification", "fields", "module", "paths", "rules"}
)
# Read as slots where the endpoint is specified without a `specification` of its own.
ENDPOINT_KEYS = frozenset(
    {"endpoint", "method", "methods", "authentication", "database", "validation", "unique"}
)
# Keys that describe the task without asking anything of the code.
SOFT_KEYS = frozenset(
    {"priority", "labels", "tags", "notes", "comment", "due_date", "estimated_complexity"}
)
_LIST_KEYS = {
    "frameworks": "frameworks", "framework": "frameworks", "technologies": "frameworks",
    "tech_stack": "frameworks", "security_requirements": "security", "security": "security",
    "testing_requirements": "testing", "testing": "testing", "compliance": "compliance",
    "features": "features",
}  # fmt: skip
_ALWAYS_TRUE = frozenset({"python"})
_HONOURED = {
    "crud_endpoint": frozenset(
        {
            "fastapi", "pydantic", "pytest", "rest", "restful api", "crud", "openapi", "unit tests",
            "unit", "integration tests", "integration", "api tests", "tests", "input validation",
            "validation", "error handling", "pagination", "documentation", "api documentation",
        }
    ),
    "lint_autofix": frozenset({"ruff", "lint", "linting"}),
    "characterisation_tests": frozenset(
        {"pytest", "unit tests", "unit", "tests", "characterisation tests", "branch coverage",
         "regression tests"}
    ),
}  # fmt: skip
_JWT = frozenset({"jwt", "jwt authentication", "jwt tokens", "bearer tokens", "authentication"})
_REMEDY = "Leave it out of this task, or configure a model that can do it."


class Demands(msgspec.Struct, kw_only=True):
    """What is honoured, what is not, and slots that a demand fills."""

    parameters: dict[str, Any] = {}
    matched: list[str] = []
    unmet: list[dict[str, str]] = []


def read_demands(
    requirements: dict[str, Any],
    recipe: str | None,
    parameters: dict[str, Any],
    survey: dict[str, Any] | None,
) -> Demands:
    """Go through every key of `requirements` that fills no slot."""
    demands = Demands()
    filled = dict(parameters)
    _fill_slots(requirements, recipe, filled, demands)
    for key in sorted(set(requirements) - SLOT_KEYS - SOFT_KEYS):
        value = requirements[key]
        if value in (None, False, "", [], {}):
            continue
        if key == "deployment":
            _read_deployment(value, demands)
        elif key in _LIST_KEYS:
            for one in value if isinstance(value, list) else [value]:
                _read_one(key, one, recipe, filled, survey, demands)
        elif not (recipe == "crud_endpoint" and key in ENDPOINT_KEYS):
            demands.unmet.append(
                unmet_item(f"requirements.{key}", "No recipe knows this requirement.", _REMEDY)
            )
    return demands


def normalise(term: str) -> str:
    """A term in lower case with single spaces, so that `PCI_DSS` and `pci dss` are one."""
    return " ".join(re.sub(r"[^a-z0-9+#]+", " ", term.casefold()).split())


def honoured_terms(recipe: str | None, parameters: dict[str, Any]) -> frozenset[str]:
    """The terms the recipe honours with these parameters."""
    terms = _ALWAYS_TRUE | _HONOURED.get(recipe or "", frozenset())
    if parameters.get("authentication") == "jwt":
        terms |= _JWT
    if parameters.get("database") == "sqlalchemy":
        terms |= {"sqlalchemy", "database"}
    return terms


def declared_packages(survey: dict[str, Any] | None) -> frozenset[str]:
    """The packages the repository declares or imports, as normalised terms."""
    if survey is None:
        return frozenset()
    names = {normalise(one) for group in survey.get("dependencies", {}).values() for one in group}
    return frozenset(names | {name for name, used in survey.get("uses", {}).items() if used})


def _fill_slots(
    requirements: dict[str, Any], recipe: str | None, filled: dict[str, Any], demands: Demands
) -> None:
    """A framework or a security demand fills a slot that nothing else has filled."""
    if recipe != "crud_endpoint":
        return
    terms = {
        normalise(str(one))
        for key in _LIST_KEYS
        for one in (requirements[key] if isinstance(requirements.get(key), list) else [])
    }
    for slot, word, value in (
        ("authentication", "jwt", "jwt"),
        ("database", "sqlalchemy", "sqlalchemy"),
    ):
        if slot not in filled and word in terms:
            filled[slot] = demands.parameters[slot] = value


def _read_one(
    key: str,
    value: Any,
    recipe: str | None,
    parameters: dict[str, Any],
    survey: dict[str, Any] | None,
    demands: Demands,
) -> None:
    where = f"requirements.{key}: {value}" if isinstance(value, str) else f"requirements.{key}"
    term = normalise(str(value))
    if isinstance(value, str) and term in honoured_terms(recipe, parameters):
        demands.matched.append(where)
        return
    if _LIST_KEYS[key] == "frameworks" and isinstance(value, str):
        if recipe is not None and recipe != "crud_endpoint" and survey is None:
            return
        if recipe is not None and recipe != "crud_endpoint" and term in declared_packages(survey):
            demands.matched.append(where)
            return
    who = "The recipe" if recipe else "No recipe"
    reasons = {
        "frameworks": f"{who} writes {'nothing' if recipe else 'anything'} with it.",
        "security": f"{who} does {'nothing' if recipe else 'anything'} for it.",
        "testing": f"{who} writes {'no such' if recipe else 'such'} tests.",
        "compliance": "No recipe can show compliance.",
        "features": f"{who} has {'no such' if recipe else 'such a'} feature.",
    }
    demands.unmet.append(unmet_item(where, reasons[_LIST_KEYS[key]], _REMEDY))


def _read_deployment(value: Any, demands: Demands) -> None:
    """A task delivers a branch for a person to merge: it deploys nothing and always waits for
    approval.
    """
    settings = value if isinstance(value, dict) else {"deployment": value}
    for name, asked in sorted(settings.items()):
        held = (name == "auto_deploy" and asked is False) or (
            name == "require_manual_approval" and asked is True
        )
        if held:
            demands.matched.append(f"requirements.deployment.{name}")
        elif asked not in (None, False):
            demands.unmet.append(
                unmet_item(f"requirements.deployment.{name}", "A recipe deploys nothing.", _REMEDY)
            )
