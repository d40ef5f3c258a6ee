"""Every route of the API is reached by a method of the Python SDK, or said to need none."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

from leanvibe import LeanVibeClientSync
from leanvibe._faces import endpoint
from leanvibe._operations import Call
from leanvibe_server.wiring import Doors

# Browsers, identity providers, OAuth libraries and monitoring call these, not programs by the SDK.
OF_OTHERS = (
    r"GET /(health|\.well-known)(/.*)?",
    r"GET /v1/oauth/authorize",
    r"POST /v1/auth/saml/(sso|\{\}/acs)",
    r"(GET|POST) /v1/auth/saml/\{\}/(metadata|slo|request/\{\})",
    r"POST /v1/auth/sso/backchannel-logout/\{\}",
    r"GET /v1/auth/sso/client-keys/\{\}",
)
# Reached with an argument or by another way: `audit.list(area=…)`, `tenants.delete(id)`,
# `tenants.restore(id)`; POST
# begins a sign-in and `auth.login` finishes it; `tasks.stream_updates` follows a stream; a
# download's link comes with its export.
BESIDE = (
    "GET /v1/admin/audit/auth",
    "GET /v1/admin/audit/billing",
    "DELETE /v1/tenants/{}",
    "POST /v1/tenants/{}/restore",
    "GET /v1/auth/sso/{}",
    "POST /v1/auth/sso/login",
    "POST /v1/auth/refresh",
    "GET /v1/tasks/{}/events",
    "GET /v1/privacy/exports/{}/download",
)


ALIASES = {"data_residency"}  # `region`


def _calls(operation: Any) -> Iterator[Call[Any]]:
    if isinstance(operation, Call):
        yield operation
    for part in vars(operation).values():
        if isinstance(part, Call):
            yield part


def _reached() -> dict[str, set[str] | None]:
    """What each method of the SDK would ask for, every id being `{}`, with the names of its
    arguments; None where it sends on whatever is given."""
    reached: dict[str, set[str] | None] = {}
    with LeanVibeClientSync(api_key="lv_test_none") as client:
        parts = [part for part in vars(client).values() if hasattr(part, "_runner")]
    for part in parts:
        for name, method in inspect.getmembers_static(type(part)):
            if name.startswith("_") or not isinstance(method, endpoint):
                continue
            for call in _calls(_described(method, part)):
                route = f"{call.method} /v1{call.path.replace('%7B%7D', '{}')}"
                reached[route] = _arguments(method)
    return reached


def _arguments(method: Any) -> set[str] | None:
    taken = inspect.signature(method._describe).parameters
    passes_on = any(one.kind is one.VAR_KEYWORD for one in taken.values())
    return None if passes_on else set(taken)


def _described(method: Any, part: object) -> Any:
    described = method._describe.__get__(part)
    needed = [
        one
        for one in inspect.signature(described).parameters.values()
        if one.default is one.empty and one.kind is not one.VAR_KEYWORD
    ]
    ids = [_given(one) for one in needed if one.kind is not one.KEYWORD_ONLY]
    named = {one.name: _given(one) for one in needed if one.kind is one.KEYWORD_ONLY}
    return described(*ids, **named)


def _given(one: inspect.Parameter) -> object:
    return {} if str(one.annotation).startswith(("Sequence", "Mapping")) else "{}"


def _routes(doors: Doors) -> dict[str, set[str]]:
    """Every route with the names in its query."""
    return {
        f"{method.upper()} {re.sub(r'{[^}]*}', '{}', path)}": {
            one["name"] for one in operation.get("parameters", []) if one["in"] == "query"
        }
        for path, methods in doors.api.openapi()["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_of_the_api_has_a_method(doors: Doors) -> None:
    routes = set(_routes(doors))
    without = routes - set(_reached()) - set(BESIDE)
    assert sorted(one for one in without if not any(re.fullmatch(p, one) for p in OF_OTHERS)) == []
    assert set(BESIDE) <= routes


def test_every_filter_of_a_list_is_an_argument(doors: Doors) -> None:
    routes, lacking = _routes(doors), []
    for route, arguments in _reached().items():
        if arguments is not None and route.startswith("GET"):
            lacking += [f"{route}: {one}" for one in routes.get(route, set()) - arguments - ALIASES]
    assert lacking == []
