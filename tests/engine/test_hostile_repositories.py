"""Repositories that mean harm: the host stays whole, and the task gets a clear error."""

import asyncio
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from leanvibe_server.engine.sandbox import PYTHON, Limits, Sandbox
from leanvibe_server.engine.workspace import Workspace
from leanvibe_server.projects.git import GitLimits, fetch_mirror, publish_branch
from leanvibe_server.projects.git_commits import Author, build_commit
from leanvibe_server.projects.git_errors import RepositoryTooLarge
from leanvibe_server.projects.remote_urls import check_repository_url
from tests.engine.conftest import TENANT, CheckOut, MakeRepository
from tests.engine.repositories import count_processes, make_repository, wait_until_started

LIMITS = Limits(wall_s=30, cpu_s=30, memory_mb=256, processes=32, file_mb=16, disk_mb=64)
PYTEST = [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider"]


async def run_tests(workspace: Workspace, limits: Limits = LIMITS) -> str:
    """The report of the repository's own tests, run in the sandbox."""
    outcome = await workspace.run([*PYTEST, "-rA"], limits=limits)
    return outcome.stdout.decode(errors="replace") + outcome.stderr.decode(errors="replace")


async def test_hooks_and_configured_programs_of_a_repository_never_run(
    repository: MakeRepository, check_out: CheckOut, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    theirs = repository({"a.py": "x = 1\n"})
    theirs.plant_hooks(trap)
    workspace = await check_out(theirs)
    await workspace.run(["sh", "-c", "echo y = 2 > b.py"], limits=LIMITS)
    patch = await workspace.snapshot()
    sha = await build_commit(
        workspace.mirror_dir,
        workspace.base_commit,
        patch,
        message="Add b",
        author=Author("Ada", "ada@example.com"),
        committed_at=datetime(2026, 3, 2, 12, 0, tzinfo=UTC),
    )
    url = check_repository_url(theirs.url, production=False, home=tmp_path / "home")
    delivered = await publish_branch(workspace.mirror_dir, url, None, "leanvibe/task-1", sha)
    assert delivered.kind == "branch"
    assert theirs.git("rev-parse", "leanvibe/task-1") == sha
    assert not trap.exists()


async def test_filters_and_settings_planted_by_tests_do_not_reach_git(
    repository: MakeRepository, check_out: CheckOut
) -> None:
    attributes = "*.py filter=evil diff=evil merge=evil\n"
    workspace = await check_out(repository({".gitattributes": attributes, "a.py": "x = 1\n"}))
    plant = """
import os
config = '[filter "evil"]\\nclean = touch /workspace/ran\\nsmudge = touch /workspace/ran\\n' \\
    '[diff "evil"]\\ncommand = touch /workspace/ran\\n[core]\\nfsmonitor = touch /workspace/ran\\n'
for place in ('/git/config', '/workspace/.git/config', '/etc/gitconfig', '/tmp/home/.gitconfig'):
    try:
        open(place, 'a').write(config)
        print(place)
    except OSError:
        pass
os.remove('.git')
os.makedirs('.git/hooks')
open('.git/config', 'w').write(config)
open('a.py', 'w').write('x = 2\\n')
"""
    outcome = await workspace.run([PYTHON, "-c", plant], limits=LIMITS)
    assert outcome.stdout.decode().split() == ["/tmp/home/.gitconfig"]
    patch = await workspace.snapshot()
    assert b"+x = 2" in patch
    assert b"ran" not in patch
    assert not (workspace.tree / "ran").exists()


async def test_links_out_of_the_repository_lead_nowhere(
    repository: MakeRepository, check_out: CheckOut, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary-of-the-host")
    theirs = repository({"a.py": ""})
    for name, target in (("absolute", str(secret)), ("passwd", "/etc/passwd"), ("up", "../..")):
        (theirs.path / name).symlink_to(target)
    theirs.commit()
    workspace = await check_out(theirs)
    outcome = await workspace.run(
        ["sh", "-c", "cat absolute; cat passwd; ls -a up/; echo planted > absolute"],
        limits=LIMITS,
    )
    said = outcome.stdout + outcome.stderr
    assert b"canary" not in said
    assert b"root:" not in said
    assert secret.read_text() == "canary-of-the-host"
    await workspace.close()
    assert secret.exists()


async def test_a_fork_bomb_in_the_tests_stops_at_its_limit(
    repository: MakeRepository, check_out: CheckOut
) -> None:
    mark = f"bomb-{uuid4().hex}"
    bomb = f"""
import subprocess, sys
def test_bomb():
    program = "import os\\nwhile True:\\n    try: os.fork()\\n    except OSError: pass"
    subprocess.run([sys.executable, "-c", program, "{mark}"])
"""
    workspace = await check_out(repository({"test_bomb.py": bomb}))
    run = asyncio.create_task(
        workspace.run(PYTEST, limits=Limits(wall_s=3, processes=32, memory_mb=1024))
    )
    await wait_until_started(mark)
    highest = 0
    while not run.done():
        highest = max(highest, count_processes(mark))
        await asyncio.sleep(0.05)
    outcome = await run
    assert outcome.limit is not None
    assert 2 <= highest <= 32
    assert count_processes(mark) == 0
    assert not list(Path("/sys/fs/cgroup").glob(f"*/leanvibe-{os.getpid()}-*"))


async def test_the_network_is_closed_to_tests(
    repository: MakeRepository, check_out: CheckOut
) -> None:
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    calls = f"""
import socket, pytest
PLACES = [("127.0.0.1", {port}), ("169.254.169.254", 80), ("1.1.1.1", 53)]
@pytest.mark.parametrize("address", PLACES)
def test_address(address):
    with pytest.raises(OSError):
        socket.create_connection(address, timeout=1)
def test_name():
    with pytest.raises(OSError):
        socket.getaddrinfo("example.com", 443)
def test_own_loopback_works():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()
"""
    async with server:
        workspace = await check_out(repository({"test_calls.py": calls}))
        said = await run_tests(workspace)
    assert "5 passed" in said, said


async def test_the_hosts_files_and_processes_are_not_there(
    repository: MakeRepository, check_out: CheckOut, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "master.key").write_text("canary")
    (home / "master.key").chmod(0o644)
    look = f"""
import os, pathlib
def test_look():
    for place in ({str(home)!r}, "/root", "/home", "/var", "/etc/shadow", "/run", {os.getcwd()!r}):
        assert not os.path.exists(place), place
    assert "root" not in pathlib.Path("/etc/passwd").read_text()
    assert {os.getpid()} not in [int(p) for p in os.listdir("/proc") if p.isdigit()]
    assert len([p for p in os.listdir("/proc") if p.isdigit()]) < 5
"""
    said = await run_tests(await check_out(repository({"test_look.py": look})))
    assert "1 passed" in said, said


async def test_a_huge_file_hits_the_file_limit(
    repository: MakeRepository, check_out: CheckOut
) -> None:
    workspace = await check_out(repository({"a.py": ""}))
    code = "open('huge', 'wb').write(bytes(200_000_000))"
    outcome = await workspace.run([PYTHON, "-c", code], limits=LIMITS)
    assert outcome.exit_code != 0
    assert (workspace.tree / "huge").stat().st_size <= 16 * 1024 * 1024


async def test_many_files_hit_the_disk_limit(
    repository: MakeRepository, check_out: CheckOut
) -> None:
    workspace = await check_out(repository({"a.py": ""}))
    code = """
import itertools
for n in itertools.count():
    open(f'f{n}', 'wb').write(bytes(8_000_000))
"""
    limits = Limits(wall_s=30, disk_mb=64, file_mb=16)
    outcome = await workspace.run([PYTHON, "-c", code], limits=limits)
    assert outcome.limit == "disk"
    assert outcome.duration_ms < 20_000


async def test_files_written_faster_than_anyone_looks_are_noticed_at_the_end(
    repository: MakeRepository, check_out: CheckOut
) -> None:
    workspace = await check_out(repository({"a.py": ""}))
    code = "[open(f'f{n}', 'wb').write(bytes(1_000_000)) for n in range(12)]"
    outcome = await workspace.run([PYTHON, "-c", code], limits=Limits(disk_mb=8))
    assert outcome.limit == "disk"
    assert not outcome.ok


async def test_memory_is_limited_for_one_process_and_for_all_together(
    repository: MakeRepository, check_out: CheckOut
) -> None:
    workspace = await check_out(repository({"a.py": ""}))
    one = "x = bytearray(1 << 30)"
    outcome = await workspace.run([PYTHON, "-c", one], limits=LIMITS)
    assert b"MemoryError" in outcome.stderr
    many = """
import os, time
for _ in range(4):
    os.fork()
x = bytearray(os.urandom(1000)) * 60_000
time.sleep(20)
"""
    outcome = await workspace.run([PYTHON, "-c", many], limits=LIMITS)
    assert outcome.limit == "memory"
    assert outcome.duration_ms < 15_000


async def test_endless_output_is_stopped(repository: MakeRepository, check_out: CheckOut) -> None:
    workspace = await check_out(repository({"a.py": ""}))
    outcome = await workspace.run(["yes"], limits=Limits(wall_s=30, output_bytes=100_000))
    assert outcome.limit == "output"
    assert len(outcome.stdout) == 100_000
    assert outcome.duration_ms < 10_000


async def test_names_of_any_bytes_and_binary_content_survive_a_snapshot(
    repository: MakeRepository, check_out: CheckOut, tmp_path: Path, sandbox: Sandbox
) -> None:
    theirs = repository({"line\nbreak.py": "x = 1\n", "sp ace": "1\n", "-rf": "", "bin": b"\0\1"})
    (Path(os.fsdecode(os.fsencode(theirs.path) + b"/\xff\xfe.bin"))).write_bytes(b"\xff\0")
    theirs.commit()
    workspace = await check_out(theirs)
    code = r"""
open(b'\xff\xfe.bin', 'wb').write(b'\xff\0\xff')
open(b'new\n\xfd', 'wb').write(bytes(range(256)))
open('line\nbreak.py', 'w').write('x = 2\n')
open('-rf', 'w').write('now\n')
"""
    assert (await workspace.run([PYTHON, "-c", code], limits=LIMITS)).ok
    patch = await workspace.snapshot()
    again = await Workspace.open(
        sandbox,
        workspace.mirror_dir,
        workspace.base_commit,
        tmp_path / "again",
        tenant_id=TENANT,
        patch=patch,
    )
    assert await again.snapshot() == patch
    await again.close()
    assert not (tmp_path / "again").exists()


async def test_repositories_made_by_tests_are_left_out_of_the_snapshot(
    repository: MakeRepository, check_out: CheckOut
) -> None:
    workspace = await check_out(repository({"a.py": ""}))
    await workspace.run(
        ["sh", "-c", "git init -q inner; echo 1 > inner/x; echo 2 > kept"], limits=LIMITS
    )
    patch = await workspace.snapshot()
    assert b"b/kept" in patch
    assert b"inner" not in patch


async def test_a_workspace_made_hard_to_delete_is_deleted(
    repository: MakeRepository, check_out: CheckOut
) -> None:
    workspace = await check_out(repository({"a.py": ""}))
    code = """
import os
os.makedirs('locked/in'); open('locked/in/f', 'w'); os.chmod('locked/in', 0); os.chmod('locked', 0)
for _ in range(3000):
    os.mkdir('d' * 40); os.chdir('d' * 40)
"""
    assert (await workspace.run([PYTHON, "-c", code], limits=LIMITS)).ok
    await workspace.close()
    assert not workspace.directory.exists()


async def test_cancelling_a_task_in_its_tests_leaves_no_process(
    repository: MakeRepository, check_out: CheckOut
) -> None:
    mark = f"slow-{uuid4().hex}"
    slow = f"""
import subprocess, sys
def test_slow():
    subprocess.run([sys.executable, "-c", "import time; time.sleep(60)", "{mark}"])
"""
    workspace = await check_out(repository({"test_slow.py": slow}))
    run = asyncio.create_task(workspace.run(PYTEST, limits=LIMITS))
    await wait_until_started(mark)
    started = time.monotonic()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert time.monotonic() - started < 1
    assert count_processes(mark) == 0


async def test_a_repository_larger_than_allowed_is_not_fetched(tmp_path: Path) -> None:
    theirs = make_repository(tmp_path / "theirs", {"huge": os.urandom(8_000_000)})
    url = check_repository_url(theirs.url, production=False, home=tmp_path / "home")
    with pytest.raises(RepositoryTooLarge, match="larger than 2 MB"):
        await fetch_mirror(url, tmp_path / "mirror.git", None, GitLimits(max_mb=2))
