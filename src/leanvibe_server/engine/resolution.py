"""A recipe's parameters held against the repository: names resolved, clashes found, assumptions
stated.
"""

from __future__ import annotations

from typing import Any

import msgspec

from leanvibe_server.engine.parameters import (
    MAX_FIELDS,
    check_endpoint,
    too_many_fields,
    unmet_item,
)
from leanvibe_server.engine.recipes import HTTP_METHODS

_OTHER_FRAMEWORKS = ("flask", "django")


class Resolved(msgspec.Struct, kw_only=True):
    """The parameters as they go to the program."""

    parameters: dict[str, Any]
    assumptions: list[str] = []
    unmet: list[dict[str, str]] = []


def resolve(recipe: str, parameters: dict[str, Any], survey: dict[str, Any] | None) -> Resolved:
    """Resolve the parameters. Without a survey only what needs none is settled."""
    resolved = Resolved(parameters=dict(parameters))
    if survey is not None and not survey.get("python"):
        resolved.unmet.append(
            unmet_item(
                "repository",
                "There is no Python code in the repository.",
                "Choose a project with Python code.",
            )
        )
        return resolved
    if recipe == "crud_endpoint":
        _resolve_endpoint(resolved, survey)
    elif recipe == "characterisation_tests" and survey is not None:
        _resolve_module(resolved, survey)
    elif recipe == "lint_autofix" and survey is not None:
        _resolve_paths(resolved, survey)
    return resolved


def _resolve_endpoint(resolved: Resolved, survey: dict[str, Any] | None) -> None:
    parameters = resolved.parameters
    resource = parameters.pop("resource", None)
    if "endpoint" not in parameters and resource:
        prefix = _common_prefix(survey)
        parameters["endpoint"] = f"{prefix}/{resource}"
        resolved.assumptions.append(f"The routes are under {parameters['endpoint']}.")
    if "endpoint" not in parameters:
        if not resolved.unmet:
            resolved.unmet.append(
                unmet_item(
                    "requirements.specification.endpoint",
                    "The path of the endpoint is not known.",
                    'Name it, such as "/api/users".',
                )
            )
        return
    _check_sizes(resolved)
    if "methods" not in parameters:
        parameters["methods"] = list(HTTP_METHODS)
        resolved.assumptions.append(f"All five methods are wanted: {', '.join(HTTP_METHODS)}.")
    if not parameters.get("fields"):
        parameters["fields"] = {"name": "str"}
        resolved.assumptions.append("No fields are given: each entry has one field, name: str.")
    for slot, value, words in (
        ("authentication", "none", "Anyone may call the routes."),
        ("database", "memory", "The entries are kept in memory."),
    ):
        if slot not in parameters:
            parameters[slot] = value
            resolved.assumptions.append(words)
    if parameters["database"] == "memory" and "POST" not in parameters["methods"]:
        resolved.unmet.append(
            unmet_item(
                "requirements.specification.methods",
                "Without POST nothing is ever added, so an endpoint kept in memory stays empty.",
                'Add "POST" to methods, or set "database": "sqlalchemy" to serve the rows of a '
                "database.",
            )
        )
    if survey is not None:
        _check_repository(resolved, survey)


def _check_sizes(resolved: Resolved) -> None:
    """What the words ask for may be too long, too; keys are checked where they are read."""
    too_long = check_endpoint(resolved.parameters["endpoint"])
    if too_long:
        resolved.unmet.append(unmet_item("requirements.specification.endpoint", *too_long))
    count = len(resolved.parameters.get("fields") or {})
    if count > MAX_FIELDS:
        resolved.unmet.append(unmet_item("requirements.fields", *too_many_fields(count)))


def _common_prefix(survey: dict[str, Any] | None) -> str:
    """`/api` or `/api/v1` where the repository's routes begin so, else nothing."""
    counts: dict[str, int] = {}
    for route in (survey or {}).get("routes", []):
        parts = [one for one in route["path"].split("/") if one]
        if not parts or parts[0] != "api":
            continue
        versioned = len(parts) > 2 and parts[1][:1] == "v" and parts[1][1:].isdigit()
        prefix = f"/api/{parts[1]}" if versioned else "/api"
        counts[prefix] = counts.get(prefix, 0) + 1
    return max(sorted(counts), key=lambda one: counts[one]) if counts else ""


def _check_repository(resolved: Resolved, survey: dict[str, Any]) -> None:
    parameters = resolved.parameters
    uses = survey.get("uses", {})
    other = next(
        (one for one in _OTHER_FRAMEWORKS if uses.get(one) and not uses.get("fastapi")), None
    )
    if other:
        resolved.unmet.append(
            unmet_item(
                "repository",
                f"The service is built on {other}; the recipe writes FastAPI.",
                "Choose a FastAPI project, or configure a model.",
            )
        )
    minimum = survey.get("minimum_python")
    if minimum and tuple(minimum) < (3, 10):
        shown = ".".join(map(str, minimum))
        resolved.unmet.append(
            unmet_item(
                "requires-python",
                f"The project runs on Python {shown}; the recipe writes for 3.10 and later.",
                "Raise requires-python to 3.10 or later.",
            )
        )
    for route in survey.get("routes", []):
        if route["path"].rstrip("/") == parameters["endpoint"] and (
            route["method"] in parameters["methods"]
        ):
            resolved.unmet.append(
                unmet_item(
                    f"{route['method']} {parameters['endpoint']}",
                    f"route {route['method']} {parameters['endpoint']} exists in {route['file']}",
                    "Leave that method out, or choose another endpoint.",
                )
            )


def _resolve_module(resolved: Resolved, survey: dict[str, Any]) -> None:
    wanted = resolved.parameters.get("module")
    if wanted is None:
        resolved.assumptions.append("The least covered module is meant.")
        return
    found = find_modules(str(wanted), survey)
    if len(found) == 1:
        resolved.parameters["module"] = found[0]
        return
    if found:
        reason = f"{wanted} may be any of {', '.join(found[:8])}."
    else:
        reason = f"There is no module {wanted} in the repository."
    untested = ", ".join(survey.get("untested_modules", [])[:8])
    remedy = f"Name one of the untested modules: {untested}." if untested else "Name a module."
    resolved.unmet.append(unmet_item(f"module: {wanted}", reason, remedy))


def find_modules(wanted: str, survey: dict[str, Any]) -> list[str]:
    """The modules a name may mean: by path, by dotted name or its end, by a symbol they hold."""
    name = wanted.strip().strip("/").removesuffix(".py").replace("/", ".")
    modules = survey.get("modules", [])
    exact = [one["name"] for one in modules if name in {one["name"], f"src.{one['name']}"}]
    if exact:
        return exact
    by_end = [one["name"] for one in modules if one["name"].endswith(f".{name}")]
    if by_end:
        return by_end
    symbol = name.rpartition(".")[2]
    return [
        one["name"]
        for one in modules
        if any(found["name"] == symbol for found in one.get("public", []))
    ]


def _resolve_paths(resolved: Resolved, survey: dict[str, Any]) -> None:
    paths = []
    for wanted in resolved.parameters.get("paths", []):
        known = {one["path"] for one in survey.get("modules", [])}
        known |= set(survey.get("tests", {}).get("files", []))
        folder = wanted.rstrip("/") + "/"
        if wanted in known or any(one.startswith(folder) for one in known):
            paths.append(wanted.rstrip("/"))
            continue
        found = find_modules(wanted, survey)
        if len(found) == 1:
            paths += [one["path"] for one in survey["modules"] if one["name"] == found[0]]
            continue
        resolved.unmet.append(
            unmet_item(
                f"path: {wanted}", f"There is no {wanted} in the repository.", "Name a file."
            )
        )
    if paths:
        resolved.parameters["paths"] = paths
