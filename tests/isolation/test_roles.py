"""Every role at every route: what the API's own description says of it holds, and no more."""

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest

from leanvibe_server.identity.permissions import BEHIND_GLASS
from leanvibe_server.kernel.access import READS, ROLE_PERMISSIONS, Permission, Role
from leanvibe_server.wiring import Doors
from tests.given import ROLES, Organisation
from tests.identity.test_roles import add_with_role, enter, make_role, somebody

# They end what the others need.
LAST = ("POST /v1/auth/logout", "POST /v1/auth/logout-all", "DELETE /v1/auth/me")
# What changes something although it asks for reading only, each with its reason.
MILD = {
    "DELETE /v1/tenants/me": "goes on in a suspended tenant; only owners hold it",
    "POST /v1/tenants/me/restore": "takes a deletion back; only owners hold it",
    "POST /v1/tasks/batch": "reads several at once",
    "POST /v1/tenants/{tenant_id}/restore": "asks for more inside: the owner, or the platform",
}
UNDECLARED = {"/health", "/health/live", "/health/ready", "/health/enterprise", "/metrics"}
Operation = dict[str, Any]


def operations(doors: Doors) -> list[tuple[str, str, Operation]]:
    found = [
        (method.upper(), path, operation)
        for path, methods in doors.api.openapi()["paths"].items()
        for method, operation in methods.items()
    ]
    return sorted(found, key=_turn)


def _turn(one: tuple[str, str, Operation]) -> tuple[int, str]:
    name = f"{one[0]} {one[1]}"
    return (LAST.index(name) + 1 if name in LAST else 0, name)


def test_sec_rbac_01_every_route_says_what_it_asks_for(doors: Doors) -> None:
    known = {"public", *(permission.value for permission in Permission)}
    listed = operations(doors)
    assert len(listed) > 100
    silent = [
        f"{method} {path}"
        for method, path, operation in listed
        if operation.get("x-permission") not in known and path not in UNDECLARED
    ]
    assert silent == []


def test_sec_rbac_01_what_changes_something_asks_for_more_than_reading(doors: Doors) -> None:
    # Some permissions of people and of the platform both read and change.
    both = {Permission.SELF, Permission.TENANT_ADMIN}
    reading = {permission.value for permission in READS - both}
    light = {
        f"{method} {path}"
        for method, path, operation in operations(doors)
        if method != "GET" and operation.get("x-permission") in reading
    }
    assert light == set(MILD)


def test_behind_the_glass_one_looks_and_does_nothing() -> None:
    reading = {permission for permission in Permission if "read" in permission}
    assert BEHIND_GLASS - reading == set()


async def _ask(
    client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]
) -> httpx.Response:
    filled = re.sub(r"\{(\w+)\}", lambda _: str(uuid4()), path)
    return await client.request(method, filled, json={}, headers=headers)


def _is_wrong_code(answer: httpx.Response) -> bool:
    """Whether a made-up second factor was refused, by an endpoint that let its caller in."""
    return bool(answer.status_code == 401 and answer.json()["details"].get("field") == "code")


def _lacks(answer: httpx.Response, permission: str) -> bool:
    body = answer.json() if answer.content else {}
    return bool(
        answer.status_code == 403 and body["details"].get("required_permission") == permission
    )


@pytest.mark.parametrize("role", [*ROLES, "made", "none"])
async def test_sec_rbac_01_a_role_may_do_what_the_matrix_says_at_every_route(
    role: str, doors: Doors, client: httpx.AsyncClient, acme: Organisation
) -> None:
    held: frozenset[str] = frozenset()
    headers: dict[str, str] = {}
    if role == "made":
        admin = await acme.headers(client, "admin")
        held = frozenset({"self", "user:read", "task:read", "security:read"})
        assert (await make_role(client, admin, "auditor", sorted(held))).status_code == 201
        await add_with_role(client, admin, "auditor", somebody(acme, "ada"))
        headers = await enter(client, somebody(acme, "ada"))
    elif role != "none":
        held = ROLE_PERMISSIONS[Role(role)]
        headers = await acme.headers(client, role)
    wrong = []
    for method, path, operation in operations(doors):
        permission = operation.get("x-permission", "public")
        if permission == "public" or path in UNDECLARED:
            continue
        if f"{method} {path}" in LAST and role == "made":
            headers = await enter(client, somebody(acme, "ada"))
        elif f"{method} {path}" in LAST and role != "none":
            headers = await acme.headers(client, role)
        answer = await _ask(client, method, path, headers)
        if role == "none":
            as_expected = answer.status_code == 401 or {} in operation["security"]
        elif permission in held:
            let_in = answer.status_code not in (401, 500) or _is_wrong_code(answer)
            as_expected = let_in and not _lacks(answer, permission)
        else:
            as_expected = _lacks(answer, permission)
        if not as_expected:
            wrong.append(f"{method} {path} ({permission}): {answer.status_code} {answer.text[:90]}")
    assert wrong == []
