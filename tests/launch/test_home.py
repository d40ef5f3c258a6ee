"""The home of an installation: closed to other users, and refused when it cannot be written."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from leanvibe_server.launch.errors import LaunchError
from leanvibe_server.launch.home import make_home

NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
CLOSED = ("repositories", "mirrors", "workspaces", "dependencies", "regions", "run", "logs")


def read_mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_nothing_in_it_can_be_listed_by_others(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_home(home)

    assert read_mode(home) == 0o711
    assert {name: read_mode(home / name) for name in CLOSED} == dict.fromkeys(CLOSED, 0o700)
    assert sorted(path.name for path in home.iterdir()) == sorted(CLOSED)


def test_what_an_earlier_version_left_open_is_closed(tmp_path: Path) -> None:
    tenant = tmp_path / "repositories" / "tenant"
    tenant.mkdir(parents=True)
    (tmp_path / "repositories").chmod(0o755)
    make_home(tmp_path)

    assert read_mode(tmp_path / "repositories") == 0o700
    assert tenant.is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can look as another user")
def test_another_user_finds_no_repository() -> None:
    # pytest's own directories are closed to other users.
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        home = Path(directory) / "home"
        make_home(home)
        (home / "repositories" / "tenant").mkdir()
        words = [*AS_NOBODY, "ls", home / "repositories", home / "repositories" / "tenant"]
        looked = subprocess.run(words, capture_output=True, text=True, check=False)

    assert looked.stdout == ""
    assert looked.stderr.count("Permission denied") == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_home_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o555)

    with pytest.raises(LaunchError, match=f"^LEANVIBE_HOME {home} cannot be written: "):
        make_home(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become another user")
def test_a_home_of_someone_else_is_refused() -> None:
    probe = subprocess.run([*AS_NOBODY, sys.executable, "-c", "import asyncpg"], check=False)
    if probe.returncode != 0:
        pytest.skip("this environment is closed to other users")
    program = (
        "import sys; from pathlib import Path;"
        "from leanvibe_server.launch.errors import LaunchError;"
        "from leanvibe_server.launch.home import make_home\n"
        "try: make_home(Path(sys.argv[1]))\n"
        "except LaunchError as refusal: print(refusal)"
    )
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        done = subprocess.run(
            [*AS_NOBODY, sys.executable, "-c", program, directory],
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.stderr == ""
    assert done.stdout == (
        f"LEANVIBE_HOME {directory} cannot be written: {directory}: permission denied\n"
    )
