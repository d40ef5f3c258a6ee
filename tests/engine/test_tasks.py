"""Tasks from their submission to a delivered branch, with real repositories and a real sandbox."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.engine.models import STEPS
from leanvibe_server.engine.sandbox import Sandbox
from leanvibe_server.kernel.house import House
from tests.engine.desk import (
    CRUD,
    LINT,
    TESTS,
    Desk,
    branches_of,
    open_desk,
    sample_files,
    working,
)
from tests.engine.repositories import Repository, make_repository
from tests.given import Organisation


@pytest.fixture
def theirs(tmp_path: Path, sandbox: Sandbox) -> Repository:
    """The user's repository. Tests that use it need a sandbox."""
    return make_repository(tmp_path / "theirs", sample_files())


@pytest.fixture
async def desk(client: httpx.AsyncClient, acme: Organisation, theirs: Repository) -> Desk:
    return await open_desk(client, await acme.headers(client, "developer"), theirs)


async def _billed(admin: asyncpg.Connection, task: dict[str, Any]) -> int:
    found: int = await admin.fetchval(
        "SELECT count(*) FROM usage_events WHERE task_id = $1::uuid", task["id"]
    )
    return found


async def _used(desk: Desk) -> int:
    quota = await desk.get("/tenants/me/quota-check/ai_requests?amount=1")
    return int(quota["current_usage"])


@pytest.mark.parametrize("wish", [LINT, CRUD, TESTS], ids=["lint", "crud", "tests"])
async def test_a_task_ends_as_a_branch_with_what_its_diff_says(
    wish: dict[str, Any],
    house: House,
    desk: Desk,
    theirs: Repository,
    admin: asyncpg.Connection,
) -> None:
    base = theirs.git("rev-parse", "main")
    submitted = await desk.submit(wish)
    assert submitted["status"] == "queued"
    async with working(house):
        task = await desk.wait(submitted["id"])
    assert task["status"] == "completed", task["error"]
    assert task["progress_percentage"] == 100
    assert task["delivery"] == "branch", task["delivery_reason"]
    assert theirs.git("rev-parse", task["branch"]) == task["commit_sha"]
    assert theirs.git("rev-parse", f"{task['branch']}^") == base == task["base_commit"]
    assert branches_of(theirs) == {"main", task["branch"]}

    added = theirs.git("diff", "--name-only", "--diff-filter=A", base, task["branch"]).split()
    assert task["deliverables"]["files_created"] == len(added)
    diff = await desk.get(f"/tasks/{task['id']}/diff")
    expected = theirs.git("diff", "--binary", "--full-index", base, task["branch"])
    assert diff["diff"].strip() == expected
    code = await desk.get(f"/tasks/{task['id']}/code")
    for file in code["files"]:
        assert file["content"] == theirs.git("show", f"{task['branch']}:{file['path']}") + "\n"

    assert 0 <= task["quality_score"] <= 1
    gates = {gate["name"]: gate["status"] for gate in task["quality"]["gates"]}
    assert gates["tests"] == "passed"
    status = await desk.get(f"/tasks/{task['id']}/status")
    assert [step["status"] for step in status["steps"]] == ["completed"] * 6
    assert status["steps"][-1]["output"]["files"]
    assert "content" not in str(status["steps"][-1]["output"]["files"][0].keys())
    assert await _billed(admin, task) == 1
    assert await _used(desk) == 1
    await _check_live_messages(desk, task)


async def _check_live_messages(desk: Desk, task: dict[str, Any]) -> None:
    """What was told live, replayed from the task's first event."""
    url = f"/v1/tasks/{task['id']}/events?after={uuid4()}"
    answer = await desk.client.get(url, headers=desk.headers)
    lines = answer.text.splitlines()
    messages = [json.loads(line[6:]) for line in lines if line.startswith("data: ")][1:]
    percentages = [message["percentage"] for message in messages]
    assert percentages == sorted(percentages)
    assert [message["status"] for message in messages[:2]] == ["queued", "in_progress"]
    steps = [message["step"] for message in messages if "message" in message]
    assert list(dict.fromkeys(steps)) == list(STEPS)
    assert any("Gate tests: passed. Base:" in message.get("log", "") for message in messages)
    assert messages[-1]["type"] == "completion"
    assert messages[-1]["deliverables"] == task["deliverables"]


async def test_what_fits_no_recipe_fails_at_once_and_unbilled(
    house: House, desk: Desk, theirs: Repository, admin: asyncpg.Connection
) -> None:
    async with working(house):
        submitted = await desk.submit(
            {
                "title": "Implement secure payment processing with Stripe",
                "requirements": {"security_requirements": ["PCI_DSS_compliance"]},
            }
        )
        task = await desk.wait(submitted["id"], timeout_s=5)
    assert task["status"] == "failed"
    assert task["error"]["code"] == "no_recipe"
    assert task["error"]["details"]["unmet"]
    assert task["error"]["details"]["nearest_recipes"]
    assert branches_of(theirs) == {"main"}
    assert await _billed(admin, task) == 0
    assert await _used(desk) == 0


async def test_a_foreign_task_answers_like_a_random_one(
    client: httpx.AsyncClient, desk: Desk, globex: Organisation
) -> None:
    task = await desk.submit(LINT)
    headers = await globex.headers(client)
    for path in ("", "/status", "/code", "/diff", "/events"):
        foreign, random = [
            await client.get(f"/v1/tasks/{one}{path}", headers=headers)
            for one in (task["id"], uuid4())
        ]
        assert foreign.status_code == random.status_code == 404
        assert foreign.json()["message"] == random.json()["message"]
