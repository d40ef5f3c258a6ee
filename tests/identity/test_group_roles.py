"""What a group gives goes with the group."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_scim import add, patch
from tests.identity.test_people import address

Headers = dict[str, str]


async def role_of(client: httpx.AsyncClient, headers: Headers, user_id: str) -> str:
    shown = await client.get(f"/v1/users/{user_id}", headers=headers)
    return str(shown.json()["role"])


async def group(client: httpx.AsyncClient, headers: Headers, role: str, *ids: str) -> str:
    made = await client.post("/v1/groups", json={"name": f"All {role}", "role": role},
                             headers=headers)  # fmt: skip
    path = f"/v1/groups/{made.json()['id']}"
    if not ids:
        return path
    added = await client.post(f"{path}/members", json={"user_ids": ids}, headers=headers)
    assert added.status_code == 200, added.text
    return path


@pytest.mark.parametrize(
    ("before", "given", "after"),
    [
        ("viewer", "admin", "viewer"),
        ("viewer", "developer", "viewer"),
        ("developer", "manager", "developer"),
        ("developer", "viewer", "developer"),
        ("manager", "admin", "manager"),
    ],
)
async def test_sec_rbac_05_who_leaves_a_group_has_no_more_than_before(
    client: httpx.AsyncClient, acme: Organisation, before: str, given: str, after: str
) -> None:
    owner = await acme.headers(client)
    person = str(acme.people[before].id)
    path = await group(client, owner, given, person)
    assert await role_of(client, owner, person) == (given if given != "viewer" else before)
    left = await client.delete(f"{path}/members/{person}", headers=owner)
    assert left.status_code == 204
    assert await role_of(client, owner, person) == after


async def test_a_guest_has_the_same_end_in_a_group_and_after_it(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    owner = await acme.headers(client)
    person = str(acme.people["guest"].id)
    end = clock.now() + timedelta(days=9)
    await client.patch(f"/v1/users/{person}", json={"expires_at": end.isoformat()}, headers=owner)
    first = await group(client, owner, "developer", person)
    second = await group(client, owner, "manager", person)
    shown = (await client.get(f"/v1/users/{person}", headers=owner)).json()
    assert shown["role"] == "manager"
    assert datetime.fromisoformat(shown["expires_at"]) == end
    for path in (second, first):
        assert (await client.delete(path, headers=owner)).status_code == 204
    shown = (await client.get(f"/v1/users/{person}", headers=owner)).json()
    assert shown["role"] == "guest"
    assert datetime.fromisoformat(shown["expires_at"]) == end


async def test_a_role_of_ones_own_comes_back_and_is_in_use_meanwhile(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    body: dict[str, Any] = {"name": "auditor", "permissions": ["audit:read"]}
    made = await client.post("/v1/roles", json=body, headers=owner)
    new = {"email": address(acme, "auditor"), "role": "auditor"}
    person = (await client.post("/v1/users", json=new, headers=owner)).json()["id"]
    path = await group(client, owner, "developer", person)
    used = await client.delete(f"/v1/roles/{made.json()['id']}", headers=owner)
    assert used.status_code == 409
    await client.delete(f"{path}/members/{person}", headers=owner)
    assert await role_of(client, owner, person) == "auditor"


async def test_a_role_that_an_admin_gives_meanwhile_is_the_persons_own(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    person = str(acme.people["viewer"].id)
    path = await group(client, owner, "manager", person)
    given = {"role": "developer"}
    assert (await client.patch(f"/v1/users/{person}", json=given, headers=owner)).status_code == 200
    await client.delete(f"{path}/members/{person}", headers=owner)
    assert await role_of(client, owner, person) == "developer"


async def test_a_group_has_another_version_when_a_member_is_removed_from_the_organisation(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    owner = await acme.headers(client)
    person = str(acme.people["viewer"].id)
    path = await group(client, owner, "developer", person)
    find = "SELECT version FROM groups WHERE id = $1"
    before = await admin.fetchval(find, UUID(path.rpartition("/")[2]))
    assert (await client.delete(f"/v1/users/{person}", headers=owner)).status_code == 204
    assert (await client.get(path, headers=owner)).json()["members_count"] == 0
    assert await admin.fetchval(find, UUID(path.rpartition("/")[2])) > before


async def made_role(client: httpx.AsyncClient, headers: Headers, name: str, *may: str) -> str:
    body = {"name": name, "permissions": list(may)}
    made = await client.post("/v1/roles", json=body, headers=headers)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def person_of(client: httpx.AsyncClient, headers: Headers, user_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = (await client.get(f"/v1/users/{user_id}", headers=headers)).json()
    return shown


async def test_a_group_takes_no_right_from_whoever_joins(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    admin, person = await acme.headers(client, "admin"), str(acme.people["admin"].id)
    path = await group(client, owner, "viewer", person)
    shown = await person_of(client, owner, person)
    assert (shown["role"], shown["own_role"], shown["further_roles"]) == ("admin", "admin", [])
    assert (await client.get("/v1/roles", headers=admin)).status_code == 200
    lowered = await client.patch(f"/v1/users/{person}", json={"role": "guest"}, headers=owner)
    assert lowered.json()["role"] == "viewer"
    assert (await client.delete(path, headers=owner)).status_code == 204
    shown = await person_of(client, owner, person)
    assert shown["role"] == "guest"
    assert shown["expires_at"] == lowered.json()["expires_at"] is not None


async def test_a_role_of_the_tenant_counts_beside_ones_own_from_the_next_request_on(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    owner = await acme.headers(client)
    role_id = await made_role(client, owner, "auditor", "audit:read")
    developer, person = await acme.headers(client, "developer"), str(acme.people["developer"].id)
    assert (await client.get("/v1/admin/audit/auth", headers=developer)).status_code == 403
    path = await group(client, owner, "auditor", person)
    assert (await client.get("/v1/admin/audit/auth", headers=developer)).status_code == 200
    assert (await client.get("/v1/projects", headers=developer)).status_code == 200
    shown = await person_of(client, owner, person)
    assert (shown["role"], shown["further_roles"]) == ("developer", ["auditor"])
    found = await client.get("/v1/users", params={"role": "auditor"}, headers=owner)
    assert [one["id"] for one in found.json()["data"]] == [person]
    listed = (await client.get("/v1/roles", headers=owner)).json()["data"]
    assert {one["name"]: one["users_count"] for one in listed}["auditor"] == 1
    change = {"permissions": ["usage:read"]}
    await client.patch(f"/v1/roles/{role_id}", json=change, headers=owner)
    assert (await client.get("/v1/admin/audit/auth", headers=developer)).status_code == 403
    told = await admin.fetchval(
        "SELECT payload -> 'roles' -> $2 FROM events"
        " WHERE tenant_id = $1 AND name = 'group.roles_applied'", acme.id, person,
    )  # fmt: skip
    assert json.loads(told) == ["developer", "developer, auditor"]
    await client.delete(f"{path}/members/{person}", headers=owner)
    assert (await person_of(client, owner, person))["further_roles"] == []


async def test_sec_rbac_05_nobody_gives_by_a_group_what_they_could_not_give_directly(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner, own = await acme.headers(client), str(acme.people["manager"].id)
    await made_role(client, owner, "people-desk", "user:read", "user:update", "project:read")
    await made_role(client, owner, "keeper", "security:manage", "user:read")
    desk = {"role": "people-desk"}
    assert (await client.patch(f"/v1/users/{own}", json=desk, headers=owner)).status_code == 200
    manager = await acme.headers(client, "manager")
    viewer = str(acme.people["viewer"].id)
    for role, status in (("keeper", 403), ("admin", 403), ("owner", 400), ("no-such", 400)):
        new = {"name": f"{role}s", "role": role}
        made = await client.post("/v1/groups", json=new, headers=manager)
        assert made.status_code == status, made.text
    assert (await client.post("/v1/groups", json={"name": "o", "role": "owner"},
                              headers=owner)).status_code == 400  # fmt: skip
    keepers = await group(client, owner, "keeper", viewer)
    for method, path, body in (
        ("POST", f"{keepers}/members", {"user_ids": [own]}),
        ("PATCH", keepers, {"role": None}),
        ("DELETE", f"{keepers}/members/{viewer}", None),
        ("DELETE", keepers, None),
        # The viewer may do more by the group than the desk.
        ("PATCH", f"/v1/users/{viewer}", {"username": "mine"}),
        ("POST", f"/v1/users/{viewer}/mfa/reset", None),
    ):
        refused = await client.request(method, path, json=body, headers=manager)
        assert refused.status_code == 403, (method, path, refused.text)


async def test_a_key_of_somebody_may_what_their_groups_give_and_no_longer(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    await made_role(client, owner, "auditor", "audit:read")
    person = str(acme.people["developer"].id)
    path = await group(client, owner, "auditor", person)
    new = {"name": "k", "user_id": person, "scopes": ["audit:read"]}
    made = await client.post("/v1/api-keys", json=new, headers=owner)
    assert made.status_code == 201, made.text
    bearer = {"Authorization": f"Bearer {made.json()['key']}"}
    assert (await client.get("/v1/admin/audit/auth", headers=bearer)).status_code == 200
    await client.delete(path, headers=owner)
    assert (await client.get("/v1/admin/audit/auth", headers=bearer)).status_code == 403


async def test_a_role_that_a_group_gives_is_deleted_only_for_another(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner, person = await acme.headers(client), str(acme.people["viewer"].id)
    role_id = await made_role(client, owner, "auditor", "audit:read")
    path = await group(client, owner, "auditor")
    refused = await client.delete(f"/v1/roles/{role_id}", headers=owner)
    assert refused.json()["details"]["in_use"]["groups"] == 1
    await client.post(f"{path}/members", json={"user_ids": [person]}, headers=owner)
    assert (await person_of(client, owner, person))["role"] == "auditor"
    gone = await client.delete(
        f"/v1/roles/{role_id}", params={"replacement": "manager"}, headers=owner
    )
    assert gone.status_code == 204, gone.text
    assert (await client.get(path, headers=owner)).json()["role"] == "manager"
    shown = await person_of(client, owner, person)
    assert (shown["role"], shown["own_role"], shown["further_roles"]) == ("manager", "viewer", [])


async def test_an_end_that_an_admin_names_holds_also_after_the_group(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    owner, person = await acme.headers(client), str(acme.people["developer"].id)
    path = await group(client, owner, "manager", person)
    end = clock.now() + timedelta(days=3)
    await client.patch(f"/v1/users/{person}", json={"expires_at": end.isoformat()}, headers=owner)
    await client.delete(path, headers=owner)
    shown = await person_of(client, owner, person)
    assert datetime.fromisoformat(shown["expires_at"]) == end


async def test_the_last_owner_in_a_group_is_still_the_last_owner(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner, person = await acme.headers(client), str(acme.people["owner"].id)
    path = await group(client, owner, "viewer", person)
    assert await role_of(client, owner, person) == "owner"
    lowered = await client.patch(f"/v1/users/{person}", json={"role": "admin"}, headers=owner)
    assert lowered.status_code == 409
    handed = await client.post(
        "/v1/tenants/me/ownership",
        json={"user_id": str(acme.people["admin"].id), "keep_role": "guest"},
        headers=owner,
    )
    assert handed.status_code == 200, handed.text
    heir = await acme.headers(client, "admin")
    assert await role_of(client, heir, person) == "viewer"
    await client.delete(path, headers=heir)
    assert await role_of(client, heir, person) == "guest"


async def test_whom_provisioning_brought_has_what_groups_give_until_an_admin_says_more(
    client: httpx.AsyncClient, acme: Organisation, idp: httpx.AsyncClient
) -> None:
    owner = await acme.headers(client)
    await made_role(client, owner, "auditor", "audit:read")
    path = await group(client, owner, "auditor")
    brought = str((await add(idp))["id"])
    assert await role_of(client, owner, brought) == "developer"
    members = {"op": "add", "path": "members", "value": [{"value": brought}]}
    await patch(idp, f"/Groups/{path.rpartition('/')[2]}", members)
    shown = await person_of(client, owner, brought)
    assert (shown["role"], shown["further_roles"]) == ("auditor", [])
    roles = (await idp.get(f"/Users/{brought}")).json()["roles"]
    assert roles == [{"value": "auditor", "primary": True}]
    await client.patch(f"/v1/users/{brought}", json={"role": "viewer"}, headers=owner)
    shown = await person_of(client, owner, brought)
    assert (shown["role"], shown["further_roles"]) == ("auditor", ["viewer"])
    found = await idp.get("/Users", params={"filter": 'roles[value eq "viewer"]'})
    assert brought in [one["id"] for one in found.json()["Resources"]]
    await client.delete(path, headers=owner)
    assert await role_of(client, owner, brought) == "viewer"


async def test_sec_rbac_05_nothing_is_left_of_groups_that_somebody_left_all_at_once(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner, person = await acme.headers(client), str(acme.people["viewer"].id)
    roles = ("admin", "manager", "developer", "guest")
    paths = [await group(client, owner, role) for role in roles]
    for _ in range(3):
        body = {"user_ids": [person]}
        await asyncio.gather(
            *[client.post(f"{path}/members", json=body, headers=owner) for path in paths]
        )
        assert await role_of(client, owner, person) == "admin"
        await asyncio.gather(
            *[client.delete(f"{path}/members/{person}", headers=owner) for path in paths]
        )
        assert await role_of(client, owner, person) == "viewer"
