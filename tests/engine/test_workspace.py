"""A workspace: checked out, changed, compared and resumed inside the sandbox."""

from pathlib import Path

import pytest

from leanvibe_server.engine.sandbox import DEPENDENCIES, PYTHON, Limits, Sandbox, ToolFailed
from leanvibe_server.engine.unconfined import NoSandboxForeignCodeRunsUnconfined
from leanvibe_server.engine.workspace import Workspace
from tests.engine.conftest import TENANT, CheckOut, MakeRepository

LIMITS = Limits(wall_s=30)


async def change(workspace: Workspace, script: str) -> None:
    outcome = await workspace.run(["sh", "-c", script], limits=LIMITS)
    assert outcome.ok, outcome.stderr.decode()


async def test_the_head_is_checked_out_as_the_current_directory(
    repository: MakeRepository, check_out: CheckOut
) -> None:
    workspace = await check_out(repository({"a.py": "x = 1\n", "pkg/b.py": "y = 2\n"}))
    outcome = await workspace.run(["sh", "-c", "pwd; cat a.py pkg/b.py"], limits=LIMITS)
    assert outcome.stdout == b"/workspace\nx = 1\ny = 2\n"


async def test_an_untouched_tree_has_an_empty_snapshot(
    repository: MakeRepository, check_out: CheckOut
) -> None:
    workspace = await check_out(repository({"a.py": "x = 1\n"}))
    assert await workspace.snapshot() == b""


async def test_a_snapshot_holds_changed_new_and_deleted_files_and_modes(
    repository: MakeRepository, check_out: CheckOut
) -> None:
    workspace = await check_out(repository({"a.py": "x = 1\n", "b.py": "", "c.sh": "true\n"}))
    await change(workspace, "echo 'x = 2' > a.py; rm b.py; chmod +x c.sh; echo new > d.txt")
    patch = await workspace.snapshot()
    for part in (
        *(b"-x = 1\n+x = 2\n", b"deleted file mode 100644", b"old mode 100644\nnew mode 100755"),
        b"diff --git a/d.txt b/d.txt\nnew file mode 100644",
    ):
        assert part in patch


async def test_what_tools_leave_behind_is_not_part_of_a_snapshot(
    repository: MakeRepository, check_out: CheckOut
) -> None:
    workspace = await check_out(repository({".gitignore": "build/\n", "a.py": "x = 1\n"}))
    await change(
        workspace,
        "mkdir -p __pycache__ .pytest_cache build; touch __pycache__/a.cpython-311.pyc"
        " .pytest_cache/x build/x .coverage",
    )
    assert await workspace.snapshot() == b""


async def test_a_snapshot_is_the_same_each_time_and_in_each_workspace(
    repository: MakeRepository, check_out: CheckOut, sandbox: Sandbox, tmp_path: Path
) -> None:
    workspace = await check_out(repository({"a.py": "x = 1\n"}))
    await change(
        workspace, "printf 'x = 2\\r\\n' > a.py; head -c 300 /dev/zero > bin; ln -s a.py l"
    )
    patch = await workspace.snapshot()
    assert await workspace.snapshot() == patch
    resumed = await Workspace.open(
        sandbox,
        workspace.mirror_dir,
        workspace.base_commit,
        tmp_path / "resumed",
        tenant_id=TENANT,
        patch=patch,
    )
    assert await resumed.snapshot() == patch
    await resumed.close()


async def test_opening_anew_wipes_what_a_killed_worker_left(
    repository: MakeRepository, check_out: CheckOut, sandbox: Sandbox
) -> None:
    workspace = await check_out(repository({"a.py": "x = 1\n"}))
    await change(workspace, "echo half > a.py; echo done > b.py")
    again = await Workspace.open(
        sandbox,
        workspace.mirror_dir,
        workspace.base_commit,
        workspace.directory,
        tenant_id=TENANT,
    )
    assert await again.snapshot() == b""


async def test_git_can_be_read_but_not_written_by_what_runs(
    repository: MakeRepository, check_out: CheckOut
) -> None:
    workspace = await check_out(repository({"a.py": "x = 1\n"}))
    log = await workspace.run(["git", "log", "--format=%s"], limits=LIMITS)
    assert log.stdout == b"A change\n"
    config = await workspace.run(["git", "config", "core.hooksPath", "/workspace"], limits=LIMITS)
    assert config.exit_code != 0


async def test_dependencies_are_first_on_the_path_of_the_tests(
    repository: MakeRepository, check_out: CheckOut, tmp_path: Path
) -> None:
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "ruff.py").write_text("origin = 'the project'\n")
    workspace = await check_out(repository({"a.py": ""}))
    code = "import ruff; print(ruff.origin, ruff.__file__)"
    outcome = await workspace.run([PYTHON, "-c", code], limits=LIMITS, dependencies=folder)
    assert outcome.stdout.decode().split() == ["the", "project", f"{DEPENDENCIES}/ruff.py"]


async def test_a_commit_that_is_not_in_the_mirror_is_a_clear_failure(
    repository: MakeRepository, check_out: CheckOut, sandbox: Sandbox, tmp_path: Path
) -> None:
    workspace = await check_out(repository({"a.py": ""}))
    with pytest.raises(ToolFailed, match="git checkout"):
        await Workspace.open(
            sandbox, workspace.mirror_dir, "0" * 39 + "1", tmp_path / "x", tenant_id=TENANT
        )


async def test_without_a_sandbox_a_workspace_works_the_same(
    repository: MakeRepository, check_out: CheckOut, tmp_path: Path
) -> None:
    walled = await check_out(repository({"a.py": "x = 1\n"}))
    open_air = await Workspace.open(
        NoSandboxForeignCodeRunsUnconfined(),
        walled.mirror_dir,
        walled.base_commit,
        tmp_path / "open-air",
        tenant_id=TENANT,
    )
    for workspace in (walled, open_air):
        await change(workspace, "echo 'x = 2' > a.py; git log -1")
    assert await open_air.snapshot() == await walled.snapshot() != b""
    await open_air.close()


async def test_a_closed_workspace_is_gone(repository: MakeRepository, check_out: CheckOut) -> None:
    workspace = await check_out(repository({"a.py": ""}))
    await workspace.close()
    await workspace.close()
    assert not workspace.directory.exists()
