"""Changes as provisioning clients send them, of people, groups and members."""

import time
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_scim import (
    ENTERPRISE,
    add,
    patch,
    patch_of,
    person,
    refused,
)


@pytest.mark.parametrize(
    ("operation", "found"),
    [
        ({"op": "add", "path": "title", "value": "Dr"}, {"title": "Dr"}),
        ({"op": "Add", "path": "name.givenName", "value": "B"}, {"name": {"givenName": "B"}}),
        ({"op": "replace", "value": {"name.givenName": "C"}}, {"name": {"givenName": "C"}}),
        (
            {"op": "add", "path": f"{ENTERPRISE}:department", "value": "D"},
            {ENTERPRISE: {"department": "D"}},
        ),
        (
            {"op": "replace", "value": {f"{ENTERPRISE}:department": "E"}},
            {ENTERPRISE: {"department": "E"}},
        ),
        (
            {"op": "add", "path": 'phoneNumbers[type eq "work"].value', "value": "1"},
            {"phoneNumbers": [{"type": "work", "value": "1"}]},
        ),
        (
            {"op": "add", "path": f"{ENTERPRISE}:manager", "value": "42"},
            {ENTERPRISE: {"manager": {"value": "42"}}},
        ),
        ({"op": "remove", "path": "displayName"}, {"displayName": None}),
        ({"op": "replace", "value": {"id": "other", "unknown": 1, "title": "M"}}, {"title": "M"}),
    ],
)
async def test_one_change_is_made_as_clients_send_it(
    operation: dict[str, Any], found: dict[str, Any], idp: httpx.AsyncClient
) -> None:
    made = await add(idp, displayName="A")
    answer = await patch(idp, f"/Users/{made['id']}", operation)
    assert answer.status_code == 200, answer.text
    for name, value in found.items():
        assert answer.json().get(name) == value
    assert answer.json()["id"] == made["id"]


@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        ({"op": "jump", "path": "title", "value": "x"}, "invalidSyntax"),
        ({"op": "add", "path": "nonsense", "value": "x"}, "invalidPath"),
        ({"op": "add", "path": "title[", "value": "x"}, "invalidPath"),
        ({"op": "add", "path": "id", "value": "x"}, "mutability"),
        ({"op": "replace", "path": "groups", "value": []}, "mutability"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "remove", "path": "userName"}, "invalidValue"),
        (
            {"op": "replace", "path": 'emails[type eq "x"].value', "value": "a@b.example"},
            "noTarget",
        ),
        ({"op": "replace", "path": "active", "value": "perhaps"}, "invalidValue"),
        ({"op": "replace", "path": "title", "value": 5}, "invalidValue"),
        ({"op": "replace", "path": "userName", "value": "no address"}, None),
        ({"op": "replace", "value": "text"}, "invalidValue"),
    ],
)
async def test_a_change_that_makes_no_sense_changes_nothing(
    operation: dict[str, Any], scim_type: str | None, idp: httpx.AsyncClient
) -> None:
    made = await add(idp, displayName="A")
    path = f"/Users/{made['id']}"
    answer = await patch(idp, path, {"op": "replace", "path": "title", "value": "T"}, operation)
    if scim_type is None:
        # The name may be any; the address stays.
        assert answer.status_code == 200
        return
    refused(answer, 400, scim_type)
    assert (await idp.get(path)).json() == made


async def test_sec_scim_05_ten_thousand_members_come_and_go_exactly(
    idp: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    many = [str(UUID(int=(0x7 << 76) | (2 << 62) | number)) for number in range(10_000)]
    await admin.execute(
        """INSERT INTO users (tenant_id, id, account_id, email, username, role, status,
            created_at, updated_at)
        SELECT $1, one::uuid, one::uuid, one || '@many.example', 'x', 'viewer', 'active', now(),
            now() FROM unnest($2::text[]) AS one""",
        acme.id,
        many,
    )
    group = (await idp.post("/Groups", json={"displayName": "Everybody"})).json()
    path = f"/Groups/{group['id']}"
    members = [{"value": one} for one in many]

    async def there() -> int:
        count: int = await admin.fetchval(
            "SELECT count(*) FROM group_members WHERE group_id = $1", UUID(group["id"])
        )
        return count

    began = time.perf_counter()
    for _ in range(2):
        answer = await patch(idp, path, {"op": "add", "path": "members", "value": members})
        assert answer.status_code == 204, answer.text
        assert await there() == 10_000
    again = await patch(idp, path, {"op": "Add", "path": "members", "value": members[:3] * 2})
    assert again.headers["etag"] == answer.headers["etag"]
    one = {"op": "remove", "path": f'members[value eq "{many[7]}"]'}
    for _ in range(2):
        assert (await patch(idp, path, one)).status_code == 204
    assert await there() == 9_999
    each = [{"op": "Remove", "path": f'members[value eq "{x}"]'} for x in many[:5_000]]
    assert (await patch(idp, path, *each)).status_code == 204
    assert await there() == 5_000
    gone = {"op": "remove", "path": "members", "value": members[5_000:9_000]}
    assert (await patch(idp, path, gone)).status_code == 204
    shown = (await idp.get(path)).json()
    assert {one["value"] for one in shown["members"]} == set(many[9_000:])
    assert (await patch(idp, path, {"op": "remove", "path": "members"})).status_code == 204
    assert await there() == 0
    assert time.perf_counter() - began < 20


async def test_members_must_be_people_of_the_tenant(
    idp: httpx.AsyncClient, globex: Organisation
) -> None:
    group = (await idp.post("/Groups", json={"displayName": "G"})).json()
    path = f"/Groups/{group['id']}"
    said = []
    for one in (str(globex.people["owner"].id), str(uuid4())):
        answer = await patch(idp, path, {"op": "add", "path": "members", "value": [{"value": one}]})
        refused(answer, 400, "invalidValue")
        said.append(answer.text)
    assert said[0] == said[1]
    for value in ("nobody", {"display": "x"}, [5]):
        answer = await patch(idp, path, {"op": "add", "path": "members", "value": value})
        refused(answer, 400, "invalidValue")


async def test_a_group_is_renamed_replaced_filtered_and_deleted(
    idp: httpx.AsyncClient, acme: Organisation
) -> None:
    mark = uuid4().hex
    ids = [str(acme.people[role].id) for role in ("viewer", "guest")]
    body = {"displayName": mark, "externalId": "g-1", "members": [{"value": ids[0]}]}
    group = (await idp.post("/Groups", json=body)).json()
    path = f"/Groups/{group['id']}"
    assert [one["value"] for one in group["members"]] == ids[:1]
    refused(await idp.post("/Groups", json=body), 409, "uniqueness")
    renamed = await patch(idp, path, {"op": "replace", "value": {"displayName": f"{mark}2"}})
    assert renamed.status_code == 204
    replaced = await idp.put(path, json={"displayName": mark, "members": [{"value": ids[1]}]})
    assert [one["value"] for one in replaced.json()["members"]] == ids[1:]
    for text in (f'displayName eq "{mark}"', f'members.value eq "{ids[1]}" and displayName pr'):
        query = {"filter": text, "excludedAttributes": "members"}
        listed = (await idp.get("/Groups", params=query)).json()["Resources"]
        assert [one["id"] for one in listed] == [group["id"]]
        assert "members" not in listed[0]
    user = (await idp.get(f"/Users/{ids[1]}")).json()
    assert [one["display"] for one in user["groups"]] == [mark]
    assert (await idp.delete(path)).status_code == 204
    refused(await idp.get(path), 404)


async def test_sec_scim_06_no_client_says_what_somebody_may_do(
    idp: httpx.AsyncClient, client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    made = await add(idp, roles=[{"value": "owner", "primary": True}], userType="platform_admin")
    path = f"/Users/{made['id']}"
    for operation in (
        {"op": "add", "path": "roles", "value": [{"value": "owner"}]},
        {"op": "replace", "path": 'roles[primary eq "True"].value', "value": "platform_admin"},
        {"op": "replace", "value": {"roles": [{"value": "admin"}], "role": "owner"}},
    ):
        await patch(idp, path, operation)
    await idp.put(path, json=person(userName=made["userName"], roles=[{"value": "owner"}]))
    for name in ("owner", "admin", "platform_admin"):
        await idp.post("/Groups", json={"displayName": name, "members": [{"value": made["id"]}]})
    shown = (await client.get(f"/v1/users/{made['id']}", headers=owner)).json()
    assert shown["role"] == "developer"
    for role in ("owner", "platform_admin"):
        answer = await client.post("/v1/groups", json={"name": "x", "role": role}, headers=owner)
        assert answer.status_code == 400


async def test_a_group_gives_the_role_its_admins_set(
    idp: httpx.AsyncClient, client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    made = await add(idp)
    for role in ("manager", "viewer"):
        group = await client.post(
            "/v1/groups", json={"name": f"All {role}s", "role": role}, headers=owner
        )
        members = [{"value": made["id"]}, {"value": str(acme.people["owner"].id)}]
        await patch(
            idp, f"/Groups/{group.json()['id']}", {"op": "add", "path": "members", "value": members}
        )

    async def role_of(user_id: str) -> str:
        shown = (await client.get(f"/v1/users/{user_id}", headers=owner)).json()
        return str(shown["role"])

    assert await role_of(made["id"]) == "manager"
    assert await role_of(str(acme.people["owner"].id)) == "owner"
    listed = (await client.get("/v1/groups", headers=owner)).json()["data"]
    by_role = {group["role"]: group["id"] for group in listed}
    await idp.delete(f"/Groups/{by_role['manager']}")
    assert await role_of(made["id"]) == "viewer"
    await idp.delete(f"/Groups/{by_role['viewer']}")
    assert await role_of(made["id"]) == "viewer"


async def test_sec_scim_07_a_change_of_another_version_is_refused(
    idp: httpx.AsyncClient, clock: FakeClock
) -> None:
    made = await add(idp, displayName="A")
    path, version = f"/Users/{made['id']}", made["meta"]["version"]
    change = patch_of({"op": "replace", "path": "displayName", "value": "B"})
    current = await idp.patch(path, json=change, headers={"If-Match": version})
    assert current.status_code == 200
    assert current.headers["etag"] != version
    for stale in (version, '"x"', 'W/"x", "y"'):
        known = {"If-Match": stale}
        refused(await idp.patch(path, json=change, headers=known), 412)
        refused(await idp.put(path, json=person(), headers=known), 412)
        refused(await idp.delete(path, headers=known), 412)
    for known in (current.headers["etag"], "*"):
        got = await idp.get(path, headers={"If-None-Match": known})
        assert (got.status_code, got.content) == (304, b"")
    assert (await idp.get(path, headers={"If-None-Match": version})).status_code == 200
    group = (await idp.post("/Groups", json={"displayName": "G"})).json()
    renamed = patch_of({"op": "replace", "path": "displayName", "value": "H"})
    at = f"/Groups/{group['id']}"
    tag = {"If-Match": group["meta"]["version"]}
    assert (await idp.patch(at, json=renamed, headers=tag)).status_code == 204
    refused(await idp.patch(at, json=renamed, headers=tag), 412)
    assert (await idp.delete(path, headers={"If-Match": "*"})).status_code == 204
