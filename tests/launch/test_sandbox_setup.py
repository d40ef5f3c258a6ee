"""The sandbox is set up where that is possible, and the one command is named where it is not."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from leanvibe_server.launch import sandbox_setup
from leanvibe_server.launch.sandbox_setup import check_sandbox, ensure_sandbox

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


def test_bubblewrap_that_runs_is_all_that_is_needed(add_program: AddProgram) -> None:
    add_program("bwrap", "exit 0")

    assert ensure_sandbox().ready


def test_bubblewrap_that_is_there_but_may_not_run_is_no_sandbox(add_program: AddProgram) -> None:
    add_program("bwrap", "echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1")

    state = ensure_sandbox()
    assert not state.ready
    assert state.reason == ("bubblewrap does not run: bwrap: setting up uid map: Permission denied")


def test_the_kernel_switch_of_ubuntu_is_named(
    add_program: AddProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch = tmp_path / "apparmor_restrict_unprivileged_userns"
    switch.write_text("1\n")
    monkeypatch.setattr(sandbox_setup, "_APPARMOR_SWITCH", switch)
    add_program("bwrap", "exit 1")

    command = "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    assert check_sandbox().command == command


def test_an_ordinary_user_is_told_the_one_command(
    add_program: AddProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_user(monkeypatch, 1000)
    add_program("apt-get", "exit 0")
    add_program("sudo", "exit 1")

    state = ensure_sandbox()
    assert not state.ready
    assert state.command == "sudo apt-get install -y --no-install-recommends bubblewrap"


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

    assert ensure_sandbox().ready


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

    assert ensure_sandbox().ready
