"""A supervised child: it is started again when it dies, and never leaves anything behind."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leanvibe_server.launch import processes
from leanvibe_server.launch.children import Child, ChildFails, Program

SLEEPS = "import time; time.sleep(60)"
IGNORES_TERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"

MakeChild = Callable[[str], Child]


@pytest.fixture
def make_child(tmp_path: Path) -> Iterator[MakeChild]:
    children: list[Child] = []

    def make(code: str) -> Child:
        program = Program("sample", (sys.executable, "-c", code))
        children.append(
            Child(program, home=tmp_path, env={**os.environ, "LEANVIBE_HOME": str(tmp_path)})
        )
        return children[-1]

    yield make
    for child in children:
        child.stop()


def read_pid(child: Child) -> int:
    pid = processes.read_pid(child.pid_path)
    assert pid is not None
    return pid


def wait_for_news(child: Child) -> str:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        news = child.tend()
        if news is not None:
            return news
        time.sleep(0.02)
    raise AssertionError("the child had no news")


def tend_for_ever(child: Child, *, starting: bool) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        child.tend(starting=starting)
        time.sleep(0.02)


def test_a_killed_child_is_started_again_after_a_pause(make_child: MakeChild) -> None:
    child = make_child(SLEEPS)
    child.start()
    first = read_pid(child)
    os.kill(first, signal.SIGKILL)

    assert wait_for_news(child) == "sample ended (killed by SIGKILL); starting it again in 0.2 s"
    assert processes.wait_gone(
        lambda: child.tend() is None and read_pid(child) == first, timeout_s=5
    )
    assert processes.runs(read_pid(child), SLEEPS)


def test_the_pauses_grow_and_a_child_that_always_fails_ends_the_start(
    make_child: MakeChild, tmp_path: Path
) -> None:
    child = make_child("import sys; print('no such table', flush=True); sys.exit(3)")
    child.start()
    pauses = [wait_for_news(child).rpartition(" in ")[2] for _ in range(4)]

    assert pauses == ["0.2 s", "0.4 s", "0.8 s", "1.6 s"]
    with pytest.raises(ChildFails, match=r"ended 5 times .*exit code 3") as refusal:
        wait_for_news(child)
    assert "  no such table" in str(refusal.value)


def test_before_the_first_readiness_three_deaths_end_the_start(make_child: MakeChild) -> None:
    child = make_child("import sys; print('no such table', flush=True); sys.exit(3)")
    child.start()

    with pytest.raises(ChildFails, match=r"ended 3 times .*exit code 3") as refusal:
        tend_for_ever(child, starting=True)
    assert str(refusal.value).endswith(f"The end of {child.log_path}:\n  no such table")


def test_a_child_that_takes_long_to_fail_is_given_up_all_the_same(make_child: MakeChild) -> None:
    child = make_child("import sys, time; time.sleep(5.5); sys.exit('no such setting')")
    child.start()

    with pytest.raises(ChildFails, match="ended 3 times"):
        tend_for_ever(child, starting=True)


def test_a_child_that_someone_keeps_killing_is_never_given_up(make_child: MakeChild) -> None:
    child = make_child(SLEEPS)
    for _ in range(6):
        child.start()
        os.kill(read_pid(child), signal.SIGKILL)
        assert "killed by SIGKILL" in wait_for_news(child)


def test_a_child_that_cannot_be_started_for_a_while_is_tried_again(
    make_child: MakeChild, tmp_path: Path
) -> None:
    child = make_child(SLEEPS)
    child.start()
    os.kill(read_pid(child), signal.SIGKILL)
    wait_for_news(child)
    logs = tmp_path / "logs"
    logs.rename(tmp_path / "away")
    logs.symlink_to("/dev/full")

    assert wait_for_news(child) == ("sample cannot be started (File exists); trying again in 10 s")


def test_stopping_takes_the_grandchildren_along(make_child: MakeChild, tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    child = make_child(
        "import subprocess, pathlib;"
        "p = subprocess.Popen(['sleep', '60']);"
        f"pathlib.Path({str(note)!r}).write_text(str(p.pid)); {SLEEPS}"
    )
    child.start()
    assert processes.wait_gone(lambda: not (note.exists() and note.read_text()), timeout_s=10)
    grandchild = int(note.read_text())

    # A program is started a moment before the system tells its words.
    assert processes.wait_gone(lambda: not processes.runs(grandchild, "sleep"), timeout_s=2)
    child.stop()
    assert processes.wait_gone(lambda: processes.runs(grandchild, "sleep"), timeout_s=2)
    assert not child.pid_path.exists()


def test_a_child_deaf_to_sigterm_is_killed(
    make_child: MakeChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leanvibe_server.launch.children._STOP_TIMEOUT_S", 0.3)
    child = make_child(f"print('deaf', flush=True); {IGNORES_TERM}")
    child.start()
    assert processes.wait_gone(lambda: "deaf" not in child.last_lines(), timeout_s=10)
    pid = read_pid(child)

    child.stop()
    assert processes.find_command(pid) is None


def test_a_stray_of_this_home_is_stopped_before_the_start(
    make_child: MakeChild, tmp_path: Path
) -> None:
    stray = make_child(SLEEPS)
    stray.start()
    pid = read_pid(stray)

    make_child(SLEEPS).clear_stray()
    assert wait_for_news(stray).startswith("sample ended (killed by SIGTERM)")
    assert processes.find_command(pid) is None


def test_a_pid_that_now_belongs_to_someone_else_is_left_alone(
    make_child: MakeChild, tmp_path: Path
) -> None:
    neighbour = Child(
        Program("neighbour", (sys.executable, "-c", SLEEPS)),
        home=tmp_path / "elsewhere",
        env={**os.environ, "LEANVIBE_HOME": str(tmp_path / "elsewhere")},
    )
    neighbour.start()
    child = make_child(SLEEPS)
    child.pid_path.parent.mkdir(exist_ok=True)
    child.pid_path.write_text(neighbour.pid_path.read_text())

    child.clear_stray()
    assert processes.runs(read_pid(neighbour), SLEEPS)
    neighbour.stop()


def test_only_error_lines_reach_the_terminal(make_child: MakeChild) -> None:
    lines = [
        "2026-01-01T00:00:00Z [info     ] all is well",
        "2026-01-01T00:00:00Z [error    ] the disk is on fire",
        '{"event": "lost", "level": "critical"}',
    ]
    child = make_child(f"print({chr(10).join(lines)!r}, flush=True); {SLEEPS}")
    child.start()
    assert processes.wait_gone(lambda: "critical" not in child.last_lines(), timeout_s=10)

    assert child.new_errors() == lines[1:]
    assert child.new_errors() == []
