"""Groups that have roles on projects, and what their members may do there."""

from typing import Any

import asyncpg
import httpx
import pytest

from tests.given import Organisation
from tests.identity.conftest import idp as idp  # a fixture
from tests.identity.given_scim import patch
from tests.identity.given_sessions import names_of_events
from tests.identity.test_roles import add_with_role, enter, make_role, somebody
from tests.projects.test_members import add_project, add_task, set_member

Headers = dict[str, str]
ROLE = "developer"


async def add_group(client: httpx.AsyncClient, headers: Headers, *people: Any) -> str:
    """A group that gives nothing yet."""
    made = await client.post("/v1/groups", json={"name": "Crew"}, headers=headers)
    group_id = str(made.json()["id"])
    if people:
        await put_into(client, headers, group_id, *people)
    return group_id


async def put_into(
    client: httpx.AsyncClient, headers: Headers, group_id: str, *people: Any
) -> httpx.Response:
    body = {"user_ids": [str(one) for one in people]}
    return await client.post(f"/v1/groups/{group_id}/members", json=body, headers=headers)


async def give(
    client: httpx.AsyncClient, headers: Headers, project_id: str, group_id: str, role: str = ROLE
) -> httpx.Response:
    path = f"/v1/projects/{project_id}/groups/{group_id}"
    return await client.put(path, json={"role": role}, headers=headers)


@pytest.fixture
async def chief(client: httpx.AsyncClient, acme: Organisation) -> Headers:
    return await acme.headers(client, "admin")


@pytest.fixture
async def hidden(client: httpx.AsyncClient, chief: Headers) -> str:
    """A project that its members know alone."""
    return await add_project(client, chief, "hidden", "members")


async def sees(client: httpx.AsyncClient, headers: Headers, project_id: str) -> bool:
    """Whether somebody finds a project, by its id and in lists alike."""
    one = await client.get(f"/v1/projects/{project_id}", headers=headers)
    every = await client.get("/v1/projects", headers=headers)
    assert (one.status_code == 200) == (project_id in every.text)
    assert one.status_code in (200, 404)
    return one.status_code == 200


async def test_members_of_a_group_have_its_role_on_the_project_and_nowhere_else(
    client: httpx.AsyncClient, acme: Organisation, chief: Headers, hidden: str
) -> None:
    other = await add_project(client, chief, "other", "members")
    group_id = await add_group(client, chief, acme.people["viewer"].id)
    viewer = await acme.headers(client, "viewer")
    assert not await sees(client, viewer, hidden)
    given = await give(client, chief, hidden, group_id)
    assert given.status_code == 200, given.text
    assert (given.json()["group_name"], given.json()["role"]) == ("Crew", ROLE)
    assert await sees(client, viewer, hidden)
    assert not await sees(client, viewer, other)
    await add_task(client, viewer, hidden)
    assert (await client.delete(f"/v1/projects/{hidden}", headers=viewer)).status_code == 403
    me = (await client.get("/v1/auth/me", headers=viewer)).json()
    assert "task:create" not in me["permissions"]


@pytest.mark.parametrize("end", ["member", "role", "group"])
async def test_sec_rbac_03_what_a_group_gives_ends_with_it_at_the_next_request(
    client: httpx.AsyncClient, acme: Organisation, chief: Headers, hidden: str, end: str
) -> None:
    viewer_id = acme.people["viewer"].id
    group_id = await add_group(client, chief, viewer_id)
    await give(client, chief, hidden, group_id)
    viewer = await acme.headers(client, "viewer")
    assert await sees(client, viewer, hidden)
    path = {
        "member": f"/v1/groups/{group_id}/members/{viewer_id}",
        "role": f"/v1/projects/{hidden}/groups/{group_id}",
        "group": f"/v1/groups/{group_id}",
    }[end]
    assert (await client.delete(path, headers=chief)).status_code == 204
    assert not await sees(client, viewer, hidden)


async def test_rights_add_up_and_nobody_loses_any_by_a_group(
    client: httpx.AsyncClient, acme: Organisation, chief: Headers, hidden: str
) -> None:
    viewer_id = acme.people["viewer"].id
    first = await add_group(client, chief, viewer_id)
    made = await client.post("/v1/groups", json={"name": "Readers"}, headers=chief)
    second = made.json()["id"]
    await put_into(client, chief, second, viewer_id)
    await set_member(client, chief, hidden, acme, "viewer", "viewer")
    await give(client, chief, hidden, first, "developer")
    await give(client, chief, hidden, second, "viewer")
    viewer = await acme.headers(client, "viewer")
    await add_task(client, viewer, hidden)
    listed = await client.get(f"/v1/users/{viewer_id}/projects", headers=chief)
    (one,) = listed.json()["data"]
    assert one["role"] == "viewer"
    assert [(by["group_name"], by["role"]) for by in one["by_groups"]] == [
        ("Crew", "developer"),
        ("Readers", "viewer"),
    ]
    await client.delete(f"/v1/projects/{hidden}/members/{viewer_id}", headers=chief)
    (one,) = (await client.get(f"/v1/users/{viewer_id}/projects", headers=chief)).json()["data"]
    assert one["role"] is None
    assert await sees(client, viewer, hidden)


async def test_a_guest_in_a_group_stays_a_guest_who_leaves_in_time(
    client: httpx.AsyncClient, acme: Organisation, chief: Headers, hidden: str
) -> None:
    guest_id = acme.people["guest"].id
    before = (await client.get(f"/v1/users/{guest_id}", headers=chief)).json()
    group_id = await add_group(client, chief, guest_id)
    await give(client, chief, hidden, group_id, "manager")
    after = (await client.get(f"/v1/users/{guest_id}", headers=chief)).json()
    assert (after["role"], after["expires_at"]) == ("guest", before["expires_at"])
    assert await sees(client, await acme.headers(client, "guest"), hidden)


async def test_who_is_provisioned_into_a_group_works_and_who_is_taken_out_does_not(
    client: httpx.AsyncClient,
    acme: Organisation,
    chief: Headers,
    hidden: str,
    idp: httpx.AsyncClient,
) -> None:
    viewer_id = str(acme.people["viewer"].id)
    made = await idp.post("/Groups", json={"displayName": "Provisioned"})
    group_id = made.json()["id"]
    await give(client, chief, hidden, group_id)
    viewer = await acme.headers(client, "viewer")
    member = {"op": "add", "path": "members", "value": [{"value": viewer_id}]}
    assert (await patch(idp, f"/Groups/{group_id}", member)).status_code in (200, 204)
    assert await sees(client, viewer, hidden)
    gone = {"op": "remove", "path": f'members[value eq "{viewer_id}"]'}
    assert (await patch(idp, f"/Groups/{group_id}", gone)).status_code in (200, 204)
    assert not await sees(client, viewer, hidden)


async def test_a_key_has_what_a_group_gives_its_person_within_its_scopes(
    client: httpx.AsyncClient, acme: Organisation, chief: Headers, hidden: str
) -> None:
    owner = await acme.headers(client)
    viewer_id = acme.people["viewer"].id
    await give(client, chief, hidden, await add_group(client, chief, viewer_id))
    new = {"name": "CI", "user_id": str(viewer_id), "scopes": ["project:read", "task:read"]}
    key = (await client.post("/v1/api-keys", json=new, headers=owner)).json()["key"]
    bearer = {"Authorization": f"Bearer {key}"}
    assert await sees(client, bearer, hidden)
    body = {"title": "Fix lint", "project_id": hidden}
    assert (await client.post("/v1/tasks", json=body, headers=bearer)).status_code == 403


async def test_nobody_gives_a_group_more_on_a_project_than_they_may_do_there(
    client: httpx.AsyncClient, acme: Organisation, chief: Headers, hidden: str
) -> None:
    group_id = await add_group(client, chief)
    for role, status in (("developer", 403), ("viewer", 403), ("manager", 404)):
        answer = await give(client, await acme.headers(client, role), hidden, group_id)
        assert answer.status_code == status, role
    await set_member(client, chief, hidden, acme, "developer", "manager")
    developer = await acme.headers(client, "developer")
    assert (await give(client, developer, hidden, group_id, "manager")).status_code == 200
    for role in ("guest", "nonsense"):
        refused = await give(client, chief, hidden, group_id, role)
        assert refused.status_code == 400, role
        assert refused.json()["details"]["field"] == "role"
    await set_member(client, chief, hidden, acme, "developer", "developer")
    assert (await give(client, developer, hidden, group_id, "viewer")).status_code == 403
    path = f"/v1/projects/{hidden}/groups/{group_id}"
    assert (await client.delete(path, headers=developer)).status_code == 403


async def test_nobody_lets_themselves_into_a_project_by_a_group(
    client: httpx.AsyncClient, acme: Organisation, chief: Headers, hidden: str
) -> None:
    keeper = ["user:read", "user:update", "project:read"]
    await make_role(client, chief, "keeper", keeper)
    own = await add_with_role(client, chief, "keeper", somebody(acme, "kim"))
    kim = await enter(client, somebody(acme, "kim"))
    group_id = await add_group(client, chief)
    assert (await put_into(client, kim, group_id, own)).status_code == 200
    await client.delete(f"/v1/groups/{group_id}/members/{own}", headers=kim)
    await give(client, chief, hidden, group_id, "viewer")
    refused = await put_into(client, kim, group_id, own)
    assert refused.status_code == 403
    assert (await client.delete(f"/v1/groups/{group_id}", headers=kim)).status_code == 403
    assert not await sees(client, kim, hidden)


async def test_a_role_that_groups_have_on_projects_is_deleted_only_for_another(
    client: httpx.AsyncClient, acme: Organisation, chief: Headers, hidden: str
) -> None:
    group_id = await add_group(client, chief, acme.people["viewer"].id)
    role = (await make_role(client, chief)).json()
    await give(client, chief, hidden, group_id, role["name"])
    path = f"/v1/roles/{role['id']}"
    refused = await client.delete(path, headers=chief)
    assert refused.status_code == 409
    assert refused.json()["details"]["in_use"]["members"] == 1
    done = await client.delete(path, params={"replacement": "viewer"}, headers=chief)
    assert done.status_code == 204
    (one,) = (await client.get(f"/v1/groups/{group_id}/projects", headers=chief)).json()["data"]
    assert (one["project_id"], one["role"]) == (hidden, "viewer")


async def test_a_list_shows_of_a_group_s_projects_those_that_the_reader_may_see(
    client: httpx.AsyncClient, acme: Organisation, chief: Headers, hidden: str
) -> None:
    shared = await add_project(client, chief, "shared")
    group_id = await add_group(client, chief)
    for project_id in (hidden, shared):
        await give(client, chief, project_id, group_id)
    path = f"/v1/groups/{group_id}/projects"
    for role, found in (("admin", {hidden, shared}), ("developer", {shared})):
        listed = await client.get(path, headers=await acme.headers(client, role))
        assert {one["project_id"] for one in listed.json()["data"]} == found, role
    first = await client.get(path, params={"limit": 1}, headers=chief)
    assert first.json()["has_more"]
    rest = {"limit": 1, "cursor": first.json()["next_cursor"]}
    assert len((await client.get(path, params=rest, headers=chief)).json()["data"]) == 1


async def test_a_group_of_another_tenant_gets_no_role_here(
    client: httpx.AsyncClient, chief: Headers, hidden: str, globex: Organisation
) -> None:
    theirs = await add_group(client, await globex.headers(client))
    assert (await give(client, chief, hidden, theirs)).status_code == 404


async def test_what_happens_to_groups_on_projects_is_told(
    client: httpx.AsyncClient,
    acme: Organisation,
    chief: Headers,
    hidden: str,
    admin: asyncpg.Connection,
) -> None:
    group_id = await add_group(client, chief)
    await give(client, chief, hidden, group_id)
    await give(client, chief, hidden, group_id, "viewer")
    await client.delete(f"/v1/projects/{hidden}/groups/{group_id}", headers=chief)
    told = await names_of_events(admin, acme)
    assert [name for name in told if name.startswith("project.group")] == [
        "project.group_set",
        "project.group_set",
        "project.group_removed",
    ]
