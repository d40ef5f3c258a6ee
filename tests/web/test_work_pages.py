"""Projects and tasks by the forms of the dashboard, without JavaScript."""

import re
from typing import Any

import asyncpg
import pytest

from leanvibe_server.engine import service as engine
from leanvibe_server.kernel.ids import parse_id
from leanvibe_server.kernel.scope import SYSTEM, Scope
from tests.given import Organisation
from tests.web.conftest import EnterAs
from tests.web.visitors import Visitor


async def _add_project(visitor: Visitor, **fields: str) -> str:
    await visitor.open("/projects/new")
    answer = await visitor.send(
        "/projects/new",
        {"name": "Shop", "require_tests": "on", "security_scan": "on", **fields},
    )
    assert answer.status_code == 303, visitor.text
    return str(answer.headers["location"])


async def test_a_refused_project_keeps_what_was_typed_but_no_secret(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "developer")
    await visitor.open("/projects/new")
    answer = await visitor.send(
        "/projects/new",
        {
            "name": "Online shop",
            "repository_url": "ftp://example.com/shop.git",
            "credentials_type": "token",
            "token": "a-very-secret-token",
            "tech_stack": "python, fastapi",
            "min_test_coverage": "80",
        },
    )
    assert answer.status_code == 400
    assert 'value="Online shop"' in visitor.page
    assert 'value="ftp://example.com/shop.git"' in visitor.page
    assert 'value="python, fastapi"' in visitor.page
    assert 'aria-describedby="repository_url-error repository_url-hint"' in visitor.page
    assert "a-very-secret-token" not in visitor.page


async def test_credentials_can_be_written_but_never_read(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "developer")
    path = await _add_project(
        visitor,
        repository_url="https://git.example.com/shop.git",
        credentials_type="token",
        token="a-very-secret-token",
    )
    for place in (path, f"{path}/edit"):
        await visitor.open(place)
        assert "a-very-secret-token" not in visitor.page
    await visitor.open(path)
    assert "Credentials set, encrypted" in visitor.text
    kept = await visitor.send(
        f"{path}/edit",
        {
            "name": "Shop two",
            "repository_url": "https://git.example.com/shop.git",
            "credentials_type": "keep",
        },
    )
    assert kept.status_code == 303
    await visitor.open(path)
    assert "Shop two" in visitor.text
    assert "Credentials set, encrypted" in visitor.text
    await visitor.open(f"{path}/edit")
    await visitor.send(
        f"{path}/edit",
        {
            "name": "Shop two",
            "repository_url": "https://git.example.com/shop.git",
            "credentials_type": "none",
        },
    )
    await visitor.open(path)
    assert "Credentials none" in visitor.text


async def test_a_project_with_work_under_way_is_not_deleted(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "manager")
    path = await _add_project(visitor)
    task = await _start_task(visitor, path, recipe="lint_autofix")
    await visitor.open(path)
    refused = await visitor.send(f"{path}/delete")
    assert refused.status_code == 409
    assert "unfinished task" in visitor.text
    await visitor.open(task)
    assert (await visitor.send(f"{task}/cancel")).headers["location"] == task
    await visitor.open(path)
    assert (await visitor.send(f"{path}/delete")).headers["location"] == "/projects"
    assert (await visitor.open(path)).status_code == 404


async def _start_task(visitor: Visitor, project: str, **fields: Any) -> str:
    await visitor.open(f"/tasks/new?project={project.rpartition('/')[2]}")
    answer = await visitor.send(
        "/tasks/new", {"project_id": project.rpartition("/")[2], "priority": "medium", **fields}
    )
    assert answer.status_code == 303, visitor.text
    return str(answer.headers["location"])


async def _requirements(organisation: Organisation, path: str) -> tuple[str, dict[str, Any]]:
    house = organisation.house
    async with house.database.tenant(organisation.id) as conn:
        scope = Scope(conn, organisation.id, SYSTEM, house.clock, house)
        task = await engine.get_task(scope, parse_id(path.rpartition("/")[2]))
    return task.title, task.requirements


async def test_the_fields_of_a_recipe_become_the_tasks_requirements(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "developer")
    project = await _add_project(visitor)
    path = await _start_task(
        visitor,
        project,
        recipe="crud_endpoint",
        endpoint="/api/invoices",
        fields="number: str, total: int",
        methods=["GET", "POST"],
        module="left over from another choice",
    )
    assert await _requirements(acme, path) == (
        "Add an endpoint: /api/invoices",
        {
            "recipe": "crud_endpoint",
            "component_type": "api_endpoint",
            "specification": {
                "endpoint": "/api/invoices",
                "methods": ["GET", "POST"],
                "fields": {"number": "str", "total": "int"},
            },
        },
    )
    path = await _start_task(
        visitor, project, recipe="characterisation_tests", module="app.pricing"
    )
    assert await _requirements(acme, path) == (
        "Add characterisation tests: app.pricing",
        {"recipe": "characterisation_tests", "module": "app.pricing"},
    )
    path = await _start_task(visitor, project, recipe="free", title="Fix the lint findings")
    assert await _requirements(acme, path) == ("Fix the lint findings", {})


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"recipe": "free", "title": ""}, "title"),
        ({"recipe": "crud_endpoint", "endpoint": ""}, "endpoint"),
        ({"recipe": "crud_endpoint", "endpoint": "/x", "methods": []}, "methods"),
        (
            {"recipe": "crud_endpoint", "endpoint": "/x", "methods": "GET", "fields": "a b"},
            "fields",
        ),
        ({"recipe": "magic", "title": "Keep me"}, "recipe"),
        ({"recipe": "free", "title": "Keep me", "project_id": "nonsense"}, "project_id"),
        ({"recipe": "free", "title": "Keep me", "priority": "whenever"}, "priority"),
    ],
)
async def test_a_refused_task_says_at_which_field(
    enter_as: EnterAs, acme: Organisation, fields: dict[str, Any], at: str
) -> None:
    visitor = await enter_as(acme, "developer")
    project = await _add_project(visitor)
    await visitor.open("/tasks/new")
    answer = await visitor.send(
        "/tasks/new", {"project_id": project.rpartition("/")[2], "priority": "low", **fields}
    )
    assert answer.status_code == 400
    assert f'<a href="#{at}">' in visitor.page
    if fields.get("title"):
        assert f'value="{fields["title"]}"' in visitor.page


async def test_a_task_tells_where_it_stands_and_what_can_be_done(
    enter_as: EnterAs, acme: Organisation, admin: asyncpg.Connection
) -> None:
    visitor = await enter_as(acme, "developer")
    project = await _add_project(visitor)
    path = await _start_task(visitor, project, recipe="lint_autofix")
    await visitor.open(path)
    assert "Waiting for a worker" in visitor.text
    assert 'aria-label="Progress of the task"' in visitor.page
    assert visitor.page.count('<li class="step ') == 6
    assert f'action="{path}/cancel"' in visitor.page
    viewer = await enter_as(acme, "viewer")
    await viewer.open(path)
    assert f'action="{path}/cancel"' not in viewer.page
    token = viewer.token
    assert (await viewer.send(f"{path}/cancel", token=token)).status_code == 403
    await visitor.send(f"{path}/cancel")
    await visitor.open(path)
    assert "Cancelled" in visitor.text
    assert f'action="{path}/retry"' in visitor.page
    assert (await visitor.send(f"{path}/cancel")).status_code == 303
    assert (await visitor.send(f"{path}/retry")).headers["location"] == path
    await visitor.open(path)
    assert re.search(r"Attempt 2", visitor.text)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("failed", "This task failed; nothing was delivered."),
        ("cancelled", "This task was cancelled; nothing was delivered."),
        ("queued", "This task is not finished yet."),
    ],
)
async def test_a_task_without_files_says_why(
    enter_as: EnterAs, acme: Organisation, admin: asyncpg.Connection, status: str, told: str
) -> None:
    visitor = await enter_as(acme, "developer")
    path = await _start_task(visitor, await _add_project(visitor), recipe="lint_autofix")
    await admin.execute(
        "UPDATE tasks SET status = $1 WHERE id = $2", status, parse_id(path.rpartition("/")[2])
    )
    assert (await visitor.open(f"{path}/files")).status_code == 404
    assert told in visitor.text
    assert f'<a class="button primary" href="{path}">Back to the task</a>' in visitor.page


@pytest.mark.parametrize(
    ("value", "told"), [(b"Shop%00", "a NUL character"), (b"Shop%ff", "bytes that are no UTF-8")]
)
async def test_a_form_that_holds_no_text_is_refused(
    enter_as: EnterAs, acme: Organisation, value: bytes, told: str
) -> None:
    visitor = await enter_as(acme, "developer")
    await visitor.open("/projects/new")
    answer = await visitor.client.post(
        "/projects/new",
        content=b"form_token=" + visitor.token.encode() + b"&name=" + value,
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 400
    assert told in answer.text
    await visitor.open("/projects")
    assert "No projects yet" in visitor.text


async def test_lists_are_paged_and_filtered(enter_as: EnterAs, acme: Organisation) -> None:
    visitor = await enter_as(acme, "developer")
    project = await _add_project(visitor)
    for number in range(27):
        await _start_task(visitor, project, recipe="free", title=f"Change number {number}.")
    await visitor.open("/tasks")
    assert "Change number 26." in visitor.text
    assert "Change number 1." not in visitor.text
    older = re.search(r'href="(/tasks\?cursor=[^"]+)" rel="next"', visitor.page)
    assert older is not None
    await visitor.open(older[1])
    assert "Change number 1." in visitor.text
    await visitor.open("/tasks?status=completed")
    assert "No task is completed right now." in visitor.text
    assert (await visitor.open("/tasks?cursor=nonsense&status=nonsense")).status_code == 200


async def test_a_key_is_shown_once_and_revoked(enter_as: EnterAs, acme: Organisation) -> None:
    visitor = await enter_as(acme, "admin")
    await visitor.open("/settings/api-keys")
    answer = await visitor.send(
        "/settings/api-keys",
        {"name": "Build server", "expires_in_days": "30", "scopes": ["task:read"]},
    )
    assert answer.status_code == 201
    shown = re.search(r"lv_test_\w{50,}", visitor.page)
    assert shown is not None
    headers = {"authorization": f"Bearer {shown[0]}"}
    visitor.client.cookies.delete("lv_toast")
    assert (await visitor.client.get("/v1/tasks", headers=headers)).status_code == 200
    await visitor.open("/settings/api-keys")
    assert shown[0] not in visitor.page
    assert "Build server" in visitor.text
    revoke = re.search(r'action="(/settings/api-keys/[^"]+/revoke)"', visitor.page)
    assert revoke is not None
    assert (await visitor.send(revoke[1])).status_code == 303
    assert (await visitor.client.get("/v1/tasks", headers=headers)).status_code == 401


async def test_people_are_changed_but_never_above_ones_own_role(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "admin")
    viewer = f"/settings/users/{acme.people['viewer'].id}"
    await visitor.open(viewer)
    assert 'value="owner"' not in visitor.page
    answer = await visitor.send(viewer, {"role": "developer", "status": "active"})
    assert answer.headers["location"] == viewer
    refused = await visitor.send(viewer, {"role": "owner", "status": "active"})
    assert refused.status_code == 403
    assert "You cannot give a role above your own." in visitor.text
    owner = f"/settings/users/{acme.people['owner'].id}"
    await visitor.open(owner)
    assert (await visitor.send(owner, {"role": "viewer", "status": "active"})).status_code == 403


async def test_the_organisation_is_shown_under_another_name(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "owner")
    await visitor.open("/settings/tenant")
    assert (await visitor.send("/settings/tenant", {"display_name": ""})).status_code == 400
    answer = await visitor.send("/settings/tenant", {"display_name": "Acme & Sons"})
    assert answer.status_code == 303
    await visitor.open("/")
    assert "Acme & Sons" in visitor.text


async def test_a_group_gets_a_role_on_a_project_by_its_name(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "admin")
    await visitor.open("/settings/groups")
    made = await visitor.send("/settings/groups", {"name": "Crew", "role": ""})
    group = made.headers["location"]
    path = await _add_project(visitor)
    await visitor.open(path)
    unknown = await visitor.send(f"{path}/members", {"email": "Nobody", "role": "viewer"})
    assert unknown.status_code == 400
    assert "no group has this name" in visitor.text.lower()
    given = await visitor.send(f"{path}/members", {"email": "crew", "role": "developer"})
    assert given.status_code == 303, visitor.text
    assert "developer · group" in (await visitor.open(path)).text
    assert f'href="{path}"' in (await visitor.open(group)).text
    await visitor.open(path)
    removed = await visitor.send(f"{path}/groups/{group.rpartition('/')[2]}/remove")
    assert removed.status_code == 303
    assert "Nobody has a role on this project alone" in (await visitor.open(path)).text
