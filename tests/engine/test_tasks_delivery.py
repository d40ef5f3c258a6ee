"""How a result reaches repositories that ask for a token, refuse a push, or are slow to take it."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from leanvibe_server.engine.sandbox import Sandbox
from leanvibe_server.kernel.house import House
from tests.engine.desk import LINT, Desk, branches_of, small_files, wait_until, working
from tests.engine.repositories import Repository, make_repository
from tests.given import Organisation
from tests.projects.git_server import GitServer, git_server

TOKEN = "token-canary-4711"


@pytest.fixture
def served(tmp_path: Path, sandbox: Sandbox) -> Iterator[GitServer]:
    """The user's repository behind HTTP and a token, as `private.git`."""
    theirs = make_repository(tmp_path / "theirs", small_files())
    root = tmp_path / "served"
    theirs.git("clone", "--quiet", "--bare", str(theirs.path), str(root / "private.git"))
    with git_server(root, token=TOKEN) as server:
        yield server


def _bare(served: GitServer) -> Repository:
    return Repository(served.root / "private.git")


async def _desk(
    client: httpx.AsyncClient, acme: Organisation, served: GitServer, **fields: Any
) -> Desk:
    headers = await acme.headers(client, "developer")
    answer = await client.post(
        "/v1/projects",
        json={"name": "Private", "repository_url": served.url("private.git"), **fields},
        headers=headers,
    )
    assert answer.status_code == 201, answer.text
    return Desk(client, headers, answer.json()["id"])


async def test_a_token_opens_the_repository_and_is_seen_nowhere(
    client: httpx.AsyncClient,
    acme: Organisation,
    house: House,
    served: GitServer,
    admin: asyncpg.Connection,
    capfd: pytest.CaptureFixture[str],
) -> None:
    locked = await _desk(client, acme, served)
    desk = await _desk(client, acme, served, credentials={"type": "token", "token": TOKEN})
    async with working(house):
        refused = await locked.wait((await locked.submit(LINT))["id"])
        task = await desk.wait((await desk.submit(LINT))["id"])
    assert refused["error"]["code"] == "repository_auth_required"
    assert "credentials" in refused["error"]["message"]
    assert task["status"] == "completed", task["error"]
    assert branches_of(_bare(served)) == {"main", task["branch"]}
    told = [await desk.get(f"/tasks/{task['id']}{path}") for path in ("", "/status", "/code")]
    steps = await admin.fetch("SELECT * FROM task_steps WHERE tenant_id = $1", acme.id)
    events = await admin.fetch("SELECT * FROM events WHERE tenant_id = $1", acme.id)
    out, err = capfd.readouterr()
    assert TOKEN not in f"{told}{steps}{events}{out}{err}"
    assert not served.seen_in_process_list


async def test_where_pushing_is_refused_the_result_is_a_patch_that_applies(
    client: httpx.AsyncClient, acme: Organisation, house: House, served: GitServer, tmp_path: Path
) -> None:
    served.may_push = False
    desk = await _desk(client, acme, served, credentials={"type": "token", "token": TOKEN})
    async with working(house):
        task = await desk.wait((await desk.submit(LINT))["id"])
    assert (task["status"], task["delivery"], task["branch"]) == ("completed", "patch", None)
    assert task["delivery_reason"]
    assert branches_of(_bare(served)) == {"main"}
    answer = await client.get(
        f"/v1/tasks/{task['id']}/diff", headers=desk.headers | {"Accept": "text/x-diff"}
    )
    assert answer.headers["content-type"].startswith("text/x-diff")
    mine = make_repository(tmp_path / "mine", small_files())
    mine.git("apply", "-", stdin=answer.content)
    assert "import os" not in (mine.path / "calc.py").read_text()
    deleted = await client.delete(f"/v1/tasks/{task['id']}/branch", headers=desk.headers)
    assert deleted.status_code == 409


async def test_a_push_that_completes_after_the_cancellation_is_taken_back(
    client: httpx.AsyncClient, acme: Organisation, house: House, served: GitServer
) -> None:
    served.push_may_go_on = threading.Event()
    desk = await _desk(client, acme, served, credentials={"type": "token", "token": TOKEN})
    async with working(house):
        task = await desk.submit(LINT)
        assert await asyncio.to_thread(served.push_arrived.wait, 60)
        cancelled = await desk.post(f"/tasks/{task['id']}/cancel")
        assert (cancelled["status"], cancelled["current_step"]) == ("cancelled", "delivery")
        await asyncio.sleep(1.5)
        served.push_may_go_on.set()
        await wait_until(lambda: len(branches_of(_bare(served))) == 2)
        await wait_until(lambda: branches_of(_bare(served)) == {"main"})
    assert (await desk.get(f"/tasks/{task['id']}"))["status"] == "cancelled"
