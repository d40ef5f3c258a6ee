"""Nobody gets by a detour what they may not be given."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation
from tests.identity.test_people import address

HELPER = ["user:read", "user:create", "user:update", "user:delete", "role:manage",
          "api_key:manage", "scim:manage", "privacy:manage", "project:share"]  # fmt: skip


async def a_helper(client: httpx.AsyncClient, acme: Organisation) -> tuple[str, dict[str, str]]:
    """Id and headers of somebody whose own role manages people and does little else."""
    owner = await acme.headers(client)
    role = {"name": "helper", "permissions": HELPER}
    assert (await client.post("/v1/roles", json=role, headers=owner)).status_code == 201
    email = address(acme, "helper")
    made = await client.post(
        "/v1/users", json={"email": email, "password": PASSWORD, "role": "helper"}, headers=owner
    )
    login = await client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    return made.json()["id"], {"Authorization": f"Bearer {login.json()['access_token']}"}


async def test_sec_rbac_02_whoever_manages_people_gets_no_right_they_do_not_hold(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    own_id, helper = await a_helper(client, acme)
    owner = await acme.headers(client)
    roles = (await client.get("/v1/roles", headers=owner)).json()["data"]
    own_role = next(one["id"] for one in roles if one["name"] == "helper")
    project = await client.post("/v1/projects", json={"name": "P"}, headers=owner)
    team = await client.post("/v1/groups", json={"name": "T", "role": "manager"}, headers=owner)
    open_group = await client.post("/v1/groups", json={"name": "O"}, headers=helper)
    joined = {"user_ids": [own_id]}
    group, admins = open_group.json()["id"], acme.people["admin"].id
    assert (
        await client.post(f"/v1/groups/{group}/members", json=joined, headers=helper)
    ).status_code == 200
    detours: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", f"/v1/users/{own_id}", {"role": "developer"}),
        ("PATCH", f"/v1/users/{own_id}", {"role": "owner"}),
        ("PATCH", f"/v1/users/{admins}", {"status": "disabled"}),
        ("DELETE", f"/v1/users/{admins}", {}),
        ("DELETE", f"/v1/users/{admins}/sessions", {}),
        ("POST", f"/v1/users/{admins}/mfa/reset", {}),
        ("POST", "/v1/users", {"email": address(acme, "new"), "role": "developer"}),
        ("POST", "/v1/groups", {"name": "A", "role": "admin"}),
        ("PATCH", f"/v1/groups/{group}", {"role": "viewer"}),
        ("POST", f"/v1/groups/{team.json()['id']}/members", joined),
        ("POST", "/v1/roles", {"name": "more", "permissions": ["task:create"]}),
        ("PATCH", f"/v1/roles/{own_role}", {"permissions": [*HELPER, "task:create"]}),
        ("DELETE", f"/v1/roles/{own_role}?replacement=developer", {}),
        ("PUT", f"/v1/projects/{project.json()['id']}/members/{own_id}", {"role": "developer"}),
        ("POST", "/v1/scim/tokens", {"name": "t"}),
        ("POST", "/v1/api-keys", {"name": "k", "user_id": str(admins)}),
        ("POST", "/v1/api-keys", {"name": "k", "scopes": ["task:create"]}),
        ("POST", "/v1/service-accounts", {"name": "s", "role": "developer"}),
        ("POST", "/v1/privacy/erasures", {"user_id": str(admins)}),
        ("POST", "/v1/tenants/me/ownership", {"user_id": own_id}),
    ]
    for method, path, body in detours:
        answer = await client.request(method, path, json=body, headers=helper)
        assert answer.status_code in (403, 404), (method, path, answer.text)
    me = (await client.get("/v1/auth/me", headers=helper)).json()
    assert set(me["permissions"]) == {*HELPER, "self"}


@pytest.mark.parametrize("name", ["platform-admin", "platform_admin", "owner", "Owner", "оwner"])
async def test_no_role_is_called_like_one_of_the_product(
    client: httpx.AsyncClient, acme: Organisation, name: str
) -> None:
    owner = await acme.headers(client)
    body = {"name": name, "permissions": ["project:read"]}
    answer = await client.post("/v1/roles", json=body, headers=owner)
    assert answer.status_code in (400, 409), answer.text


async def test_an_open_browser_makes_no_administrators(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    """Handing over asks for a fresh proof, and so does everything that comes to the same."""
    owner = await acme.headers(client)
    person = str(acme.people["developer"].id)
    made = await client.post("/v1/groups", json={"name": "A", "role": "admin"}, headers=owner)
    clock.advance(minutes=11)
    stale: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", f"/v1/users/{person}", {"role": "owner"}),
        ("PATCH", f"/v1/users/{person}", {"role": "admin"}),
        ("POST", "/v1/users", {"email": address(acme, "new"), "role": "admin"}),
        ("POST", "/v1/users/bulk-invite",
         {"role": "admin", "invitations": [{"email": address(acme, "new")}]}),
        ("POST", "/v1/groups", {"name": "B", "role": "admin"}),
        ("POST", f"/v1/groups/{made.json()['id']}/members", {"user_ids": [person]}),
    ]  # fmt: skip
    for method, path, body in stale:
        answer = await client.request(method, path, json=body, headers=owner)
        assert answer.status_code == 403, (path, answer.text)
        assert answer.json()["details"]["reason"] == "step_up_required", path
    usual = await client.patch(f"/v1/users/{person}", json={"role": "viewer"}, headers=owner)
    assert usual.status_code == 200, usual.text


async def test_a_guest_stays_for_a_year_at_most_at_a_time(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    owner = await acme.headers(client)
    path = f"/v1/users/{acme.people['guest'].id}"
    for days, status in ((400, 400), (365, 200)):
        end = {"expires_at": (clock.now() + timedelta(days=days)).isoformat()}
        assert (await client.patch(path, json=end, headers=owner)).status_code == status
    far = {"expires_at": "9999-12-31T23:59:59+00:00"}
    new = {"email": address(acme, "g"), "role": "guest", **far}
    assert (await client.post("/v1/users", json=new, headers=owner)).status_code == 400


async def test_names_are_one_line_that_shows_all_it_holds(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    person = f"/v1/users/{acme.people['viewer'].id}"
    for name in ("  ", "\u200b", "\n"):
        for method, path in (("POST", "/v1/groups"), ("PATCH", person)):
            field = "name" if path == "/v1/groups" else "username"
            answer = await client.request(method, path, json={field: name}, headers=owner)
            assert answer.status_code == 400, (path, name)
    group = await client.post("/v1/groups", json={"name": "a\n\u202eb"}, headers=owner)
    assert group.json()["name"] == "a b"


async def test_an_organisation_is_handed_over_once_even_if_asked_twice_at_once(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    heirs = [str(acme.people[role].id) for role in ("developer", "viewer")]
    answers = await asyncio.gather(
        *(
            client.post("/v1/tenants/me/ownership", json={"user_id": heir}, headers=owner)
            for heir in heirs
        )
    )
    assert sorted(answer.status_code for answer in answers)[0] == 200
    assert max(answer.status_code for answer in answers) in (403, 409)
    people = (await client.get("/v1/users?role=owner", headers=owner)).json()["data"]
    assert len(people) == 1
