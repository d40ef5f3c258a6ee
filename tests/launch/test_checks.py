"""What is refused before anything starts, in one line each."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from leanvibe_server.launch import checks
from leanvibe_server.launch.errors import DatabaseFailed, LaunchError
from leanvibe_server.launch.postgres import EmbeddedPostgres


class DiskUsage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_port_in_use_is_refused_with_its_number() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LaunchError, match=rf"^Port {port} on 127.0.0.1 .*in use.*PORT="):
            checks.check_port("127.0.0.1", port)

    checks.check_port("127.0.0.1", port)


def test_a_host_that_is_not_ours_is_refused() -> None:
    with pytest.raises(LaunchError, match=r"192\.0\.2\.1"):
        checks.check_port("192.0.2.1", 8765)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://admin:hush@127.0.0.1:1/product",
        "postgresql://admin:hush@127.0.0.1:port/product",
        "mysql://admin:hush@127.0.0.1/product",
    ],
)
def test_an_unusable_database_url_is_refused_without_its_password(dsn: str) -> None:
    with pytest.raises(DatabaseFailed, match=r"^DATABASE_URL: no connection") as refusal:
        checks.check_database(dsn)

    assert "hush" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_reachable_new_enough_database_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres = EmbeddedPostgres(tmp_path, durable=False)
    try:
        dsn = postgres.start()
        checks.check_database(dsn)

        monkeypatch.setattr(checks, "OLDEST_POSTGRES", 99)
        with pytest.raises(DatabaseFailed, match="is PostgreSQL 18; 99 or newer is needed"):
            checks.check_database(dsn)
    finally:
        postgres.stop()


def test_a_nearly_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: DiskUsage(10**9, 10**9, 10**6))

    with pytest.raises(LaunchError, match="No space left on the disk of"):
        checks.check_disk(tmp_path)


def test_a_disk_that_fills_up_during_the_set_up_is_named_as_the_cause(tmp_path: Path) -> None:
    mount = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]
    small_disk = f"mount -t tmpfs -o size=20m none {tmp_path}"
    if subprocess.run([*mount, small_disk], capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    program = (
        "import sys; from pathlib import Path;"
        "from leanvibe_server.launch.postgres import EmbeddedPostgres;"
        "from leanvibe_server.launch.errors import LaunchError\n"
        "try: EmbeddedPostgres(Path(sys.argv[1]) / 'home').start()\n"
        "except LaunchError as error: print(error)"
    )
    done = subprocess.run(
        [*mount, f'{small_disk}; exec "$@"', "sh", sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == (
        f"No space left on the disk of {tmp_path}/home: free some and start again.\n"
    )
