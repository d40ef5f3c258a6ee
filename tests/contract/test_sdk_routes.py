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
)
# Reached with an argument or by another way: `audit.list(area=…)`, `tenants.delete(id)`; POST
# begins a sign-in and `auth.login` finishes it; `tasks.stream_updates` follows a stream; a
# download's link comes with its export.
BESIDE = (
    "GET /v1/admin/audit/auth",
    "GET /v1/admin/audit/billing",
    "DELETE /v1/tenants/{}",
    "GET /v1/auth/sso/{}",
    "POST /v1/auth/sso/login",
    "POST /v1/auth/refresh",
    "GET /v1/tasks/{}/events",
    "GET /v1/privacy/exports/{}/download",
)


def _calls(operation: Any) -> Iterator[Call[Any]]:
    if isinstance(operation, Call):
        yield operation
    for part in vars(operation).values():
        if isinstance(part, Call):
            yield part


def _reached() -> set[str]:
    """What each method of the SDK would ask for, every id being `{}`."""
    reached = set()
    with LeanVibeClientSync(api_key="lv_test_none") as client:
        parts = [part for part in vars(client).values() if hasattr(part, "_runner")]
    for part in parts:
        for name, method in inspect.getmembers_static(type(part)):
            if name.startswith("_") or not isinstance(method, endpoint):
                continue
            for call in _calls(_described(method, part)):
                reached.add(f"{call.method} /v1{call.path.replace('%7B%7D', '{}')}")
    return reached


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


def _routes(doors: Doors) -> set[str]:
    return {
        f"{method.upper()} {re.sub(r'{[^}]*}', '{}', path)}"
        for path, methods in doors.api.openapi()["paths"].items()
        for method in methods
    }


def test_every_route_of_the_api_has_a_method(doors: Doors) -> None:
    routes = _routes(doors)
    without = routes - _reached() - set(BESIDE)
    assert sorted(one for one in without if not any(re.fullmatch(p, one) for p in OF_OTHERS)) == []
    assert set(BESIDE) <= routes
