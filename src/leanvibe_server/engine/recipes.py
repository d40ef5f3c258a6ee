"""The recipes: what each needs to know, which program does each step, which gates its work must
pass.
"""

from __future__ import annotations

from typing import Any

import msgspec

FIELD_TYPES = ("str", "int", "float", "bool", "datetime", "date", "uuid")
HTTP_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SURVEY_PROGRAM = "survey.py"
# Files that decide what runs where, or what is installed: a recipe edits none of them but those it
# names.
PROTECTED_PATHS = (
    ".github/**",
    ".gitlab-ci.yml",
    ".circleci/**",
    "Jenkinsfile",
    "**/CODEOWNERS",
    "CODEOWNERS",
    "**/Dockerfile*",
    "Dockerfile*",
    "compose*.y*ml",
    "docker-compose*.y*ml",
    "deploy/**",
    "helm/**",
    "terraform/**",
    "*.lock",
    "**/*.lock",
    "package-lock.json",
    "pnpm-lock.yaml",
)


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """One recipe. `programs` names the program in `inside/` for each working step."""

    name: str
    title: str
    description: str
    parameters: dict[str, Any]
    programs: dict[str, str]
    required_gates: frozenset[str]
    protected_paths: tuple[str, ...]
    writes_tests: bool


_ALWAYS = frozenset({"lint", "security", "tampering", "tests"})

CRUD_ENDPOINT = Recipe(
    name="crud_endpoint",
    title="CRUD endpoint",
    description="Adds REST routes for one resource to a FastAPI service, with tests and docs.",
    parameters={
        "type": "object",
        "additionalProperties": False,
        "required": ["endpoint"],
        "properties": {
            "endpoint": {
                "type": "string",
                "pattern": "^(/[A-Za-z0-9_.~-]{1,60})+/?$",
                "maxLength": 200,
            },
            "methods": {
                "type": "array",
                "items": {"enum": list(HTTP_METHODS)},
                "minItems": 1,
                "default": list(HTTP_METHODS),
            },
            "authentication": {"enum": ["none", "jwt"], "default": "none"},
            "validation": {"enum": ["pydantic"], "default": "pydantic"},
            "database": {"enum": ["memory", "sqlalchemy"], "default": "memory"},
            "fields": {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 60,
                "propertyNames": {"pattern": "^[a-z][a-z0-9_]*$", "maxLength": 60},
                "additionalProperties": {
                    "enum": [f"{t}{o}" for t in FIELD_TYPES for o in ("", "?")]
                },
                "default": {"name": "str"},
            },
            "unique": {"type": "array", "items": {"type": "string"}},
        },
    },
    programs={
        "requirements_analysis": "crud_endpoint.py",
        "code_generation": "crud_endpoint.py",
        "test_generation": "crud_endpoint.py",
        "documentation": "crud_endpoint.py",
    },
    required_gates=_ALWAYS | {"coverage", "complexity", "documentation"},
    protected_paths=PROTECTED_PATHS,
    writes_tests=True,
)

LINT_AUTOFIX = Recipe(
    name="lint_autofix",
    title="Fix lint findings",
    description="Applies ruff's safe fixes under the repository's own rules; its tests stay green.",
    parameters={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "paths": {"type": "array", "items": {"type": "string"}},
            "rules": {
                "type": "array",
                "items": {"type": "string", "pattern": "^[A-Z]{1,5}[0-9]{0,4}$"},
                "description": "Without it the repository's own selection holds.",
            },
        },
    },
    programs={
        "requirements_analysis": "lint_autofix.py",
        "code_generation": "lint_autofix.py",
        "test_generation": "lint_autofix.py",
        "documentation": "lint_autofix.py",
    },
    required_gates=_ALWAYS,
    protected_paths=PROTECTED_PATHS,
    writes_tests=False,
)

CHARACTERISATION_TESTS = Recipe(
    name="characterisation_tests",
    title="Characterisation tests",
    description="Pins what an untested module does, by tests that raise its branch coverage.",
    parameters={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "module": {
                "type": "string",
                "description": "A module's name or path; without it the least covered one.",
            }
        },
    },
    programs={
        "requirements_analysis": "characterisation.py",
        "code_generation": "characterisation.py",
        "test_generation": "characterisation.py",
        "documentation": "characterisation.py",
    },
    required_gates=_ALWAYS,
    protected_paths=PROTECTED_PATHS,
    writes_tests=True,
)

RECIPES = {one.name: one for one in (CRUD_ENDPOINT, LINT_AUTOFIX, CHARACTERISATION_TESTS)}
STEP_NAMES = {
    "requirements_analysis": "check",
    "code_generation": "code",
    "test_generation": "tests",
    "documentation": "docs",
}
WORKING_STEPS = frozenset(STEP_NAMES) - {"requirements_analysis"}


def build_request(
    step: str, parameters: dict[str, Any], answers: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """The request of a recipe's program for a step; `answers` holds the earlier steps' answers by
    step.
    """
    return {
        "step": STEP_NAMES[step],
        "parameters": parameters,
        "previous": {
            STEP_NAMES[name]: one for name, one in answers.items() if name in WORKING_STEPS
        },
    }


def list_required_gates(
    recipe: Recipe, quality_gates: dict[str, Any] | None = None
) -> frozenset[str]:
    """The gates a task must pass: the recipe's, and those the project asks for."""
    asked = quality_gates or {}
    required = set(recipe.required_gates)
    if asked.get("require_tests"):
        required.add("tests")
    if asked.get("min_test_coverage"):
        required.add("coverage")
    if asked.get("security_scan"):
        required.add("security")
    return frozenset(required)
