"""The supervisor as a process: what dies comes back, and when it ends nothing stays behind."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from leanvibe_server.kernel.config import Settings
from leanvibe_server.launch import installation as launch
from leanvibe_server.launch import processes
from leanvibe_server.launch.children import ChildFails, Program
from leanvibe_server.launch.errors import LaunchError
from leanvibe_server.launch.supervisor import Supervisor

SCRIPT = Path(__file__).with_name("small_installation.py")
NAMES = ("api", "worker", "postgres")
SLEEPING = Program("worker", (sys.executable, "-c", "import time; time.sleep(60)"))


class Installation:
    """One running small installation."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(home)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_ready(self) -> "Installation":
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        return self

    def read_pid(self, name: str) -> int | None:
        return processes.read_pid(self.home / "run" / f"{name}.pid")

    def read_pids(self) -> dict[str, int]:
        pids = {name: self.read_pid(name) for name in NAMES}
        return {name: pid for name, pid in pids.items() if pid is not None}

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=30)
        return self.process.returncode


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    yield home
    supervisor = processes.read_pid(home / "run" / "supervisor.pid")
    processes.stop_stray(supervisor, str(SCRIPT))


@pytest.fixture
def installation(home: Path) -> Iterator[Installation]:
    installation = Installation(home).wait_ready()
    yield installation
    installation.end(signal.SIGTERM)


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_killed_comes_back(installation: Installation, name: str) -> None:
    killed = installation.read_pids()[name]
    os.kill(killed, signal.SIGKILL)

    def is_dead() -> bool:
        pid = installation.read_pid(name)
        return pid == killed or not processes.runs(pid)

    assert processes.wait_gone(is_dead, timeout_s=10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_leaves_no_process(home: Path, number: signal.Signals) -> None:
    installation = Installation(home).wait_ready()
    pids = installation.read_pids()
    assert len(pids) == len(NAMES)

    assert installation.end(number) == 0
    assert [name for name, pid in pids.items() if processes.find_command(pid)] == []
    assert installation.read_pids() == {}


def test_a_second_start_names_the_first_and_leaves_it_alone(installation: Installation) -> None:
    before = installation.read_pids()
    second = Installation(installation.home)
    _, said = second.process.communicate(timeout=30)

    pid = installation.process.pid
    assert second.process.returncode == 1
    assert said == (
        f"LeanVibe is already running from {installation.home}, pid {pid}. "
        f"Stop it with: kill {pid}\n"
    )
    assert installation.read_pids() == before
    assert all(processes.runs(pid) for pid in before.values())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of the death")
def test_the_children_die_with_a_killed_supervisor(home: Path) -> None:
    installation = Installation(home).wait_ready()
    pids = installation.read_pids()

    installation.end(signal.SIGKILL)
    alive = lambda: any(processes.find_command(pid) for pid in pids.values())  # noqa: E731
    assert processes.wait_gone(alive, timeout_s=10)


def test_a_start_after_a_killed_supervisor_works_at_once(home: Path) -> None:
    first = Installation(home).wait_ready()
    first.end(signal.SIGKILL)

    second = Installation(home).wait_ready()
    assert all(processes.runs(pid) for pid in second.read_pids().values())
    assert second.end(signal.SIGTERM) == 0


def test_a_child_that_always_fails_ends_the_start(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, postgres=None, say=lambda _line: None)
    failing = Program("api", (sys.executable, "-c", "raise SystemExit('no such setting')"))
    supervisor.start_children((SLEEPING, failing), env=os.environ)
    try:
        with pytest.raises(ChildFails, match=r"^api ended 3 times(.|\n)*no such setting$"):
            supervisor.run_until(lambda: False, timeout_s=60, starting=True)
    finally:
        supervisor.stop()


def test_a_start_that_is_never_ready_ends_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "_READY_TIMEOUT_S", 0.3)
    supervisor = Supervisor(tmp_path, postgres=None)
    supervisor.start_children((SLEEPING,), env=os.environ)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = Settings(leanvibe_home=tmp_path, port=silent.getsockname()[1])
        try:
            with pytest.raises(LaunchError) as refusal:
                launch.wait_ready(supervisor, settings)
        finally:
            supervisor.stop()

    assert str(refusal.value) == (f"The API was not ready after 0.3 s: see {tmp_path}/logs/api.log")
