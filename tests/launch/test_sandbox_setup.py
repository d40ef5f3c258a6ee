"""The sandbox is set up where that is possible, and the one command is named where it is not."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from leanvibe_server.launch.sandbox_setup import SandboxState, check_sandbox, ensure_sandbox

pytestmark = pytest.mark.skipif(os.uname().sysname != "Linux", reason="bubblewrap needs Linux")

AddProgram = Callable[[str, str], None]


@pytest.fixture
def add_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AddProgram:
    """Programs of a pretended system, which are the only ones there are."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def add(name: str, script: str) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return add


def be_user(monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)


def check() -> SandboxState:
    """Stands for the real trial: a sandbox runs when bubblewrap is there."""
    there = shutil.which("bwrap") is not None
    return SandboxState(ready=there, reason="" if there else "it is missing")


def test_the_real_trial_gives_an_answer_a_person_can_act_on(tmp_path: Path) -> None:
    state = check_sandbox(tmp_path)

    assert state.ready or (state.reason and state.command)


def test_a_missing_bubblewrap_is_named_with_the_command_that_installs_it(
    add_program: AddProgram, tmp_path: Path
) -> None:
    add_program("apt-get", "exit 1")

    state = check_sandbox(tmp_path)
    assert (state.ready, state.reason) == (False, "bubblewrap is not installed")
    assert state.command.endswith("apt-get install -y bubblewrap")


def test_nothing_is_installed_where_a_sandbox_runs(add_program: AddProgram, tmp_path: Path) -> None:
    add_program("bwrap", "exit 0")
    add_program("apt-get", f": > {tmp_path}/called")

    assert ensure_sandbox(check).ready
    assert not (tmp_path / "called").exists()


def test_a_bubblewrap_that_may_not_run_is_not_installed_again(
    add_program: AddProgram, tmp_path: Path
) -> None:
    add_program("bwrap", "exit 1")
    add_program("apt-get", f": > {tmp_path}/called")
    closed = SandboxState(ready=False, reason="closed", command="sysctl")

    assert ensure_sandbox(lambda: closed) == closed
    assert not (tmp_path / "called").exists()


def test_an_ordinary_user_keeps_the_state_as_it_is(
    add_program: AddProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_user(monkeypatch, 1000)
    add_program("apt-get", "exit 0")
    add_program("sudo", "exit 1")

    assert ensure_sandbox(check) == SandboxState(ready=False, reason="it is missing")


def test_root_gets_it_installed_after_fetching_the_package_lists(
    add_program: AddProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_user(monkeypatch, 0)
    add_program(
        "apt-get",
        f"""cd {tmp_path}
case "$1" in
    update) : > lists ;;
    install) [ -e lists ] || exit 100; printf '#!/bin/sh\\n' > bwrap; /bin/chmod 755 bwrap ;;
esac""",
    )

    assert ensure_sandbox(check).ready


def test_password_less_sudo_is_as_good_as_root(
    add_program: AddProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_user(monkeypatch, 1000)
    add_program("true", "exit 0")
    add_program("sudo", '[ "$1" = -n ] || exit 1; shift; AS_ROOT=1 exec "$@"')
    add_program(
        "apt-get",
        f"""[ "$AS_ROOT" ] || exit 100
cd {tmp_path}; printf '#!/bin/sh\\n' > bwrap; /bin/chmod 755 bwrap""",
    )

    assert ensure_sandbox(check).ready
