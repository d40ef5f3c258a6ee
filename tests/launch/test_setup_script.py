"""The shell part of the set-up: what it finds, what it refuses, in one line."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "scripts" / "setup.sh"
BASE_PROGRAMS = ("awk", "cat", "date", "df", "grep", "head", "id", "mkdir", "rm", "sort", "tail")

Run = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """The programs of a pretended system: only the base ones, so no Python and no apt-get."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in BASE_PROGRAMS:
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    return programs


@pytest.fixture
def run(tmp_path: Path, system: Path) -> Run:
    clone = tmp_path / "clone"
    (clone / ".tools").mkdir(parents=True)
    bash = shutil.which("bash")
    assert bash is not None

    def run_in_clone(command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [bash, "-c", f"source {SETUP}; {command}"],
            cwd=clone,
            env={"PATH": str(system), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run_in_clone


def add(system: Path, name: str, script: str) -> None:
    path = system / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def old_python(system: Path) -> None:
    add(system, "python3", 'case "$1" in -V) echo "Python 3.9.2" ;; *) exit 1 ;; esac')


def test_no_python_is_one_clear_line(run: Run) -> None:
    done = run("require_python")

    assert done.returncode == 1
    assert done.stderr == (
        "leanvibe: Python 3.11 or newer is needed (none was found). "
        "Install it with your system's package manager.\n"
    )


def test_an_old_python_is_named(run: Run, system: Path) -> None:
    old_python(system)

    assert "needed (found Python 3.9.2)" in run("require_python").stderr


def test_on_debian_an_ordinary_user_is_told_the_command(run: Run, system: Path) -> None:
    old_python(system)
    add(system, "apt-get", "exit 1")
    (system / "id").unlink()
    add(system, "id", "echo 1000")

    done = run("require_python")
    assert done.stderr.endswith("Run: sudo apt-get install -y python3 python3-venv\n")
    assert done.stderr.count("\n") == 1


def test_what_only_some_tests_need_is_asked_for_without_insisting(run: Run, system: Path) -> None:
    add(system, "apt-get", "exit 1")
    (system / "id").unlink()
    add(system, "id", "echo 1000")
    wanting = 'want_packages "The browser test needs Chromium." chromium; echo on'

    assert run(wanting).stdout == (
        "  The browser test needs Chromium. Run: sudo apt-get install -y chromium\non\n"
    )
    assert run(f"CI=true; {wanting}").returncode == 1


def test_root_on_a_fresh_debian_gets_it_installed(run: Run, system: Path) -> None:
    (system / "id").unlink()
    add(system, "id", "echo 0")
    add(system, "env", 'shift; exec "$@"')
    lists, python = system / "lists", system / "python3"
    add(
        system,
        "apt-get",
        f"""case "$1" in
    update) : > {lists} ;;
    install) [ -e {lists} ] || exit 100
        printf '#!/bin/sh\\necho /usr/bin/python3\\n' > {python}
        {shutil.which("chmod")} 755 {python} ;;
esac""",
    )

    done = run('require_python; echo "python is $PYTHON"')
    assert done.stdout.endswith("python is /usr/bin/python3\n")


def test_the_newest_suitable_python_is_taken(run: Run, system: Path) -> None:
    old_python(system)
    add(system, "python3.12", 'case "$2" in *exec*) echo /opt/python3.12 ;; esac')

    assert run('require_python; echo "$PYTHON"').stdout == "/opt/python3.12\n"


def test_a_python_without_venv_names_its_package(run: Run, system: Path) -> None:
    add(
        system,
        "python3.12",
        'case "$2" in *ensurepip*) exit 1 ;; *print*version*) echo 3.12 ;; *) echo "$0" ;; esac',
    )
    add(system, "apt-get", "exit 1")
    (system / "id").unlink()
    add(system, "id", "echo 1000")

    done = run("require_python; require_uv")
    assert done.stderr == (
        "leanvibe: Python's venv module is missing. Run: sudo apt-get install -y python3.12-venv\n"
    )


@pytest.mark.parametrize(
    ("version", "taken"), [("0.8.0", True), ("0.13.8", True), ("1.0.0", True), ("0.7.99", False)]
)
def test_a_uv_of_the_system_is_taken_when_it_is_new_enough(
    run: Run, system: Path, version: str, taken: bool
) -> None:
    add(system, "uv", f"echo 'uv {version} (sample)'")

    assert (run("uv_is_new_enough uv").returncode == 0) is taken


def test_a_full_disk_is_one_clear_line(run: Run, system: Path) -> None:
    (system / "df").unlink()
    add(system, "df", "echo Filesystem; echo 'none 100000 90000 10000 90% /'")

    done = run("require_space")
    assert done.stderr.startswith("leanvibe: No space left on the disk of ")
    assert done.stderr.endswith("700 MB are needed, 10 MB are free.\n")


def test_a_disk_that_fills_up_during_a_stage_is_named_as_the_cause(run: Run, system: Path) -> None:
    add(system, "fill", "echo 'error: No space left on device (os error 28)'; exit 2")

    done = run("stage Packages fill")
    assert done.stdout == "  Packages                 failed\n"
    assert done.stderr.startswith("leanvibe: No space left on the disk of ")


def test_a_stage_that_fails_shows_why_and_where_the_rest_is(run: Run, system: Path) -> None:
    add(system, "fetch", "echo 'no route to host'; exit 1")

    done = run("stage Packages fetch; echo unreachable")
    assert done.returncode == 1
    assert "unreachable" not in done.stdout
    assert done.stderr.splitlines()[0] == "no route to host"
    assert done.stderr.splitlines()[1].startswith("leanvibe: Packages failed; all of its output")


def test_packages_that_cannot_be_had_stop_the_start(run: Run, system: Path) -> None:
    add(system, "uv", 'case "$2" in sync) echo "no route to host"; exit 2 ;; esac')

    done = run("UV=uv; stage Packages install_locked some.lock; echo unreachable")
    assert "unreachable" not in done.stdout
    assert done.stderr.startswith("no route to host\n")


def test_an_environment_is_made_anew_only_when_its_sources_change(run: Run, system: Path) -> None:
    assert os.access(SETUP.parent.parent / "start.sh", os.X_OK)
    clone = system.parent / "clone"
    (clone / ".venv" / "bin").mkdir(parents=True)
    add(clone / ".venv" / "bin", "python", "exit 0")
    (system / "cksum").symlink_to(shutil.which("cksum") or "")
    for name in ("pyproject.toml", "sdks/python/pyproject.toml", "scripts/build.lock", "some.lock"):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_text("first\n")
    made = run("describe_sources some.lock")
    (clone / ".venv" / "made-from").write_text(made.stdout)

    assert run("require_space() { echo making; exit; }; make_environment some.lock").stdout == ""
    (clone / "some.lock").write_text("second\n")
    assert (
        run("require_space() { echo making; exit; }; make_environment some.lock").stdout
        == "making\n"
    )
