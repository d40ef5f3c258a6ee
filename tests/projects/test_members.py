"""Roles on a project, and projects that only their members know of."""

import httpx
import pytest

from tests.given import Organisation

Headers = dict[str, str]


async def add_project(
    client: httpx.AsyncClient, headers: Headers, name: str, visibility: str = "organization"
) -> str:
    body = {"name": name, "visibility": visibility}
    answer = await client.post("/v1/projects", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def add_task(client: httpx.AsyncClient, headers: Headers, project_id: str) -> str:
    body = {"title": "Fix lint", "project_id": project_id}
    answer = await client.post("/v1/tasks", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def set_member(
    client: httpx.AsyncClient,
    headers: Headers,
    project_id: str,
    organisation: Organisation,
    person: str,
    role: str,
) -> httpx.Response:
    user_id = organisation.people[person].id
    return await client.put(
        f"/v1/projects/{project_id}/members/{user_id}", json={"role": role}, headers=headers
    )


async def test_a_role_on_a_project_adds_to_that_of_the_tenant_there_and_nowhere_else(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    admin = await acme.headers(client, "admin")
    here = await add_project(client, admin, "here")
    there = await add_project(client, admin, "there")
    viewer = await acme.headers(client, "viewer")

    async def create(project_id: str | None) -> int:
        body = {"title": "Fix lint", "project_id": project_id}
        return (await client.post("/v1/tasks", json=body, headers=viewer)).status_code

    assert await create(here) == 403
    assert (await set_member(client, admin, here, acme, "viewer", "developer")).status_code == 200
    assert await create(here) == 201
    assert await create(there) == 403
    assert await create(None) == 403
    renamed = {"name": "renamed"}
    for project_id, status in ((here, 200), (there, 403)):
        answer = await client.patch(f"/v1/projects/{project_id}", json=renamed, headers=viewer)
        assert answer.status_code == status
    assert (await client.delete(f"/v1/projects/{here}", headers=viewer)).status_code == 403
    assert (await client.post("/v1/projects", json=renamed, headers=viewer)).status_code == 403


async def test_a_role_on_a_project_that_is_taken_counts_no_more_at_the_next_request(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    admin = await acme.headers(client, "admin")
    hidden = await add_project(client, admin, "hidden", "members")
    viewer = await acme.headers(client, "viewer")
    path = f"/v1/projects/{hidden}"
    assert (await client.get(path, headers=viewer)).status_code == 404
    await set_member(client, admin, hidden, acme, "viewer", "viewer")
    assert (await client.get(path, headers=viewer)).status_code == 200
    removed = await client.delete(f"{path}/members/{acme.people['viewer'].id}", headers=admin)
    assert removed.status_code == 204
    assert (await client.get(path, headers=viewer)).status_code == 404


@pytest.mark.parametrize("role", ["manager", "developer", "viewer", "guest"])
async def test_sec_rbac_04_what_belongs_to_a_restricted_project_is_nowhere_for_others(
    role: str, client: httpx.AsyncClient, acme: Organisation
) -> None:
    admin = await acme.headers(client, "admin")
    open_project = await add_project(client, admin, "open shop")
    hidden = await add_project(client, admin, "hidden shop", "members")
    open_task = await add_task(client, admin, open_project)
    hidden_task = await add_task(client, admin, hidden)
    child = await client.post(
        "/v1/tasks",
        json={"title": "Child", "project_id": hidden, "parent_task_id": hidden_task},
        headers=admin,
    )
    assert child.status_code == 201
    someone = await acme.headers(client, role)

    for query in ({}, {"q": "shop"}, {"limit": 1}):
        listed = await client.get("/v1/projects", params=query, headers=someone)
        assert hidden not in listed.text
        assert [project["id"] for project in listed.json()["data"]] == [open_project]
        assert not listed.json()["has_more"]
    for query in ({}, {"project_id": hidden}, {"status": "queued"}):
        tasks = await client.get("/v1/tasks", params=query, headers=someone)
        assert hidden not in tasks.text
        assert hidden_task not in tasks.text
    batch = await client.post(
        "/v1/tasks/batch", json={"task_ids": [hidden_task, open_task]}, headers=someone
    )
    assert [task["id"] for task in batch.json()["data"]] == [open_task]
    assert batch.json()["not_found"] == [hidden_task]
    for path in ("", "/status", "/code", "/diff", "/events"):
        answer = await client.get(f"/v1/tasks/{hidden_task}{path}", headers=someone)
        assert answer.status_code == 404, path
        assert answer.json()["message"] == "No such task."
    assert (await client.get(f"/v1/projects/{hidden}", headers=someone)).status_code == 404
    members = await client.get(f"/v1/projects/{hidden}/members", headers=someone)
    assert members.status_code == 404
    if role in ("manager", "developer"):
        for method, path in (
            ("POST", f"/v1/tasks/{hidden_task}/cancel"),
            ("POST", f"/v1/tasks/{hidden_task}/retry"),
            ("DELETE", f"/v1/tasks/{hidden_task}/branch"),
            ("PATCH", f"/v1/projects/{hidden}"),
            ("POST", f"/v1/projects/{hidden}/check"),
        ):
            answer = await client.request(method, path, json={}, headers=someone)
            assert answer.status_code == 404, path
        parent = {"title": "x", "project_id": open_project, "parent_task_id": hidden_task}
        assert (await client.post("/v1/tasks", json=parent, headers=someone)).status_code == 404
        into = {"title": "x", "project_id": hidden}
        assert (await client.post("/v1/tasks", json=into, headers=someone)).status_code == 404


async def test_a_member_who_only_views_a_restricted_project_changes_nothing_in_it(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    admin = await acme.headers(client, "admin")
    hidden = await add_project(client, admin, "hidden", "members")
    await set_member(client, admin, hidden, acme, "developer", "viewer")
    developer = await acme.headers(client, "developer")
    assert (await client.get(f"/v1/projects/{hidden}", headers=developer)).status_code == 200
    body = {"title": "x", "project_id": hidden}
    assert (await client.post("/v1/tasks", json=body, headers=developer)).status_code == 403


async def test_who_adds_a_restricted_project_runs_it(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    developer = await acme.headers(client, "developer")
    mine = await add_project(client, developer, "mine", "members")
    listed = await client.get(f"/v1/projects/{mine}/members", headers=developer)
    assert [(one["email"], one["role"]) for one in listed.json()["data"]] == [
        (acme.people["developer"].email, "manager")
    ]
    assert (await set_member(client, developer, mine, acme, "guest", "viewer")).status_code == 200
    guest = await acme.headers(client, "guest")
    assert (await client.get(f"/v1/projects/{mine}", headers=guest)).status_code == 200


async def test_nobody_gives_more_on_a_project_than_they_may_do_there(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    admin = await acme.headers(client, "admin")
    project = await add_project(client, admin, "shop")
    sharer = {"name": "sharer", "permissions": ["project:read", "project:share", "user:read"]}
    assert (await client.post("/v1/roles", json=sharer, headers=admin)).status_code == 201
    await set_member(client, admin, project, acme, "viewer", "sharer")
    viewer = await acme.headers(client, "viewer")
    assert (
        await set_member(client, viewer, project, acme, "guest", "developer")
    ).status_code == 403
    assert (await set_member(client, viewer, project, acme, "viewer", "manager")).status_code == 403
    assert (await set_member(client, viewer, project, acme, "guest", "sharer")).status_code == 200
    await set_member(client, admin, project, acme, "developer", "manager")
    demoted = await set_member(client, viewer, project, acme, "developer", "sharer")
    assert demoted.status_code == 403


async def test_only_who_may_share_a_project_restricts_it(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    admin = await acme.headers(client, "admin")
    project = await add_project(client, admin, "shop")
    body = {"visibility": "members"}
    developer = await acme.headers(client, "developer")
    path = f"/v1/projects/{project}"
    assert (await client.patch(path, json=body, headers=developer)).status_code == 403
    assert (await client.patch(path, json=body, headers=admin)).status_code == 200
    assert (await client.get(path, headers=developer)).status_code == 404
    assert (await client.get(path, headers=admin)).status_code == 200


async def test_roles_without_anything_for_projects_are_not_given_there(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    admin = await acme.headers(client, "admin")
    project = await add_project(client, admin, "shop")
    for role in ("owner", "admin", "guest", "platform_admin", "nobody"):
        answer = await set_member(client, admin, project, acme, "viewer", role)
        assert answer.status_code == 400, role
    theirs = await client.put(
        f"/v1/projects/{project}/members/{globex.people['owner'].id}",
        json={"role": "viewer"},
        headers=admin,
    )
    assert theirs.status_code == 404


async def test_a_key_does_on_a_project_what_its_scopes_and_its_person_s_role_there_hold(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    admin = await acme.headers(client, "admin")
    project = await add_project(client, admin, "hidden", "members")
    made = await client.post(
        "/v1/api-keys", json={"name": "ci", "scopes": ["project:read", "task:read"]}, headers=admin
    )
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    assert (await client.get(f"/v1/projects/{project}", headers=key)).status_code == 200
    developer = acme.people["developer"].id
    made = await client.post(
        "/v1/api-keys",
        json={"name": "ci", "scopes": ["project:read"], "user_id": str(developer)},
        headers=admin,
    )
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    assert (await client.get(f"/v1/projects/{project}", headers=key)).status_code == 404
    await set_member(client, admin, project, acme, "developer", "developer")
    assert (await client.get(f"/v1/projects/{project}", headers=key)).status_code == 200
    assert (await client.get("/v1/tasks", headers=key)).status_code == 403
