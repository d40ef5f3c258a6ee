"""Tasks on a machine, or a repository, that does not do its part."""

import shutil
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from leanvibe_server.engine.bench import Bench, Workshop
from leanvibe_server.engine.bubblewrap import BubblewrapSandbox
from leanvibe_server.engine.sandbox import Limits, Sandbox
from leanvibe_server.engine.validation import is_protected
from leanvibe_server.kernel.house import House
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
from tests.given import Organisation, platform_headers


@pytest.fixture
def theirs(tmp_path: Path) -> Repository:
    return make_repository(tmp_path / "theirs", small_files())


@pytest.fixture
async def desk(client: httpx.AsyncClient, acme: Organisation, theirs: Repository) -> Desk:
    return await open_desk(client, await acme.headers(client, "developer"), theirs)


class BrokenSandbox(BubblewrapSandbox):
    """One whose machine fails in a way nobody foresaw."""

    async def check(self) -> None:
        raise RuntimeError("the disk is on fire")


async def _used(desk: Desk) -> int:
    quota = await desk.get("/tenants/me/quota-check/ai_requests?amount=1")
    return int(quota["current_usage"])


async def test_without_a_sandbox_a_task_fails_with_the_command_that_mends_it(
    house: House, desk: Desk, tmp_path: Path
) -> None:
    house.place(Workshop(BubblewrapSandbox(home=tmp_path, executable="/no/such/bwrap"), None))
    async with working(house):
        task = await desk.wait((await desk.submit(LINT))["id"], timeout_s=10)
    assert (task["status"], task["error"]["code"]) == ("failed", "sandbox_unavailable")
    assert task["error"]["details"]["command"]
    assert await _used(desk) == 0


async def test_what_breaks_on_our_side_is_tried_again_and_then_given_up(
    house: House, desk: Desk, tmp_path: Path
) -> None:
    house.place(Workshop(BrokenSandbox(home=tmp_path), None))
    async with working(house):
        task = await desk.wait((await desk.submit(LINT))["id"], timeout_s=20)
    assert (task["status"], task["error"]["code"]) == ("failed", "server_error")
    assert "fire" not in str(task)
    step = (await desk.get(f"/tasks/{task['id']}/status"))["steps"][0]
    assert (step["status"], step["input"]["takeovers"]) == ("failed", 2)
    assert await _used(desk) == 0


async def test_a_step_that_takes_too_long_is_stopped(house: House, desk: Desk) -> None:
    house.settings = replace(house.settings, task_timeout_s=0)
    async with working(house):
        task = await desk.wait((await desk.submit(LINT))["id"], timeout_s=20)
    assert (task["status"], task["error"]["code"]) == ("failed", "timed_out")
    assert task["error"]["details"]["step"] == "requirements_analysis"


ENDLESS = "import time\n\n\ndef test_it() -> None:\n    time.sleep(600)\n"
HOG = (
    "def test_it() -> None:\n    held = []\n    while True:\n"
    "        held.append(bytearray(b'x' * 50_000_000))\n"
)
FULL = (
    "import itertools\n\n\ndef test_it() -> None:\n    for n in itertools.count():\n"
    "        open(f'full{n}', 'wb').write(b'x' * 20_000_000)\n"
)
OUTSIDE = FULL.replace("f'full", "f'/workspace/full")
BOMB = (
    "import os\n\n\ndef test_it() -> None:\n    while True:\n        try:\n"
    "            os.fork()\n        except OSError:\n            pass\n"
)
LOOSE_BOMB = BOMB.replace("os.fork()", "os.fork() or os.setsid()")


@pytest.mark.parametrize(
    ("tests", "causes", "words"),
    [
        (ENDLESS, {"time"}, "did not end within 4 s"),
        (HOG, {"memory"}, "more than 300 MB of memory"),
        (FULL, {"disk"}, "The tests wrote more than"),
        (OUTSIDE, {"disk", "file"}, "The tests wrote more than"),
        (BOMB, {"time", "memory", "processes"}, "The tests"),
        (LOOSE_BOMB, {"time", "memory", "processes"}, "The tests"),
    ],
    ids=["endless", "hog", "full", "outside", "bomb", "loose_bomb"],
)
async def test_tests_that_break_a_limit_stop_the_delivery(
    house: House,
    desk: Desk,
    theirs: Repository,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    tests: str,
    causes: set[str],
    words: str,
) -> None:
    theirs.commit({"tests/test_calc.py": tests})
    house.settings = replace(house.settings, task_timeout_s=12)
    small = Limits(wall_s=11, cpu_s=11, memory_mb=300, processes=64, file_mb=64, disk_mb=100)
    monkeypatch.setattr(Bench, "limits", lambda _: small)
    async with working(house):
        task = await desk.wait((await desk.submit(LINT))["id"])
    assert (task["status"], task["error"]["code"]) == ("failed", "gates_failed"), task["error"]
    gate = next(one for one in task["quality"]["gates"] if one["name"] == "tests")
    assert gate["status"] == "not_run"
    assert gate["cause"] in causes, gate
    assert words in gate["reason"]
    assert gate["reason"] in task["error"]["message"]
    assert "too large" not in task["error"]["message"]
    assert task["quality_score"] is None
    assert branches_of(theirs) == {"main"}
    assert await _used(desk) == 0


async def test_a_machine_that_is_new_to_the_task_fetches_its_base_again(
    house: House, desk: Desk, theirs: Repository, sandbox: Sandbox
) -> None:
    task = await desk.submit(LINT)
    async with working(house):
        await desk.wait_for_step(task["id"], "code_generation")
    shutil.rmtree(house.settings.home / "mirrors")
    theirs.commit({"later.py": "x = 1\n"})
    async with working(house):
        done = await desk.wait(task["id"])
    assert done["status"] == "completed", done["error"]
    assert theirs.git("rev-parse", f"{done['branch']}^") == theirs.git("rev-parse", "main^")


async def test_files_that_decide_what_runs_where_are_left_alone(
    house: House, desk: Desk, theirs: Repository, sandbox: Sandbox
) -> None:
    theirs.commit({"deploy/release.py": "import sys\n"})
    async with working(house):
        task = await desk.wait((await desk.submit(LINT))["id"])
    assert (task["status"], task["error"]["code"]) == ("failed", "protected_paths")
    assert task["error"]["details"]["paths"] == ["deploy/release.py"]
    assert branches_of(theirs) == {"main"}


async def test_a_hostile_repository_gets_its_branch_or_a_reason_and_does_no_harm(
    house: House, desk: Desk, theirs: Repository, sandbox: Sandbox, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    (theirs.path / "passwd").symlink_to("/etc/passwd")
    bomb = "import os\n\n\ndef test_bomb() -> None:\n    while True:\n        os.fork()\n"
    theirs.commit(
        {
            ".gitattributes": "* filter=evil\n",
            "tests/test_bomb.py": bomb,
            "tests/test_outside.py": (
                "import socket\nfrom pathlib import Path\n\n\n"
                "def test_outside() -> None:\n"
                f"    Path({str(trap)!r}).write_text('out')\n"
                "    socket.create_connection(('127.0.0.1', 22))\n"
            ),
            "conftest.py": (
                "import subprocess\n\n"
                f"subprocess.run(['git', 'config', 'filter.evil.clean', 'touch {trap}'])\n"
            ),
            "na\u00efve \u202e name.bin": b"\x00\xff",
        }
    )
    theirs.plant_hooks(trap)
    house.settings = replace(house.settings, task_timeout_s=30)
    async with working(house):
        task = await desk.wait((await desk.submit(LINT))["id"])
    assert task["status"] in ("completed", "failed")
    assert task["error"] is None or task["error"]["code"] in ("gates_failed", "tool_failed")
    assert branches_of(theirs) == {"main", *filter(None, [task["branch"]])}
    assert not trap.exists()
    assert count_processes(task["id"]) == 0


@pytest.mark.parametrize(
    ("path", "covered"),
    [
        (".github/workflows/ci.yml", True),
        ("src/Dockerfile.dev", True),
        ("Dockerfile", True),
        ("uv.lock", True),
        ("sub/poetry.lock", True),
        ("deploy.py", False),
        ("app/github/x.py", False),
        ("lockers/a.py", False),
    ],
)
def test_a_pattern_covers_what_it_says(path: str, covered: bool) -> None:
    patterns = (".github/**", "**/Dockerfile*", "Dockerfile*", "*.lock", "**/*.lock", "deploy/**")
    assert is_protected(path, patterns) is covered


async def test_what_was_kept_of_a_deleted_project_goes_too(
    client: httpx.AsyncClient, house: House, desk: Desk, acme: Organisation, sandbox: Sandbox
) -> None:
    async with working(house):
        task = await desk.submit(LINT)
        await desk.wait_for_step(task["id"], "code_generation")
        await desk.post(f"/tasks/{task['id']}/cancel")
        kept = list(house.settings.home.glob(f"mirrors/*/{desk.project_id}.git"))
        assert len(kept) == 1
        answer = await client.delete(
            f"/v1/projects/{desk.project_id}", headers=await acme.headers(client, "manager")
        )
        assert answer.status_code == 204
        await wait_until(lambda: not kept[0].exists())


async def test_nothing_is_worked_on_for_a_tenant_that_is_suspended(
    house: House,
    client: httpx.AsyncClient,
    desk: Desk,
    theirs: Repository,
    acme: Organisation,
) -> None:
    """Whatever was queued before: it costs nothing, and can be tried again afterwards."""
    waiting = (await desk.submit(LINT))["id"]
    platform = await platform_headers(house, client)
    tenant = f"/v1/tenants/{acme.id}"
    stopped = await client.post(f"{tenant}/suspend", json={"reason": "unpaid"}, headers=platform)
    assert stopped.status_code == 200
    async with working(house):
        task = await desk.wait(waiting, timeout_s=10)
    assert (task["status"], task["error"]["code"]) == ("failed", "tenant_suspended")
    assert branches_of(theirs) == {"main"}
    assert await _used(desk) == 0
    await client.post(f"{tenant}/reactivate", headers=platform)
    again = await client.post(f"/v1/tasks/{waiting}/retry", headers=desk.headers)
    assert again.status_code == 201, again.text
