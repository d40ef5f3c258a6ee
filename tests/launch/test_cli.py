"""The operator's commands, run as an operator runs them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all of these commands."""
    return tmp_path_factory.mktemp("operator")


@pytest.fixture(scope="module")
def run(directory: Path) -> Run:
    def run_command(*words: str, stdin: str = "", **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "leanvibe_server.cli", *words],
            cwd=directory,
            env={**os.environ, "LEANVIBE_HOME": str(directory / "home"), **env},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    return run_command


@pytest.fixture(scope="module")
def migrated(run: Run) -> Run:
    done = run("migrate")
    assert (done.stdout, done.stderr) == ("The database is up to date.\n", "")
    return run


def test_a_first_admin_needs_a_migrated_database(run: Run, tmp_path: Path) -> None:
    done = run("admin", "create", "--email", "ada@corp.example", LEANVIBE_HOME=str(tmp_path))

    assert done.returncode == 1
    assert done.stderr == (
        "leanvibe-server: The database has not been set up yet: "
        "run `leanvibe-server migrate` first.\n"
    )


def test_an_admin_without_a_password_gets_a_link_to_choose_one(migrated: Run) -> None:
    done = migrated(
        "admin", "create", "--email", "ada@corp.example", PUBLIC_URL="https://lv.corp.example"
    )

    first, second = done.stdout.splitlines()
    assert first == "ada@corp.example is a platform admin."
    assert second.startswith("They choose a password at https://lv.corp.example/invitations/")


def test_an_admin_with_a_password_is_made_once(migrated: Run) -> None:
    words = ("admin", "create", "--email", "grace@corp.example", "--password-stdin")
    made = migrated(*words, stdin="correct horse battery\n")
    again = migrated(*words, stdin="correct horse battery\n")

    assert made.stdout == "grace@corp.example is a platform admin.\n"
    assert again.returncode == 1
    assert again.stderr == ("leanvibe-server: grace@corp.example is a platform admin already.\n")


def test_a_weak_password_is_refused_in_one_line(migrated: Run) -> None:
    words = ("admin", "create", "--email", "eve@corp.example", "--password-stdin")
    done = migrated(*words, stdin="short\n")

    assert done.returncode == 1
    assert done.stderr == ("leanvibe-server: The password must have at least 15 characters.\n")


@pytest.mark.parametrize(
    ("env", "line"),
    [
        ({"PORT": "many"}, "PORT must be a whole number, not 'many'."),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL must be debug or info or warning or error, not 'loud'."),
        (
            {"TRUSTED_PROXIES": "foo"},
            "TRUSTED_PROXIES must be addresses or networks with commas between, "
            "like 10.0.0.5,192.168.0.0/16; 'foo' is neither.",
        ),
        (
            {"WORKER_CONCURRENCY": "0"},
            "WORKER_CONCURRENCY must be at least 1, not 0; the default is 4.",
        ),
        (
            {"DATABASE_URL": "mysql://a:hush@db/x"},
            "DATABASE_URL must be like postgresql://user:password@host:5432/database.",
        ),
        (
            {"ENVIRONMENT": "production"},
            "ENVIRONMENT=production needs PUBLIC_URL, DATABASE_URL, MASTER_KEY.",
        ),
        (
            {"DATABASE_URL": "postgresql://a:hush@127.0.0.1:1/x"},
            "DATABASE_URL: no connection to 127.0.0.1:1/x: connection refused",
        ),
    ],
)
def test_unusable_settings_are_refused_in_one_line(
    run: Run, env: dict[str, str], line: str
) -> None:
    done = run("start", **env)

    assert done.returncode == 1
    assert done.stderr == f"leanvibe-server: {line}\n"


@pytest.mark.parametrize("command", [("start",), ("migrate",), ("demo", "reset")])
@pytest.mark.parametrize("below", ["file", "file/home"])
def test_a_home_with_a_file_in_its_way_is_refused_in_one_line(
    run: Run, tmp_path: Path, command: tuple[str, ...], below: str
) -> None:
    (tmp_path / "file").touch()
    home = tmp_path / below
    done = run(*command, LEANVIBE_HOME=str(home))

    assert done.returncode == 1
    assert done.stderr == (
        f"leanvibe-server: LEANVIBE_HOME {home} cannot be written: {tmp_path / 'file'} is a file\n"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_a_home_that_cannot_be_made_is_refused_in_one_line(run: Run) -> None:
    done = run("start", LEANVIBE_HOME="/proc/x")

    assert done.returncode == 1
    assert done.stderr == (
        "leanvibe-server: LEANVIBE_HOME /proc/x cannot be written: "
        "/proc/x: no such file or directory\n"
    )


def test_serving_without_a_database_is_refused(run: Run, tmp_path: Path) -> None:
    done = run("serve", LEANVIBE_HOME=str(tmp_path))

    assert done.stderr == (
        "leanvibe-server: No database runs: set DATABASE_URL, or use `leanvibe-server start`.\n"
    )


def test_a_setting_in_the_env_file_counts(run: Run, directory: Path) -> None:
    (directory / ".env").write_text("PORT=99999\n")
    try:
        assert run("doctor").stderr == (
            "leanvibe-server: PORT must be between 1 and 65535, not 99999.\n"
        )
    finally:
        (directory / ".env").unlink()


def test_the_demo_is_shown_only_when_there_is_one(run: Run, tmp_path: Path) -> None:
    done = run("demo", "show", LEANVIBE_HOME=str(tmp_path))

    assert done.stderr == (
        f"leanvibe-server: There is no demo in {tmp_path}: ./start.sh makes it.\n"
    )


def test_the_doctor_looks_at_everything_a_start_needs(migrated: Run) -> None:
    done = migrated("doctor", SANDBOX="none")

    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "✓ Python",
        "✓ git",
        "✓ Disk",
        "✓ PostgreSQL",
        "✓ Sandbox",
        lines[-1].partition(":")[0],
    ]
    assert lines[-1].partition(":")[0].endswith(" Port")


def test_the_doctor_says_what_is_wrong_and_fails(migrated: Run) -> None:
    done = migrated("doctor", SANDBOX="none", DATABASE_URL="postgresql://a@127.0.0.1:1/x")

    assert done.returncode == 1
    assert "✗ PostgreSQL: DATABASE_URL: no connection to 127.0.0.1:1/x" in done.stdout


def test_signing_keys_are_rotated_and_listed(migrated: Run) -> None:
    first = migrated("keys", "rotate")
    assert first.returncode == 0, first.stderr
    second = migrated("keys", "rotate")
    kid = second.stdout.split("the key ")[1].split(",")[0]
    listed = migrated("keys", "list").stdout.splitlines()
    assert listed[-1].startswith(kid)
    assert listed[-1].endswith("signs")
    assert all("verifies until" in line for line in listed[:-1])
    migrated("keys", "rotate", "--now")
    assert len(migrated("keys", "list").stdout.splitlines()) == 1


def test_a_shared_secret_is_rotated_by_its_setting(migrated: Run) -> None:
    done = migrated("keys", "rotate", JWT_SECRET="s" * 32)
    assert done.returncode == 1
    assert "JWT_SECRET" in done.stderr


def test_only_commands_that_work_on_the_data_load_the_house() -> None:
    """`--help`, `doctor`, `serve` and `worker` answer at once."""
    heavy = {"leanvibe_server.wiring", "fastapi", "sqlalchemy"}
    code = f"import leanvibe_server.cli, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_what_serves_loads_nothing_that_only_a_migration_needs() -> None:
    code = "import leanvibe_server.app, sys; print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
