"""What a group gives goes with the group."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.test_people import address

Headers = dict[str, str]


async def role_of(client: httpx.AsyncClient, headers: Headers, user_id: str) -> str:
    shown = await client.get(f"/v1/users/{user_id}", headers=headers)
    return str(shown.json()["role"])


async def group(client: httpx.AsyncClient, headers: Headers, role: str, *ids: str) -> str:
    made = await client.post("/v1/groups", json={"name": f"All {role}", "role": role},
                             headers=headers)  # fmt: skip
    path = f"/v1/groups/{made.json()['id']}"
    added = await client.post(f"{path}/members", json={"user_ids": ids}, headers=headers)
    assert added.status_code == 200, added.text
    return path


@pytest.mark.parametrize(
    ("before", "given", "after"),
    [
        ("viewer", "admin", "viewer"),
        ("viewer", "developer", "viewer"),
        ("developer", "manager", "developer"),
        ("developer", "viewer", "viewer"),
        ("manager", "admin", "developer"),
    ],
)
async def test_sec_rbac_05_who_leaves_a_group_has_no_more_than_before(
    client: httpx.AsyncClient, acme: Organisation, before: str, given: str, after: str
) -> None:
    owner = await acme.headers(client)
    person = str(acme.people[before].id)
    path = await group(client, owner, given, person)
    assert await role_of(client, owner, person) == given
    left = await client.delete(f"{path}/members/{person}", headers=owner)
    assert left.status_code == 204
    assert await role_of(client, owner, person) == after


async def test_a_guest_who_leaves_the_group_is_a_guest_until_the_same_end(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    owner = await acme.headers(client)
    person = str(acme.people["guest"].id)
    end = clock.now() + timedelta(days=9)
    await client.patch(f"/v1/users/{person}", json={"expires_at": end.isoformat()}, headers=owner)
    first = await group(client, owner, "developer", person)
    second = await group(client, owner, "manager", person)
    shown = (await client.get(f"/v1/users/{person}", headers=owner)).json()
    assert (shown["role"], shown["expires_at"]) == ("manager", None)
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
