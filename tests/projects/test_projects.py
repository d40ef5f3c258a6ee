"""Projects over HTTP: what is kept, what is refused, and what never leaves again."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel.house import House
from leanvibe_server.projects import service
from tests.engine.repositories import make_repository
from tests.given import Organisation

URL = "https://github.com/company/ecommerce-platform"
TOKEN = "glpat-canary-0815"


@pytest.fixture
async def headers(client: httpx.AsyncClient, acme: Organisation) -> dict[str, str]:
    return await acme.headers(client, "manager")


async def _create(
    client: httpx.AsyncClient, headers: dict[str, str], **fields: Any
) -> dict[str, Any]:
    answer = await client.post("/v1/projects", json={"name": "Shop", **fields}, headers=headers)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_a_project_as_the_guides_print_it(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    made = await _create(
        client,
        headers,
        name="E-commerce Platform",
        description="Modern e-commerce platform with AI recommendations",
        tech_stack=["Python", "FastAPI", "React", "PostgreSQL"],
        repository_url=URL,
        ai_assistance_level="full_autonomous",
        configuration={
            "auto_deployment": True,
            "quality_gates": {"require_tests": True, "min_test_coverage": 85},
        },
    )
    assert made["repository_url"] == URL
    assert made["configuration"]["auto_deployment"] is True
    assert made["configuration"]["quality_gates"]["min_test_coverage"] == 85
    assert made["has_credentials"] is False
    path = f"/v1/projects/{made['id']}"
    changed = await client.patch(
        path,
        json={
            "ai_assistance_level": "assisted",
            "auto_deployment": False,
            "quality_gates": {"min_test_coverage": 80, "security_scan": False},
        },
        headers=headers,
    )
    assert changed.status_code == 200, changed.text
    got = (await client.get(path, headers=headers)).json()
    assert got == changed.json()
    assert got["ai_assistance_level"] == "assisted"
    assert got["configuration"] == {
        "auto_deployment": False,
        "quality_gates": {
            "require_tests": True,
            "min_test_coverage": 80,
            "security_scan": False,
        },
    }
    nested = await client.patch(
        path,
        json={"configuration": {"quality_gates": {"require_tests": False}}},
        headers=headers,
    )
    assert nested.json()["configuration"]["quality_gates"]["require_tests"] is False
    assert nested.json()["configuration"]["quality_gates"]["min_test_coverage"] == 80


async def test_credentials_go_in_sealed_and_never_come_out(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    house: House,
    acme: Organisation,
    admin: asyncpg.Connection,
) -> None:
    given = {"type": "token", "token": TOKEN, "username": "ada"}
    made = await _create(client, headers, repository_url=URL, credentials=given)
    assert made["has_credentials"] is True
    listed = await client.get("/v1/projects", headers=headers)
    assert TOKEN not in str(made) + listed.text
    project_id = UUID(made["id"])
    sealed = await admin.fetchval(
        "SELECT credentials_sealed FROM projects WHERE id = $1", project_id
    )
    assert TOKEN.encode() not in sealed
    events = await admin.fetch("SELECT payload FROM events WHERE tenant_id = $1", acme.id)
    assert TOKEN not in str(events)
    async with house.database.tenant(acme.id) as conn:
        project = await service.repository.find(conn, acme.id, project_id)
    assert project is not None
    opened = await service.git_credentials(house, project)
    assert opened is not None
    assert (opened.token, opened.username) == (TOKEN, "ada")


async def test_a_new_address_drops_the_secret_of_the_old_one(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    made = await _create(
        client, headers, repository_url=URL, credentials={"type": "token", "token": TOKEN}
    )
    path = f"/v1/projects/{made['id']}"

    async def change(**fields: Any) -> bool:
        answer = await client.patch(path, json=fields, headers=headers)
        assert answer.status_code == 200, answer.text
        return bool(answer.json()["has_credentials"])

    assert await change(name="Renamed") is True
    assert await change(repository_url=URL) is True
    assert await change(repository_url="https://evil.example/steal") is False
    fresh = {"type": "token", "token": "another"}
    assert await change(repository_url=URL, credentials=fresh) is True
    assert await change(credentials=None) is False


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/x",
        "https://ada:secret@example.com/x",
        "http://example.com/x",
        "http://169.254.169.254/latest",
        "ext::sh -c touch% /tmp/x",
        "--upload-pack=touch /tmp/x",
        "ssh://-oProxyCommand=touch/x",
        "file://{home}/repositories",
        "https://example.com/a b",
        "https://example.com/\u0000",
        "",
    ],
)
async def test_an_address_that_leads_astray_is_refused_by_name(
    client: httpx.AsyncClient, headers: dict[str, str], house: House, url: str
) -> None:
    answer = await client.post(
        "/v1/projects",
        json={"name": "Shop", "repository_url": url.replace("{home}", str(house.settings.home))},
        headers=headers,
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"] == "invalid_request"
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": 5}, "name"),
        ({"name": "x", "tech_stack": "Python"}, "tech_stack"),
        ({"name": "x", "ai_assistance_level": "godlike"}, "ai_assistance_level"),
        ({"name": "x", "quality_gates": {"min_test_coverage": 101}}, "quality_gates"),
        ({"name": "x", "default_branch": "--force"}, "default_branch"),
        ({"name": "x", "credentials": {"type": "token"}}, "credentials"),
        ({"name": "x", "credentials": {"type": "ssh_key", "token": "t"}}, "credentials"),
    ],
)
async def test_a_wrong_field_is_named(
    client: httpx.AsyncClient, headers: dict[str, str], body: dict[str, Any], field: str
) -> None:
    answer = await client.post("/v1/projects", json=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert field in str(answer.json()["details"]["validation_errors"])


async def test_without_an_address_the_product_keeps_the_repository(
    client: httpx.AsyncClient, headers: dict[str, str], house: House, acme: Organisation
) -> None:
    made = await _create(client, headers)
    assert made["hosted"] is True
    path = service.hosted_path(house, acme.id, UUID(made["id"]))
    assert made["repository_url"] == f"file://{path}"


async def test_tasks_without_a_project_share_one_default_project(
    client: httpx.AsyncClient, acme: Organisation, headers: dict[str, str]
) -> None:
    answers = await asyncio.gather(
        *(client.post("/v1/tasks", json={"title": f"Task {n}"}, headers=headers) for n in range(4))
    )
    assert {answer.status_code for answer in answers} == {201}
    projects = {answer.json()["project_id"] for answer in answers}
    assert len(projects) == 1
    listed = (await client.get("/v1/projects", headers=headers)).json()["data"]
    assert [(one["id"], one["is_default"]) for one in listed] == [(projects.pop(), True)]


async def test_a_project_with_unfinished_tasks_stays(
    client: httpx.AsyncClient, headers: dict[str, str], tmp_path: Path
) -> None:
    theirs = make_repository(tmp_path / "theirs", {"a.py": "x = 1\n"})
    made = await _create(client, headers, repository_url=theirs.url)
    body = {"title": "Fix lint", "project_id": made["id"]}
    task = (await client.post("/v1/tasks", json=body, headers=headers)).json()
    path = f"/v1/projects/{made['id']}"
    refused = await client.delete(path, headers=headers)
    assert (refused.status_code, refused.json()["error"]) == (409, "conflict")
    moved = await client.patch(path, json={"repository_url": URL}, headers=headers)
    assert (moved.status_code, moved.json()["error"]) == (409, "conflict")
    await client.post(f"/v1/tasks/{task['id']}/cancel", headers=headers)
    assert (await client.delete(path, headers=headers)).status_code == 204
    for gone in (path, f"/v1/tasks/{task['id']}"):
        assert (await client.get(gone, headers=headers)).status_code == 404
    assert theirs.git("log", "--oneline")


async def test_a_foreign_project_answers_like_a_random_one(
    client: httpx.AsyncClient, headers: dict[str, str], globex: Organisation
) -> None:
    made = await _create(client, headers)
    theirs = await globex.headers(client)
    for project_id in (made["id"], str(uuid4()), "nonsense"):
        path = f"/v1/projects/{project_id}"
        for method in ("GET", "PATCH", "DELETE"):
            answer = await client.request(method, path, json={"name": "mine"}, headers=theirs)
            assert answer.status_code == 404
            if project_id != "nonsense":
                assert answer.json()["message"] == "No such project."
        body = {"title": "Fix lint", "project_id": project_id}
        answer = await client.post("/v1/tasks", json=body, headers=theirs)
        assert answer.status_code == (400 if project_id == "nonsense" else 404)
    assert (await client.get("/v1/projects", headers=theirs)).json()["data"] == []


async def test_a_plan_holds_so_many_projects(
    client: httpx.AsyncClient, globex: Organisation
) -> None:
    headers = await globex.headers(client)
    answers = await asyncio.gather(
        *(client.post("/v1/projects", json={"name": f"P{n}"}, headers=headers) for n in range(7))
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [429] * 2
    refused = next(answer.json() for answer in answers if answer.status_code == 429)
    assert refused["details"]["quota_type"] == "projects"
    assert refused["upgrade_options"]


async def test_the_log_says_what_happened_to_projects(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    acme: Organisation,
    admin: asyncpg.Connection,
) -> None:
    made = await _create(client, headers)
    path = f"/v1/projects/{made['id']}"
    await client.patch(path, json={"name": "New"}, headers=headers)
    await client.patch(path, json={}, headers=headers)
    await client.delete(path, headers=headers)
    rows = await admin.fetch(
        "SELECT name, public FROM events WHERE tenant_id = $1 AND area = 'project' ORDER BY name",
        acme.id,
    )
    assert [tuple(row) for row in rows] == [
        ("project.created", True),
        ("project.deleted", False),
        ("project.updated", False),
    ]


async def test_a_check_says_how_far_we_get_with_a_repository(
    client: httpx.AsyncClient, headers: dict[str, str], tmp_path: Path
) -> None:
    theirs = make_repository(tmp_path / "theirs", {"a.py": "x = 1\n"})

    async def check(**fields: Any) -> dict[str, Any]:
        made = await _create(client, headers, **fields)
        for _ in range(2):
            answer = await client.post(
                f"/v1/projects/{made['id']}/check",
                headers=headers | {"Idempotency-Key": f"check {made['id']}"},
            )
            assert answer.status_code == 200, answer.text
        return dict(answer.json())

    good = await check(repository_url=theirs.url)
    assert (good["reachable"], good["branch"], good["problem"]) == (True, "main", None)
    assert good["commit"] == theirs.git("rev-parse", "main")
    missing = await check(repository_url=theirs.url, default_branch="trunk")
    assert missing["problem"]["code"] == "branch_not_found"
    gone = await check(repository_url=f"file://{tmp_path}/nothing")
    assert (gone["reachable"], gone["problem"]["code"]) == (False, "repository_not_git")
    dead = await check(repository_url="http://127.0.0.1:59999/x")
    assert dead["problem"]["code"] == "repository_unreachable"
    hosted = await check()
    assert (hosted["reachable"], hosted["commit"]) == (True, None)
    stranger = await client.post(f"/v1/projects/{uuid4()}/check", headers=headers)
    assert stranger.status_code == 404
