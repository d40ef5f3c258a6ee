"""Provisioning by SCIM 2.0: people and groups, and the quirks of those who send them."""

import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.identity import users
from leanvibe_server.identity.scim.conditions import USERS, Condition
from leanvibe_server.identity.scim.filters import parse_filter
from leanvibe_server.kernel.errors import InvalidRequest
from leanvibe_server.wiring import Doors
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation
from tests.identity.given_scim import add_scim_token, patch_of, provisioner

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"


@pytest.fixture
async def idp(doors: Doors, acme: Organisation) -> AsyncIterator[httpx.AsyncClient]:
    async with provisioner(doors, acme) as client:
        yield client


def person(**fields: Any) -> dict[str, Any]:
    return {"schemas": [USER], "userName": f"{uuid4().hex}@people.example"} | fields


async def add(idp: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await idp.post("/Users", json=person(**fields))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def patch(idp: httpx.AsyncClient, path: str, *operations: dict[str, Any]) -> httpx.Response:
    return await idp.patch(path, json=patch_of(*operations))


def refused(answer: httpx.Response, status: int, scim_type: str | None = None) -> None:
    """The answer is an error as RFC 7644 has it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/scim+json")
    body = answer.json()
    assert (body["schemas"], body["status"]) == ([ERROR], str(status))
    assert body.get("scimType") == scim_type, body


async def test_a_person_is_added_read_replaced_and_taken_out(
    idp: httpx.AsyncClient, client: httpx.AsyncClient, acme: Organisation
) -> None:
    made = await add(
        idp,
        externalId="e-1",
        name={"givenName": "Ada", "familyName": "Lovelace"},
        emails=[{"value": "ada@work.example", "type": "work", "primary": True}],
        **{ENTERPRISE: {"department": "Engines"}},
    )
    assert (made["active"], made["externalId"]) == (True, "e-1")
    assert made[ENTERPRISE] == {"department": "Engines"}
    path = f"/Users/{made['id']}"
    assert made["meta"]["location"].endswith(f"/scim/v2/{acme.tenant.slug}{path}")
    got = await idp.get(path)
    assert got.json() == made
    assert got.headers["etag"] == made["meta"]["version"]
    replaced = await idp.put(path, json=person(userName=made["userName"], displayName="Ada L."))
    assert replaced.json()["displayName"] == "Ada L."
    assert "externalId" not in replaced.json()
    headers = await acme.headers(client)
    shown = (await client.get(f"/v1/users/{made['id']}", headers=headers)).json()
    assert (shown["username"], shown["role"], shown["status"]) == ("Ada L.", "developer", "active")
    assert (await idp.delete(path)).status_code == 204
    refused(await idp.get(path), 404)
    refused(await idp.delete(path), 404)
    shown = (await client.get(f"/v1/users/{made['id']}", headers=headers)).json()
    assert shown["status"] == "disabled"


async def test_who_was_taken_out_can_come_back_with_the_rights_of_a_newcomer(
    idp: httpx.AsyncClient, client: httpx.AsyncClient, acme: Organisation
) -> None:
    who = acme.people["admin"]
    assert (await idp.delete(f"/Users/{who.id}")).status_code == 204
    back = await add(idp, userName=who.email)
    assert back["id"] == str(who.id)
    assert back["roles"] == [{"value": "developer", "primary": True}]


async def test_a_name_is_borne_once(idp: httpx.AsyncClient, acme: Organisation) -> None:
    made = await add(idp)
    for name in (made["userName"], made["userName"].upper(), acme.people["viewer"].email):
        refused(await idp.post("/Users", json=person(userName=name)), 409, "uniqueness")
    other = await add(idp)
    answer = await patch(
        idp,
        f"/Users/{other['id']}",
        {"op": "replace", "path": "userName", "value": made["userName"]},
    )
    refused(answer, 409, "uniqueness")


SHUT = [
    {"op": "replace", "path": "active", "value": False},
    {"op": "Replace", "path": "active", "value": "False"},
    {"op": "replace", "value": {"active": False}},
    {"op": "Replace", "value": {"active": "False"}},
    {"op": "add", "path": "active", "value": "false"},
    {"op": "replace", "path": f"{USER}:active", "value": False},
]


@pytest.mark.parametrize("operation", SHUT)
async def test_sec_scim_03_who_is_set_inactive_is_out_at_once(
    operation: dict[str, Any],
    idp: httpx.AsyncClient,
    client: httpx.AsyncClient,
    acme: Organisation,
    admin: asyncpg.Connection,
) -> None:
    who = acme.people["developer"]
    headers = await acme.headers(client, "developer")
    owner = await acme.headers(client)
    key = await client.post(
        "/v1/api-keys", json={"name": "k", "user_id": str(who.id)}, headers=owner
    )
    by_key = {"Authorization": f"Bearer {key.json()['key']}"}
    began = time.perf_counter()
    answer = await patch(idp, f"/Users/{who.id}", operation)
    assert time.perf_counter() - began < 1
    assert (answer.status_code, answer.json()["active"]) == (200, False)
    for shown in (headers, by_key):
        assert (await client.get("/v1/auth/me", headers=shown)).status_code == 401
    login = {"email": who.email, "password": who.password}
    assert (await client.post("/v1/auth/login", json=login)).status_code == 401
    log = await client.get("/v1/admin/audit/auth?limit=100", headers=owner)
    assert "api_key.revoked" in log.text
    assert "user.provisioned" in log.text
    back = await patch(idp, f"/Users/{who.id}", {"op": "replace", "value": {"active": "True"}})
    assert back.json()["active"] is True
    assert (await client.get("/v1/auth/me", headers=headers)).status_code == 401
    assert (await client.get("/v1/auth/me", headers=by_key)).status_code == 401
    assert (await client.post("/v1/auth/login", json=login)).status_code == 200


async def test_who_is_inactive_stays_so_until_a_client_says_otherwise(
    idp: httpx.AsyncClient,
) -> None:
    made = await add(idp, active=False)
    path = f"/Users/{made['id']}"
    for answer in (
        await patch(idp, path, {"op": "remove", "path": "active"}),
        await patch(idp, path, {"op": "replace", "path": "active", "value": None}),
        await idp.put(path, json=person(userName=made["userName"])),
    ):
        assert answer.json()["active"] is False


async def test_deleting_a_person_ends_their_sessions_at_once(
    idp: httpx.AsyncClient, client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client, "manager")
    assert (await idp.delete(f"/Users/{acme.people['manager'].id}")).status_code == 204
    assert (await client.get("/v1/auth/me", headers=headers)).status_code == 401


NO_FILTERS = [
    'userName eq "x"); DROP TABLE users; --',
    "userName eq 'x' OR 1=1",
    'userName eq "x" OR 1=1',
    "(" * 1000 + 'userName eq "x"' + ")" * 1000,
    'userName eq "' + "x" * 50_000 + '"',
    " and ".join(['userName eq "x"'] * 2000),
    "not (" * 500 + "userName pr" + ")" * 500,
    'password eq "x"',
    'passwordHash sw "$"',
    'u.email eq "x"',
    "userName",
    "userName eq",
    "userName eq x",
    'userName is "x"',
    'emails[type eq "work"',
    'emails[emails[type eq "work"]]',
    'userName eq "x" extra',
    "active gt true",
    'active eq "maybe"',
    "userName eq 5",
    'meta.created gt "yesterday"',
    'userName eq "\\u0000"',
    'userName eq "\\ud800"',
    "",
]


@pytest.mark.parametrize("kind", ["Users", "Groups"])
async def test_sec_scim_04_a_filter_that_is_none_is_refused_in_bounded_time(
    kind: str, idp: httpx.AsyncClient
) -> None:
    for text in NO_FILTERS:
        refused(await idp.get(f"/{kind}", params={"filter": text}), 400, "invalidFilter")
    for text in (*NO_FILTERS, "(" * 100_000, 'a eq "' + "\\" * 100_000, "a" * 3_999, "[" * 3_999):
        assert min(cost_of(text) for _ in range(3)) < 0.1


def cost_of(text: str) -> float:
    """Seconds of processor time to refuse a filter; the least of several is the filter's own."""
    began = time.process_time()
    with pytest.raises(InvalidRequest):
        parse_and_use(text)
    return time.process_time() - began


def parse_and_use(text: str) -> None:
    Condition(USERS, first=2).of(parse_filter(text))


async def test_filters_find_whom_they_name(idp: httpx.AsyncClient, acme: Organisation) -> None:
    mark = uuid4().hex
    made = await add(
        idp,
        externalId=mark,
        displayName="Grace Hopper",
        name={"givenName": "Grace"},
        emails=[{"value": f"{mark}@home.example", "type": "home"}],
        **{ENTERPRISE: {"department": mark}},
    )
    off = await add(idp, active=False)
    group = await idp.post(
        "/Groups", json={"displayName": mark, "members": [{"value": made["id"]}]}
    )

    async def names(text: str) -> list[str]:
        answer = await idp.get("/Users", params={"filter": text, "count": 200})
        assert answer.status_code == 200, (text, answer.text)
        return [one["id"] for one in answer.json()["Resources"]]

    for text in (
        f'userName eq "{made["userName"]}"',
        f'userName Eq "{made["userName"].upper()}"',
        f'{USER}:userName eq "{made["userName"]}"',
        f'externalId eq "{mark}"',
        f'id eq "{made["id"]}"',
        f'emails.value eq "{mark}@home.example"',
        f'emails eq "{mark}@home.example"',
        f'emails[type eq "home" and value sw "{mark}"]',
        f'{ENTERPRISE}:department eq "{mark}"',
        f'groups.value eq "{group.json()["id"]}"',
        f'groups.display eq "{mark}"',
        f'not (externalId ne "{mark}")',
        f'(externalId eq "{mark}" or title pr) and active eq true and displayName co "HOPP"',
        f'externalId eq "{mark}" and name.givenName ew "ace"',
        f'externalId eq "{mark}" and meta.created le "2026-03-02T12:00:00Z"',
        f'externalId eq "{mark}" and nickName eq null',
        f'externalId eq "{mark}" and userName gt "!"',
    ):
        assert await names(text) == [made["id"]], text
    assert off["id"] in await names("active eq false")
    assert made["id"] not in await names('active eq "False"')
    assert str(acme.people["owner"].id) in await names('roles.value eq "owner"')
    assert await names(f'externalId eq "{mark.upper()}"') == []
    assert await names(f'userName eq "{acme.people["viewer"].email}"') == [
        str(acme.people["viewer"].id)
    ]


async def test_lists_are_sorted_and_paged(idp: httpx.AsyncClient) -> None:
    for name in ("c", "a", "b"):
        await add(idp, title="paged", displayName=name)
    query = {"filter": 'title eq "paged"', "sortBy": "displayName"}

    async def ask(**more: Any) -> dict[str, Any]:
        answer = await idp.get("/Users", params=query | more)
        listed: dict[str, Any] = answer.json()
        return listed

    first = await ask(count=2)
    assert [one["displayName"] for one in first["Resources"]] == ["a", "b"]
    assert (first["totalResults"], first["itemsPerPage"], first["startIndex"]) == (3, 2, 1)
    second = await ask(startIndex=3, count=2)
    assert [one["displayName"] for one in second["Resources"]] == ["c"]
    down = await ask(sortOrder="descending", startIndex=-5)
    assert [one["displayName"] for one in down["Resources"]] == ["c", "b", "a"]
    none = await ask(count=0)
    assert (none["totalResults"], none["Resources"]) == (3, [])
    refused(await idp.get("/Users", params={"sortBy": "password"}), 400, "invalidPath")
    refused(await idp.get("/Users", params={"count": "many"}), 400, "invalidSyntax")


async def test_a_client_chooses_what_it_sees(idp: httpx.AsyncClient) -> None:
    made = await add(idp, displayName="A", name={"givenName": "G", "familyName": "F"})
    path = f"/Users/{made['id']}"
    shown = (await idp.get(path, params={"attributes": "userName,name.givenName"})).json()
    assert shown == {
        "schemas": made["schemas"],
        "id": made["id"],
        "userName": made["userName"],
        "name": {"givenName": "G"},
    }
    without = (await idp.get(path, params={"excludedAttributes": "name,roles"})).json()
    assert not {"name", "roles"} & without.keys()
    assert without["displayName"] == "A"


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


async def test_a_token_opens_its_own_tenant_only_and_nothing_but_scim(
    doors: Doors,
    idp: httpx.AsyncClient,
    client: httpx.AsyncClient,
    acme: Organisation,
    globex: Organisation,
) -> None:
    token = {"Authorization": f"Bearer {(await add_scim_token(acme)).token}"}
    foreign = await client.get(f"/scim/v2/{globex.tenant.slug}/Users", headers=token)
    unknown = await client.get("/scim/v2/no-such-tenant/Users", headers=token)
    refused(foreign, 404)
    assert foreign.text == unknown.text
    for path in ("/v1/auth/me", "/v1/users", "/v1/scim/tokens"):
        assert (await client.get(path, headers=token)).status_code == 401
    for shown in ({}, await acme.headers(client), {"Authorization": "Bearer lv_scim_x"}):
        for slug in (acme.tenant.slug, "no-such-tenant"):
            refused(await client.get(f"/scim/v2/{slug}/Users", headers=shown), 401)
    async with provisioner(doors, globex) as other:
        theirs = await other.get("/Users")
        refused(theirs, 403)
        assert "Developer" in theirs.json()["detail"]
    missing = await idp.get(f"/Users/{globex.people['owner'].id}")
    assert missing.text == (await idp.get(f"/Users/{uuid4()}")).text
    refused(missing, 404)


async def test_a_token_is_made_fresh_ends_and_is_kept_as_a_hash(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection, clock: FakeClock
) -> None:
    owner = await acme.headers(client)
    made = (await client.post("/v1/scim/tokens", json={"name": "Okta"}, headers=owner)).json()
    users = f"/scim/v2/{acme.tenant.slug}/Users"
    assert made["base_url"].endswith(f"/scim/v2/{acme.tenant.slug}")
    by = {"Authorization": f"Bearer {made['token']}"}
    assert (await client.get(users, headers=by)).status_code == 200
    row = await admin.fetchrow("SELECT * FROM scim_tokens WHERE id = $1", UUID(made["id"]))
    assert made["token"] not in str(dict(row))
    status = (await client.get("/v1/scim", headers=owner)).json()
    assert status["last_used_at"] == "2026-03-02T12:00:00Z"
    clock.advance(minutes=11)
    stale = await client.post("/v1/scim/tokens", json={"name": "Entra"}, headers=owner)
    assert stale.json()["details"]["reason"] == "step_up_required"
    assert (await client.delete(f"/v1/scim/tokens/{made['id']}", headers=owner)).status_code == 204
    refused(await client.get(users, headers=by), 401)
    developer = await acme.headers(client, "developer")
    assert (await client.get("/v1/scim/tokens", headers=developer)).status_code == 403
    short = (
        await client.post(
            "/v1/scim/tokens",
            json={"name": "short", "expires_in_days": 1},
            headers=await acme.headers(client),
        )
    ).json()
    clock.advance(days=1)
    refused(await client.get(users, headers={"Authorization": f"Bearer {short['token']}"}), 401)


async def test_an_api_key_with_the_scope_provisions_too(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    users = f"/scim/v2/{acme.tenant.slug}/Users"
    for scopes, status in ((["scim:manage"], 200), (["user:read"], 403)):
        made = await client.post(
            "/v1/api-keys", json={"name": "k", "scopes": scopes}, headers=owner
        )
        by = {"Authorization": f"Bearer {made.json()['key']}"}
        assert (await client.get(users, headers=by)).status_code == status


async def test_owners_cannot_be_taken_over_or_taken_out(
    idp: httpx.AsyncClient, acme: Organisation
) -> None:
    path = f"/Users/{acme.people['owner'].id}"
    refused(await idp.delete(path), 403)
    refused(await patch(idp, path, {"op": "replace", "path": "active", "value": False}), 403)
    taken = {"op": "replace", "path": "userName", "value": "thief@evil.example"}
    refused(await patch(idp, path, taken), 403)
    assert (await idp.get(path)).json()["active"] is True


async def test_a_new_address_is_not_verified_any_more(
    idp: httpx.AsyncClient, client: httpx.AsyncClient, acme: Organisation
) -> None:
    who = acme.people["viewer"]
    new = f"{uuid4().hex}@new.example"
    answer = await patch(
        idp, f"/Users/{who.id}", {"op": "replace", "path": "userName", "value": new}
    )
    assert answer.json()["userName"] == new
    shown = await client.get(f"/v1/users/{who.id}", headers=await acme.headers(client))
    assert (shown.json()["email"], shown.json()["email_verified"]) == (new, False)
    for email, status in ((who.email, 401), (new, 200)):
        login = {"email": email, "password": who.password}
        assert (await client.post("/v1/auth/login", json=login)).status_code == status


async def test_errors_of_every_layer_are_told_as_the_standard_wants(
    idp: httpx.AsyncClient, acme: Organisation
) -> None:
    refused(await idp.get("/Nonsense"), 404)
    refused(await idp.request("PUT", "/Users"), 405)
    refused(await idp.post("/Users", content=b"{"), 400, "invalidSyntax")
    refused(await idp.post("/Users", content=b"[1]"), 400, "invalidSyntax")
    refused(await idp.post("/Users", json={"schemas": [USER]}), 400, "invalidValue")
    refused(await idp.post("/Users", json={"userName": "no address"}), 400, "invalidValue")
    refused(await idp.post("/Users", content=b"x" * 2_000_000), 413)
    refused(await idp.get("/Users/nonsense"), 404)
    for method, path in (("GET", "/Me"), ("POST", "/Bulk"), ("POST", "/.search")):
        refused(await idp.request(method, path), 501)


async def test_people_in_a_full_house_are_refused(
    idp: httpx.AsyncClient, acme: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_: object) -> int:
        return 999_999

    monkeypatch.setattr(users, "count_users", full)
    refused(await idp.post("/Users", json=person()), 429)


async def test_a_service_account_is_nobody_to_provision(
    idp: httpx.AsyncClient, client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    made = await client.post("/v1/service-accounts", json={"name": "Robot"}, headers=owner)
    refused(await idp.get(f"/Users/{made.json()['id']}"), 404)
    refused(await idp.delete(f"/Users/{made.json()['id']}"), 404)
    group = (await idp.post("/Groups", json={"displayName": "G"})).json()
    answer = await patch(
        idp,
        f"/Groups/{group['id']}",
        {"op": "add", "path": "members", "value": [{"value": made.json()["id"]}]},
    )
    refused(answer, 400, "invalidValue")


async def test_who_is_less_than_an_admin_makes_nobody_one_by_provisioning(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    admin = await acme.headers(client, "admin")
    held = ["scim:manage", "user:read", "api_key:manage"]
    await client.post("/v1/roles", json={"name": "syncer", "permissions": held}, headers=admin)
    email = f"syncer@{acme.people['owner'].email.partition('@')[2]}"
    body = {"email": email, "role": "syncer", "password": PASSWORD}
    made = await client.post("/v1/users", json=body, headers=admin)
    assert made.status_code == 201, made.text
    login = await client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    own = {"Authorization": f"Bearer {login.json()['access_token']}"}

    token = await client.post("/v1/scim/tokens", json={"name": "mine"}, headers=own)
    assert token.status_code == 403, token.text
    key = await client.post(
        "/v1/api-keys", json={"name": "k", "scopes": ["scim:manage"]}, headers=own
    )
    by = {"Authorization": f"Bearer {key.json()['key']}"}
    refused(await client.get(f"/scim/v2/{acme.tenant.slug}/Users", headers=by), 403)
    by_admin = await client.post("/v1/scim/tokens", json={"name": "ours"}, headers=admin)
    assert by_admin.status_code == 201
