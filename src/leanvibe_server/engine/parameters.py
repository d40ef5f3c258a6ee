"""The parameters of a recipe, read from a task's structured keys; what is malformed is named by
its path.
"""

from __future__ import annotations

import keyword
import re
from typing import Any

import msgspec

from leanvibe_server.engine.recipes import FIELD_TYPES, HTTP_METHODS, RECIPES

_ENDPOINT = re.compile(r"(/(?!\.+(/|$))[A-Za-z0-9_.~-]+)+/?")
_PATH_PARAMETER = re.compile(r"/\{[A-Za-z_]\w*\}/?$")
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]*")
# Names become those of files, classes and tables, which have limits of their own.
MAX_PATH_LENGTH = 200
MAX_NAME_LENGTH = 60
MAX_FIELDS = 60
_SHOWN_LENGTH = 80
_RULE = re.compile(r"[A-Z]{1,5}[0-9]{0,4}")
# Names that the generated classes use themselves.
_RESERVED_FIELDS = frozenset(
    {
        *("id", "metadata", "registry", "dt", "copy", "json", "dict", "schema", "construct"),
        *("validate", "str", "int", "float", "bool"),
    }
)
_ALIASES = {
    "string": "str", "text": "str", "integer": "int", "number": "float", "boolean": "bool",
    "timestamp": "datetime",
}  # fmt: skip
_NONE_WORDS = frozenset({"none", "no", "off", "false", "public", ""})
_MEMORY_WORDS = frozenset({"memory", "in-memory", "in_memory", "none", "dict"})
_SPECIFICATION_KEYS = frozenset(
    {
        *("endpoint", "path", "method", "methods", "authentication", "validation", "database"),
        *("fields", "unique"),
    }
)


class ReadParameters(msgspec.Struct, kw_only=True):
    """What the structured keys say."""

    recipe: str | None = None
    parameters: dict[str, Any] = {}
    matched: list[str] = []
    unmet: list[dict[str, str]] = []
    assumptions: list[str] = []


def unmet_item(requirement: str, reason: str, remedy: str) -> dict[str, str]:
    """One unmet item, before it becomes part of a plan."""
    return {"requirement": requirement, "reason": reason, "would_make_possible": remedy}


def read_parameters(requirements: dict[str, Any]) -> ReadParameters:
    """The recipe and parameters that the keys of `requirements` name, if any do."""
    read = ReadParameters()
    problems: list[dict[str, str]] = []
    recipe = _choose_recipe(requirements, read, problems)
    if recipe == "crud_endpoint":
        _read_endpoint(requirements, read, problems)
    elif recipe == "characterisation_tests":
        _read_module(requirements, read, problems)
    elif recipe == "lint_autofix":
        _read_lint(requirements, read, problems)
    read.recipe = recipe
    read.unmet = problems
    return read


def _choose_recipe(
    requirements: dict[str, Any], read: ReadParameters, problems: list[dict[str, str]]
) -> str | None:
    named = requirements.get("recipe")
    if named is not None:
        if isinstance(named, str) and named in RECIPES:
            read.matched.append(f"requirements.recipe: {named}")
            return named
        known = ", ".join(RECIPES)
        problems.append(
            unmet_item(
                "requirements.recipe", f"There is no recipe {named!r}.", f"Name one of {known}."
            )
        )
        return None
    component = requirements.get("component_type")
    if component is not None:
        if component == "api_endpoint":
            read.matched.append("requirements.component_type: api_endpoint")
            return "crud_endpoint"
        problems.append(
            unmet_item(
                "requirements.component_type",
                f"No recipe makes a component of type {component!r}.",
                "Ask for api_endpoint, or configure a model.",
            )
        )
        return None
    specification = requirements.get("specification")
    if isinstance(specification, dict) and "endpoint" in specification:
        read.matched.append("requirements.specification.endpoint")
        return "crud_endpoint"
    if requirements.get("module") is not None:
        return "characterisation_tests"
    return None


def _read_endpoint(
    requirements: dict[str, Any], read: ReadParameters, problems: list[dict[str, str]]
) -> None:
    where = "requirements.specification"
    specification = requirements.get("specification")
    if specification is None and "endpoint" in requirements:
        where, specification = (
            "requirements",
            {key: one for key, one in requirements.items() if key in _SPECIFICATION_KEYS},
        )
    if not isinstance(specification, dict):
        problems.append(
            unmet_item(where, "The endpoint is not specified.", 'Give {"endpoint": "/api/…"}.')
        )
        return
    for key in sorted(set(specification) - _SPECIFICATION_KEYS):
        problems.append(
            unmet_item(
                f"{where}.{_brief(key)}", "The recipe knows no such setting.", "Leave it out."
            )
        )
    _read_path(specification, where, read, problems)
    _read_methods(specification, where, read, problems)
    _read_choices(specification, where, read, problems)
    fields_at = "requirements.fields" if "fields" in requirements else f"{where}.fields"
    fields = requirements.get("fields", specification.get("fields"))
    if fields is not None:
        _read_fields(fields, fields_at, read, problems)
    _read_unique(specification.get("unique"), where, read, problems)


def _read_path(
    specification: dict[str, Any], where: str, read: ReadParameters, problems: list[dict[str, str]]
) -> None:
    endpoint = specification.get("endpoint", specification.get("path"))
    key = f"{where}.endpoint"
    if not isinstance(endpoint, str):
        problems.append(unmet_item(key, "It must be a path.", 'Give one such as "/api/users".'))
        return
    shown = _PATH_PARAMETER.sub("", endpoint)
    if shown != endpoint and len(endpoint) <= MAX_PATH_LENGTH:
        read.assumptions.append(f"{endpoint} means the collection {shown} and its members.")
    last = (
        shown.rstrip("/").rpartition("/")[2].replace("-", "_").replace(".", "_").replace("~", "_")
    )
    if not _ENDPOINT.fullmatch(shown) or not last.isidentifier() or keyword.iskeyword(last.lower()):
        problems.append(
            unmet_item(
                key,
                f"{_brief(endpoint)!r} is no plain path that ends in the name of a resource.",
                'Give one such as "/api/users"; nested path parameters are not supported.',
            )
        )
        return
    problem = check_endpoint(shown)
    if problem:
        problems.append(unmet_item(key, *problem))
        return
    read.parameters["endpoint"] = "/" + shown.strip("/")
    read.matched.append(f"{key}: {read.parameters['endpoint']}")


def check_endpoint(endpoint: str) -> tuple[str, str] | None:
    """Reason and remedy where a path is too long to be served; None where it is not."""
    if len(endpoint) > MAX_PATH_LENGTH:
        return (
            f"The path has {len(endpoint)} characters.",
            f"Give one of at most {MAX_PATH_LENGTH} characters.",
        )
    longest = max(endpoint.split("/"), key=len)
    if len(longest) > MAX_NAME_LENGTH:
        return (
            f"The segment {_brief(longest)!r} has {len(longest)} characters.",
            f"Give segments of at most {MAX_NAME_LENGTH} characters.",
        )
    return None


def _brief(text: Any) -> str:
    """A word of the task, cut where it is too long to be read."""
    shown = str(text)
    return shown if len(shown) <= _SHOWN_LENGTH else f"{shown[: _SHOWN_LENGTH - 1]}…"


def _read_methods(
    specification: dict[str, Any], where: str, read: ReadParameters, problems: list[dict[str, str]]
) -> None:
    key = f"{where}.methods"
    methods = specification.get("methods")
    if specification.get("method") is not None:
        if methods is not None:
            problems.append(
                unmet_item(f"{where}.method", "methods is given too.", "Leave method out.")
            )
        else:
            key, methods = f"{where}.method", specification["method"]
    if methods is None:
        read.assumptions.append("All five methods are wanted: " + ", ".join(HTTP_METHODS) + ".")
        read.parameters["methods"] = list(HTTP_METHODS)
        return
    listed = re.split(r"[\s,;|]+", methods.strip(" ,;|")) if isinstance(methods, str) else methods
    if (
        not isinstance(listed, list)
        or not listed
        or not all(isinstance(one, str) and one.strip() for one in listed)
    ):
        problems.append(
            unmet_item(
                key,
                'methods must be a list such as ["GET", "POST"].',
                'Give "methods": ["GET", "POST"].',
            )
        )
        return
    upper = [one.strip().upper() for one in listed]
    for one in sorted(set(upper) - set(HTTP_METHODS)):
        problems.append(
            unmet_item(
                key,
                f"The recipe writes no {_brief(one)} routes.",
                f"Use {', '.join(HTTP_METHODS)}.",
            )
        )
    read.parameters["methods"] = [one for one in HTTP_METHODS if one in upper]
    if isinstance(methods, str):
        meant = ", ".join(read.parameters["methods"])
        read.assumptions.append(f"{_brief(methods)!r} means the methods {meant}.")
    read.matched.append(f"{key}: {', '.join(read.parameters['methods'])}")


def _read_choices(
    specification: dict[str, Any], where: str, read: ReadParameters, problems: list[dict[str, str]]
) -> None:
    for name, choices in (
        ("authentication", {"jwt": "jwt", "bearer": "jwt", **dict.fromkeys(_NONE_WORDS, "none")}),
        ("database", {"sqlalchemy": "sqlalchemy", **dict.fromkeys(_MEMORY_WORDS, "memory")}),
        ("validation", {"pydantic": "pydantic"}),
    ):
        if name not in specification:
            continue
        value = specification[name]
        word = "none" if value in (None, False) else str(value).strip().casefold()
        if word not in choices:
            known = ", ".join(sorted(set(choices.values())))
            problems.append(
                unmet_item(
                    f"{where}.{name}", f"The recipe has no {name} {value!r}.", f"Use {known}."
                )
            )
            continue
        if name != "validation":
            read.parameters[name] = choices[word]
        read.matched.append(f"{where}.{name}: {choices[word]}")


def _read_fields(
    fields: Any, where: str, read: ReadParameters, problems: list[dict[str, str]]
) -> None:
    if not isinstance(fields, dict) or not fields:
        problems.append(
            unmet_item(where, "It must map names to types.", 'Give {"name": "str", "age": "int?"}.')
        )
        return
    if len(fields) > MAX_FIELDS:
        problems.append(unmet_item(where, *too_many_fields(len(fields))))
        return
    kept: dict[str, str] = {}
    for name, kind in fields.items():
        problem = check_field(name, kind)
        if problem:
            problems.append(unmet_item(f"{where}.{_brief(name)}", *problem))
        else:
            kept[name] = field_type(kind)
    read.parameters["fields"] = kept
    read.matched.append(f"{where}: {', '.join(kept)}")


def too_many_fields(count: int) -> tuple[str, str]:
    """Reason and remedy for more fields than one resource may have."""
    return f"There are {count} fields.", f"Give at most {MAX_FIELDS}, or split the resource."


def field_type(kind: str) -> str:
    """The canonical name of a field's type, with its `?` where the field is optional."""
    plain = kind.strip().casefold()
    optional = "?" if plain.endswith("?") else ""
    plain = plain.rstrip("?").strip()
    return _ALIASES.get(plain, plain) + optional


def check_field(name: Any, kind: Any) -> tuple[str, str] | None:
    """Reason and remedy where a field can't be served; None where it can."""
    types = ", ".join(FIELD_TYPES)
    if not isinstance(name, str) or not _FIELD_NAME.fullmatch(name) or keyword.iskeyword(name):
        return "It is no plain lower-case name.", "Use letters, digits and underscores."
    if len(name) > MAX_NAME_LENGTH:
        return (
            f"The name has {len(name)} characters.",
            f"Choose one of at most {MAX_NAME_LENGTH}.",
        )
    if name in _RESERVED_FIELDS or name.startswith("model_"):
        return "The name is taken by the service itself.", "Choose another name."
    if not isinstance(kind, str) or field_type(kind).rstrip("?") not in FIELD_TYPES:
        return f"There is no type {_brief(kind)!r}.", f"Use {types}, with ? for an optional one."
    return None


def _read_unique(
    unique: Any, where: str, read: ReadParameters, problems: list[dict[str, str]]
) -> None:
    if unique is None:
        return
    fields = read.parameters.get("fields", {"name": "str"})
    named = isinstance(unique, list) and all(isinstance(one, str) for one in unique)
    if not named or not all(one in fields for one in unique):
        problems.append(
            unmet_item(f"{where}.unique", "It must list names of fields.", 'Give ["email"].')
        )
        return
    read.parameters["unique"] = list(unique)


def _read_module(
    requirements: dict[str, Any], read: ReadParameters, problems: list[dict[str, str]]
) -> None:
    module = requirements.get("module")
    if module is None:
        return
    if not isinstance(module, str) or not module.strip() or len(module) > 300:
        problems.append(
            unmet_item("requirements.module", "It must name a module.", 'Give "app/pricing.py".')
        )
        return
    read.parameters["module"] = module.strip()
    read.matched.append(f"requirements.module: {module.strip()}")


def _read_lint(
    requirements: dict[str, Any], read: ReadParameters, problems: list[dict[str, str]]
) -> None:
    for key, pattern, example in (("paths", None, '["app"]'), ("rules", _RULE, '["F401"]')):
        value = requirements.get(key)
        if value is None:
            continue
        texts = isinstance(value, list) and all(isinstance(one, str) and one for one in value)
        if not texts or (pattern and not all(pattern.fullmatch(one) for one in value)):
            problems.append(
                unmet_item(f"requirements.{key}", "It must be a list of names.", f"Give {example}.")
            )
            continue
        read.parameters[key] = list(value)
        read.matched.append(f"requirements.{key}: {', '.join(value)}")
