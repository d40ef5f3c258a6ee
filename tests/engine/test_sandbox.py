"""The sandbox: what a program in it sees, and what it may use."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from leanvibe_server.engine.bubblewrap import FIRST_UID, UIDS, BubblewrapSandbox, tenant_uid
from leanvibe_server.engine.remedies import find_remedy
from leanvibe_server.engine.sandbox import (
    PYTHON,
    Limits,
    Sandbox,
    ToolFailed,
    make_sandbox,
    run_inside,
)
from leanvibe_server.engine.unconfined import NoSandboxForeignCodeRunsUnconfined
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.errors import SandboxUnavailable
from tests.engine.repositories import count_processes, wait_until_started

LIMITS = Limits(wall_s=20, cpu_s=20, memory_mb=256, processes=24, file_mb=16, disk_mb=32)


async def python(sandbox: Sandbox, room: Path, code: str, **changes: object) -> str:
    """What the code prints in the sandbox; it must end well."""
    outcome = await sandbox.run([PYTHON, "-c", code], workspace=room, limits=LIMITS)
    assert outcome.ok, outcome.stderr.decode()
    return outcome.stdout.decode().strip()


async def test_the_workspace_is_the_current_directory_and_writable(
    sandbox: Sandbox, room: Path
) -> None:
    said = await python(
        sandbox, room, "import os; open('made', 'w').write('x'); print(os.getcwd())"
    )
    assert said == "/workspace"
    assert (room / "made").read_text() == "x"


async def test_the_toolbox_is_the_products_own_python(sandbox: Sandbox, room: Path) -> None:
    said = await python(sandbox, room, "import sys, pytest, libcst; print(sys.prefix)")
    assert said == "/opt/venv"
    ruff = await sandbox.run([PYTHON, "-m", "ruff", "version"], workspace=room, limits=LIMITS)
    assert ruff.stdout.startswith(b"ruff ")


async def test_the_environment_is_fixed_and_holds_nothing_of_the_hosts(
    sandbox: Sandbox, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASTER_KEY", "canary")
    seen = json.loads(
        await python(sandbox, room, "import os, json; print(json.dumps(dict(os.environ)))")
    )
    assert "MASTER_KEY" not in seen
    assert seen["HOME"] == "/tmp/home"
    assert seen["TZ"] == "UTC"
    assert seen["PYTHONHASHSEED"] == "0"


async def test_only_the_workspace_and_tmp_can_be_written(sandbox: Sandbox, room: Path) -> None:
    code = """
import os
for place in ("/", "/dev", "/etc", "/usr", "/opt", "/opt/inside", "/opt/venv/bin", "/tmp", "."):
    try:
        open(os.path.join(place, "probe"), "w").close()
        print(place)
    except OSError:
        pass
"""
    assert (await python(sandbox, room, code)).split() == ["/tmp", "."]


async def test_the_user_has_no_capabilities_and_can_get_none(sandbox: Sandbox, room: Path) -> None:
    said = await python(sandbox, room, "print(open('/proc/self/status').read())")
    facts = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
    assert {facts[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert facts["NoNewPrivs"] == "1"
    nested = await sandbox.run(["unshare", "-U", "true"], workspace=room, limits=LIMITS)
    assert nested.exit_code != 0


async def test_as_root_a_run_takes_its_tenants_uid(sandbox: Sandbox, room: Path) -> None:
    await python(sandbox, room, "open('made', 'w')")
    owner = (room / "made").stat().st_uid
    assert owner == room.stat().st_uid
    if os.geteuid() == 0:
        assert FIRST_UID <= owner < FIRST_UID + UIDS
        assert tenant_uid(uuid4()) != tenant_uid(uuid4())


async def test_a_workspace_nobody_claimed_is_refused_as_root(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root steps down to a tenant's uid")
    with pytest.raises(ValueError, match="not claimed"):
        await sandbox.run(["true"], workspace=tmp_path, limits=LIMITS)


async def test_a_time_out_ends_every_process(sandbox: Sandbox, room: Path) -> None:
    mark = f"mark-{uuid4()}"
    code = "import os, time; os.fork(); os.setsid() if os.fork() == 0 else 0; time.sleep(60)"
    outcome = await sandbox.run(
        [PYTHON, "-c", code, mark], workspace=room, limits=Limits(wall_s=0.7)
    )
    assert outcome.timed_out
    assert outcome.duration_ms < 2_500
    assert count_processes(mark) == 0


async def test_cancelling_ends_every_process_within_a_second(sandbox: Sandbox, room: Path) -> None:
    mark = f"mark-{uuid4()}"
    code = "import os, time; os.fork(); time.sleep(60)"
    run = asyncio.create_task(
        sandbox.run([PYTHON, "-c", code, mark], workspace=room, limits=LIMITS)
    )
    await wait_until_started(mark)
    started = time.monotonic()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert time.monotonic() - started < 1
    assert count_processes(mark) == 0


async def test_a_process_left_behind_ends_with_its_run(sandbox: Sandbox, room: Path) -> None:
    mark = f"mark-{uuid4()}"
    code = "import os, time; pid = os.fork(); pid or (os.setsid(), time.sleep(60)); print('done')"
    outcome = await sandbox.run([PYTHON, "-c", code, mark], workspace=room, limits=LIMITS)
    assert outcome.stdout == b"done\n"
    assert outcome.duration_ms < 5_000
    assert count_processes(mark) == 0


WORKER = """
import asyncio, sys
from pathlib import Path
from leanvibe_server.engine.bubblewrap import BubblewrapSandbox
from leanvibe_server.engine.sandbox import PYTHON, Limits
mark, room = sys.argv[1:]
code = "import os, time; os.fork(); open('started', 'w'); time.sleep(60)"
run = BubblewrapSandbox(home=Path("/nonexistent")).run
asyncio.run(run([PYTHON, "-c", code, mark], workspace=Path(room), limits=Limits()))
"""


async def is_gone(mark: str) -> bool:
    """Whether nothing with `mark` is left, at the latest after two seconds."""
    for _ in range(100):
        if count_processes(mark) == 0:
            return True
        await asyncio.sleep(0.02)
    return False


async def test_a_killed_worker_takes_its_sandboxes_along(room: Path) -> None:
    mark = f"mark-{uuid4()}"
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, mark, str(room))
    for _ in range(1000):
        if (room / "started").exists():
            break
        await asyncio.sleep(0.02)
    worker.kill()
    await worker.wait()
    assert await is_gone(mark)


async def test_a_worker_killed_while_a_sandbox_starts_is_cleaned_up_after(room: Path) -> None:
    for delay_s in (0, 0.002, 0.005, 0.01):
        mark = f"mark-{uuid4()}"
        worker = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, mark, str(room))
        await wait_until_started(f"LEANVIBE_WORKER\0{worker.pid}")
        await asyncio.sleep(delay_s)
        worker.kill()
        await worker.wait()
        BubblewrapSandbox(home=room)
        assert await is_gone(mark)


async def test_output_is_kept_up_to_its_limit(sandbox: Sandbox, room: Path) -> None:
    outcome = await sandbox.run(
        [PYTHON, "-c", "print('x' * 100_000)"], workspace=room, limits=Limits(output_bytes=1000)
    )
    assert outcome.exit_code == 0
    assert outcome.stdout == b"x" * 1000
    assert outcome.truncated


async def test_a_missing_program_is_an_ordinary_failure(sandbox: Sandbox, room: Path) -> None:
    outcome = await sandbox.run(["no-such-program"], workspace=room, limits=LIMITS)
    assert outcome.exit_code == 127
    assert b"no-such-program" in outcome.stderr


async def test_a_program_that_poses_as_a_broken_sandbox_gains_nothing(
    sandbox: Sandbox, room: Path
) -> None:
    code = "import sys; sys.stderr.write('bwrap: no'); sys.exit(1)"
    outcome = await sandbox.run([PYTHON, "-c", code], workspace=room, limits=LIMITS)
    assert outcome.exit_code == 1


async def test_further_folders_appear_where_asked(
    sandbox: Sandbox, room: Path, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "fact").write_text("42")
    code = "cat /data/fact; touch /data/other"
    outcome = await sandbox.run(
        ["sh", "-c", code], workspace=room, limits=LIMITS, read_only=[(shared, "/data")]
    )
    assert outcome.stdout == b"42"
    assert b"Read-only" in outcome.stderr


async def test_a_tool_that_crashes_says_so_with_its_last_words(
    sandbox: Sandbox, room: Path
) -> None:
    with pytest.raises(ToolFailed) as caught:
        await run_inside(sandbox, "no_such_tool", {}, workspace=room, limits=LIMITS)
    assert caught.value.details["program"] == "no_such_tool"
    assert "No such file" in caught.value.details["stderr"]


async def test_a_machine_without_bubblewrap_is_told_the_command(tmp_path: Path) -> None:
    box = BubblewrapSandbox(home=tmp_path, executable="/nonexistent/bwrap")
    with pytest.raises(SandboxUnavailable) as caught:
        await box.check()
    assert caught.value.details["command"]


def test_a_missing_bubblewrap_is_mended_by_installing_it() -> None:
    assert "bubblewrap" in find_remedy("bwrap is not installed").details["command"]


async def test_without_a_sandbox_the_same_program_runs_unconfined(tmp_path: Path) -> None:
    box = make_sandbox(Settings(sandbox="none"))
    assert isinstance(box, NoSandboxForeignCodeRunsUnconfined)
    code = "import os; print(os.getcwd())"
    outcome = await box.run([PYTHON, "-c", code], workspace=tmp_path, limits=LIMITS)
    assert outcome.stdout.decode().strip() == str(tmp_path)


def test_production_always_has_walls(tmp_path: Path) -> None:
    settings = Settings(environment="production", sandbox="none", leanvibe_home=tmp_path)
    assert isinstance(make_sandbox(settings), BubblewrapSandbox)
