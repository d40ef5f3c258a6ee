"""Stopping tasks, trying them again, and what is refused meanwhile."""

import asyncio
import subprocess
import time
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.engine.models import STEPS
from leanvibe_server.engine.sandbox import Sandbox
from leanvibe_server.kernel.house import House
from tests.engine.desk import LINT, Desk, branches_of, open_desk, small_files, working
from tests.engine.repositories import Repository, count_processes, make_repository
from tests.given import Organisation


@pytest.fixture
def theirs(tmp_path: Path, sandbox: Sandbox) -> Repository:
    return make_repository(tmp_path / "theirs", small_files())


@pytest.fixture
async def desk(client: httpx.AsyncClient, acme: Organisation, theirs: Repository) -> Desk:
    return await open_desk(client, await acme.headers(client, "developer"), theirs)


async def _used(desk: Desk) -> int:
    quota = await desk.get("/tenants/me/quota-check/ai_requests?amount=1")
    return int(quota["current_usage"])


async def test_cancelling_at_any_step_stops_at_once_and_leaves_the_repository_untouched(
    house: House, desk: Desk, theirs: Repository, acme: Organisation, admin: asyncpg.Connection
) -> None:
    async with working(house):
        for step in STEPS[:-1]:
            task = await desk.submit(LINT)
            await desk.wait_for_step(task["id"], step)
            cancelled = await desk.post(f"/tasks/{task['id']}/cancel")
            assert (cancelled["status"], cancelled["current_step"]) == ("cancelled", step)
            asked_at = time.monotonic()
            while count_processes(task["id"]):
                assert time.monotonic() - asked_at < 2
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)
    assert branches_of(theirs) == {"main"}
    billed = "SELECT count(*) FROM usage_events WHERE tenant_id = $1"
    assert await admin.fetchval(billed, acme.id) == 0
    assert await _used(desk) == 0
    assert list(house.settings.home.glob("workspaces/*/*")) == []


async def test_a_queued_task_is_cancelled_without_a_worker_and_can_be_retried(
    house: House, desk: Desk, theirs: Repository
) -> None:
    task = await desk.submit(LINT)
    assert (await desk.post(f"/tasks/{task['id']}/cancel"))["status"] == "cancelled"
    assert (await desk.post(f"/tasks/{task['id']}/cancel"))["status"] == "cancelled"
    assert await _used(desk) == 0
    again = await desk.post(f"/tasks/{task['id']}/retry", 201)
    assert (again["id"], again["status"], again["run"]) == (task["id"], "queued", 2)
    assert await _used(desk) == 1
    async with working(house):
        done = await desk.wait(task["id"])
    assert done["status"] == "completed", done["error"]
    assert branches_of(theirs) == {"main", done["branch"]}
    await desk.post(f"/tasks/{task['id']}/cancel", 409)
    await desk.post(f"/tasks/{task['id']}/retry", 409)


async def test_a_completed_task_leaves_a_branch_to_delete_and_an_estimate_for_the_next(
    client: httpx.AsyncClient, house: House, desk: Desk, theirs: Repository
) -> None:
    task = await desk.submit(LINT)
    assert task["estimated_duration_minutes"] is None
    early = await client.delete(f"/v1/tasks/{task['id']}/branch", headers=desk.headers)
    assert early.status_code == 409
    async with working(house):
        task = await desk.wait(task["id"])
    assert task["branch"] in branches_of(theirs)
    for _ in range(2):
        answer = await client.delete(f"/v1/tasks/{task['id']}/branch", headers=desk.headers)
        assert answer.status_code == 204, answer.text
    assert branches_of(theirs) == {"main"}
    assert (await desk.get(f"/tasks/{task['id']}"))["branch_deleted_at"] is not None
    assert (await desk.get(f"/tasks/{task['id']}/diff"))["diff"] != ""
    like = await desk.submit(LINT)
    assert like["estimated_duration_minutes"] > 0
    assert like["estimated_completion"] is not None
    other = await desk.submit({"title": "Something else entirely"}, estimated_complexity="high")
    assert other["estimated_duration_minutes"] is None


async def test_two_tasks_at_once_on_one_project_do_not_mix(
    house: House, desk: Desk, theirs: Repository
) -> None:
    files = {
        "other.py": "import sys\n",
        "tests/test_other.py": "def test_other() -> None:\n    assert True\n",
    }
    theirs.commit(files)
    wishes = [
        {"title": "Fix lint", "requirements": {"recipe": "lint_autofix", "paths": [path]}}
        for path in ("calc.py", "other.py")
    ]
    async with working(house):
        first, second = await asyncio.gather(*(desk.submit(wish) for wish in wishes))
        done = await asyncio.gather(desk.wait(first["id"]), desk.wait(second["id"]))
    for task, path in zip(done, ("calc.py", "other.py"), strict=True):
        assert task["status"] == "completed", task["error"]
        assert theirs.git("diff", "--name-only", "main", task["branch"]) == path
    assert done[0]["branch"] != done[1]["branch"]


async def test_code_and_diff_wait_for_the_end(desk: Desk) -> None:
    task = await desk.submit(LINT)
    refused = await desk.get(f"/tasks/{task['id']}/code", 400)
    assert (refused["error"], refused["message"]) == ("invalid_request", "Task not completed yet")
    await desk.get(f"/tasks/{task['id']}/diff", 400)
    for path in ("code", "diff", "status"):
        await desk.get(f"/tasks/{uuid4()}/{path}", 404)
        await desk.get(f"/tasks/nonsense/{path}", 404)


async def test_a_lint_task_with_nothing_to_fix_says_so(
    house: House, desk: Desk, theirs: Repository
) -> None:
    theirs.commit({"calc.py": '"""Nothing to fix."""\n'})
    theirs.commit({"tests/test_calc.py": "def test_it() -> None:\n    assert True\n"})
    async with working(house):
        task = await desk.wait((await desk.submit(LINT))["id"])
    assert (task["status"], task["error"]["code"]) == ("failed", "nothing_to_do")
    assert await _used(desk) == 0


async def test_a_change_that_breaks_a_test_is_not_delivered(
    house: House, desk: Desk, theirs: Repository
) -> None:
    theirs.commit(
        {
            "tests/test_calc.py": (
                "import calc\n\n\ndef test_os_is_there() -> None:\n    assert calc.os\n"
            )
        }
    )
    async with working(house):
        task = await desk.wait((await desk.submit(LINT))["id"])
    assert (task["status"], task["error"]["code"]) == ("failed", "gates_failed")
    failed = {gate["name"]: gate for gate in task["error"]["details"]["gates"]}
    assert "test_os_is_there" in str(failed["tests"]["findings"])
    assert branches_of(theirs) == {"main"}
    assert task["quality_score"] <= 0.49
    assert "import os" in (await desk.get(f"/tasks/{task['id']}/diff"))["diff"]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [("empty", "repository_empty"), ("gone", "repository_not_git")],
)
async def test_a_repository_that_cannot_be_worked_on_is_named_as_the_reason(
    client: httpx.AsyncClient,
    acme: Organisation,
    house: House,
    tmp_path: Path,
    sandbox: Sandbox,
    spoil: str,
    code: str,
) -> None:
    theirs = make_repository(tmp_path / "spoiled")
    desk = await open_desk(client, await acme.headers(client), theirs)
    if spoil == "gone":
        (theirs.path / ".git").rename(tmp_path / "away")
    async with working(house):
        task = await desk.wait((await desk.submit(LINT))["id"])
    assert (task["status"], task["error"]["code"]) == ("failed", code)
    assert task["error"]["message"]
    assert await _used(desk) == 0


@pytest.mark.parametrize("hosted", [True, False])
async def test_an_empty_repository_names_the_commands_that_fill_it(
    client: httpx.AsyncClient,
    acme: Organisation,
    house: House,
    tmp_path: Path,
    sandbox: Sandbox,
    hosted: bool,
) -> None:
    headers = await acme.headers(client)
    if hosted:
        answer = await client.post("/v1/projects", json={"name": "Mine"}, headers=headers)
        desk = Desk(client, headers, answer.json()["id"])
        url = answer.json()["repository_url"]
    else:
        theirs = make_repository(tmp_path / "spoiled")
        desk, url = await open_desk(client, headers, theirs), theirs.url
    async with working(house):
        error = (await desk.wait((await desk.submit(LINT))["id"]))["error"]
        assert (error["code"], error["details"]["repository_url"]) == ("repository_empty", url)
        assert url in error["message"]
        assert ("start empty" in error["message"]) is hosted
        identity = ["user.name=Ada", "user.email=ada@example.com"]
        settings = {
            f"GIT_CONFIG_{kind}_{number}": part
            for number, pair in enumerate(identity)
            for kind, part in zip(("KEY", "VALUE"), pair.split("="), strict=True)
        }
        if not hosted:
            theirs.git("config", "receive.denyCurrentBranch", "ignore")
        subprocess.run(
            ["sh", "-ec", "\n".join(error["details"]["commands"])],
            cwd=tmp_path,
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": "/nonexistent",
                "GIT_CONFIG_COUNT": str(len(identity)),
                **settings,
            },
            check=True,
        )
        task = await desk.wait((await desk.submit(LINT))["id"])
    assert task["error"]["code"] != "repository_empty"


async def test_as_many_tasks_at_once_as_the_plan_allows(
    client: httpx.AsyncClient, globex: Organisation, tmp_path: Path
) -> None:
    theirs = make_repository(tmp_path / "theirs", small_files())
    desk = await open_desk(client, await globex.headers(client), theirs)
    first = await desk.submit(LINT)
    answers = await asyncio.gather(
        *(
            client.post(
                "/v1/tasks", json={**LINT, "project_id": desk.project_id}, headers=desk.headers
            )
            for _ in range(3)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 429, 429]
    refused = next(answer.json() for answer in answers if answer.status_code == 429)
    assert refused["error"] == "quota_exceeded"
    assert refused["details"]["quota_type"] == "concurrent_tasks"
    assert await _used(desk) == 2
    await desk.post(f"/tasks/{first['id']}/cancel")
    await desk.submit(LINT)


async def test_lists_are_filtered_paged_and_batched(desk: Desk, client: httpx.AsyncClient) -> None:
    made = [
        await desk.submit(
            LINT, title=f"Task {n}", priority="Highest", jira_key=f"LV-{n}", github_issue=n
        )
        for n in range(3)
    ]
    await desk.post(f"/tasks/{made[0]['id']}/cancel")
    assert made[0]["priority"] == "urgent"
    assert made[2]["extra"] == {"jira_key": "LV-2", "github_issue": 2}
    queued = await desk.get("/tasks?status=pending")
    assert {task["id"] for task in queued["data"]} == {made[1]["id"], made[2]["id"]}
    page = await desk.get("/tasks?limit=2")
    assert page["has_more"] is True
    rest = await desk.get(f"/tasks?limit=2&cursor={page['next_cursor']}")
    assert len(page["data"] + rest["data"]) == 3
    assert (await desk.get(f"/tasks?project_id={uuid4()}"))["data"] == []
    await desk.get("/tasks?status=nonsense", 400)
    bare = await desk.submit({"title": "Bare", "priority": None, "requirements": None})
    tricky = await desk.submit({"title": " One\nline\x1b[31m \u202etxt.exe "})
    assert tricky["title"] == "One line [31m  txt.exe"
    assert (bare["priority"], bare["requirements"], bare["description"]) == ("medium", {}, "")
    stranger = str(uuid4())
    answer = await client.post(
        "/v1/tasks/batch", json={"task_ids": [made[2]["id"], stranger]}, headers=desk.headers
    )
    assert [task["id"] for task in answer.json()["data"]] == [made[2]["id"]]
    assert answer.json()["not_found"] == [stranger]
