"""Other programs are run to their end, and nothing of them stays."""

import asyncio
import gc
import sys
import time
from uuid import uuid4

import pytest

from leanvibe_server.kernel.processes import StopReason, run_process
from tests.engine.repositories import count_processes, wait_until_started

ENV = {"PATH": "/usr/bin:/bin"}


async def test_input_goes_in_and_output_and_exit_code_come_out() -> None:
    code = "import sys; print(sys.stdin.read()[::-1]); sys.stderr.write('e'); sys.exit(3)"
    done = await run_process([sys.executable, "-c", code], timeout_s=10, env=ENV, stdin=b"abc")
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"cba\n", b"e")
    assert done.stopped_by is None


async def test_a_program_that_does_not_read_its_input_is_no_error() -> None:
    done = await run_process(["true"], timeout_s=10, env=ENV, stdin=b"x" * 1_000_000)
    assert done.exit_code == 0


async def test_the_environment_is_only_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_KEY", "canary")
    assert b"canary" not in (await run_process(["env"], timeout_s=10, env=ENV)).stdout


async def test_time_is_up_for_children_too() -> None:
    mark = f"mark-{uuid4()}"
    code = "import os, time; os.fork(); time.sleep(60)"
    done = await run_process([sys.executable, "-c", code, mark], timeout_s=0.5, env=ENV)
    assert done.stopped_by == "wall"
    assert done.duration_ms < 2_000
    assert count_processes(mark) == 0


async def test_a_child_left_behind_goes_with_its_parent() -> None:
    mark = f"mark-{uuid4()}"
    code = "import os, time; os.fork() or time.sleep(60)"
    started = time.monotonic()
    done = await run_process([sys.executable, "-c", code, mark], timeout_s=30, env=ENV)
    assert done.exit_code == 0
    assert time.monotonic() - started < 5
    assert count_processes(mark) == 0


async def test_cancelling_kills_within_a_second() -> None:
    mark = f"mark-{uuid4()}"
    code = "import os, time; os.fork(); time.sleep(60)"
    running = asyncio.create_task(
        run_process([sys.executable, "-c", code, mark], timeout_s=30, env=ENV)
    )
    await wait_until_started(mark)
    started = time.monotonic()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert time.monotonic() - started < 1
    assert count_processes(mark) == 0


async def test_cancelling_twice_at_any_moment_leaves_nothing_open() -> None:
    for turn in range(40):
        task = asyncio.create_task(run_process(["sleep", "30"], timeout_s=60, env=ENV))
        await asyncio.sleep(turn * 0.0005)
        task.cancel()
        for _ in range(turn % 7):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    # What was left open warns when it is collected, and warnings are errors.
    await asyncio.sleep(0.1)
    gc.collect()


async def test_a_watch_ends_the_program_with_its_reason() -> None:
    async def watch(pid: int) -> StopReason:
        await asyncio.sleep(0.1)
        return "disk"

    done = await run_process(["sleep", "60"], timeout_s=30, env=ENV, watch=watch)
    assert done.stopped_by == "disk"


async def test_a_watch_that_breaks_is_heard() -> None:
    async def watch(pid: int) -> StopReason:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await run_process(["sleep", "0.2"], timeout_s=30, env=ENV, watch=watch)


async def test_a_flood_of_output_is_stopped() -> None:
    done = await run_process(["yes"], timeout_s=30, env=ENV, output_bytes=1_000)
    assert done.stopped_by == "output"
    assert len(done.stdout) == 1_000
