"""A worker that is killed in the middle of a step, and the one that carries on."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from leanvibe_server.engine.models import STEPS
from leanvibe_server.engine.sandbox import Sandbox
from leanvibe_server.kernel.clock import SystemClock
from leanvibe_server.kernel.house import House
from tests.conftest import Ground
from tests.engine.desk import (
    LINT,
    Desk,
    branches_of,
    open_desk,
    small_files,
    wait_until,
    working,
)
from tests.engine.repositories import Repository, count_processes, make_repository
from tests.given import Organisation
from tests.projects.git_server import git_server


@pytest.fixture
def clock() -> SystemClock:
    """The real time: the workers of these tests are processes of their own."""
    return SystemClock()


@pytest.fixture
def theirs(tmp_path: Path, sandbox: Sandbox) -> Repository:
    return make_repository(tmp_path / "theirs", small_files())


@pytest.fixture
async def desk(client: httpx.AsyncClient, acme: Organisation, theirs: Repository) -> Desk:
    return await open_desk(client, await acme.headers(client, "developer"), theirs)


@asynccontextmanager
async def _process(ground: Ground, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker in a process of its own, killed at the end of the block without a warning."""
    env = {
        **os.environ,
        "LEANVIBE_HOME": str(ground.settings.home),
        "DATABASE_URL": ground.settings.database_url,
        "PORT": str(ground.settings.port),
    }
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "leanvibe_server.worker", env=env, stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def test_killed_at_every_step_the_task_ends_as_if_nothing_had_happened(
    ground: Ground,
    house: House,
    desk: Desk,
    theirs: Repository,
    admin: asyncpg.Connection,
    tmp_path: Path,
) -> None:
    submitted = await desk.submit(LINT)
    log = tmp_path / "worker.log"
    for step in STEPS[:-1]:
        async with _process(ground, log):
            await desk.wait_for_step(submitted["id"], step, timeout_s=40)
    async with _process(ground, log):
        task = await desk.wait(submitted["id"])
    assert task["status"] == "completed", task["error"]
    async with working(house):
        undisturbed = await desk.wait((await desk.submit(LINT))["id"])

    status = await desk.get(f"/tasks/{task['id']}/status")
    taken_over = [step["input"].get("takeovers", 0) for step in status["steps"]]
    assert sum(taken_over) >= 3, taken_over
    assert theirs.git("diff", task["branch"], undisturbed["branch"]) == ""
    assert task["deliverables"] == undisturbed["deliverables"]
    assert branches_of(theirs) == {"main", task["branch"], undisturbed["branch"]}
    for one in (task, undisturbed):
        billed = await admin.fetchval(
            "SELECT sum(quantity) FROM usage_events WHERE task_id = $1::uuid", one["id"]
        )
        assert billed == 1
    assert list(ground.settings.home.glob(f"workspaces/*/{task['id']}")) == []
    assert count_processes(task["id"]) == 0


async def test_killed_in_the_middle_of_its_push_the_task_is_delivered_and_billed_once(
    ground: Ground,
    house: House,
    client: httpx.AsyncClient,
    acme: Organisation,
    theirs: Repository,
    admin: asyncpg.Connection,
    tmp_path: Path,
) -> None:
    root = tmp_path / "served"
    theirs.git("clone", "--quiet", "--bare", str(theirs.path), str(root / "open.git"))
    bare = Repository(root / "open.git")
    with git_server(root) as served:
        served.push_may_go_on = threading.Event()
        body = {"name": "Served", "repository_url": served.url("open.git")}
        headers = await acme.headers(client, "developer")
        project = (await client.post("/v1/projects", json=body, headers=headers)).json()
        desk = Desk(client, headers, project["id"])
        submitted = await desk.submit(LINT)
        async with _process(ground, tmp_path / "worker.log"):
            assert await asyncio.to_thread(served.push_arrived.wait, 90)
        assert branches_of(bare) == {"main"}
        served.push_may_go_on.set()
        async with working(house):
            task = await desk.wait(submitted["id"])
    assert task["status"] == "completed", task["error"]
    assert branches_of(bare) == {"main", task["branch"]}
    assert bare.git("rev-parse", task["branch"]) == task["commit_sha"]
    rows = await admin.fetch("SELECT quantity FROM usage_events WHERE tenant_id = $1", acme.id)
    assert [row["quantity"] for row in rows] == [1]


async def test_a_cancelled_task_stays_so_when_its_worker_was_dead(
    ground: Ground, house: House, desk: Desk, theirs: Repository, tmp_path: Path
) -> None:
    submitted = await desk.submit(LINT)
    async with _process(ground, tmp_path / "worker.log"):
        await desk.wait_for_step(submitted["id"], "test_generation", timeout_s=60)
    cancelled = await desk.post(f"/tasks/{submitted['id']}/cancel")
    assert cancelled["status"] == "cancelled"
    left = list(ground.settings.home.glob(f"workspaces/*/{submitted['id']}"))
    async with working(house):
        await wait_until(lambda: not any(folder.exists() for folder in left))
    assert (await desk.get(f"/tasks/{submitted['id']}"))["status"] == "cancelled"
    assert branches_of(theirs) == {"main"}
