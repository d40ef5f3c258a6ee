"""A real sandbox and real repositories for the engine's tests."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import UUID

import pytest

from leanvibe_server.engine.bubblewrap import BubblewrapSandbox
from leanvibe_server.engine.sandbox import Sandbox
from leanvibe_server.engine.workspace import Workspace
from leanvibe_server.kernel.errors import SandboxUnavailable
from leanvibe_server.projects.git import GitLimits, fetch_mirror
from leanvibe_server.projects.remote_urls import check_repository_url
from tests.engine.repositories import Repository, make_repository

TENANT = UUID("01932d3a-7e3c-7000-8000-000000000001")
MakeRepository = Callable[[dict[str, str | bytes]], Repository]
CheckOut = Callable[[Repository], Awaitable[Workspace]]


@pytest.fixture
async def sandbox(tmp_path: Path) -> Sandbox:
    box = BubblewrapSandbox(home=tmp_path / "home")
    try:
        await box.check()
    except SandboxUnavailable as refusal:
        pytest.skip(f"NOT TESTED, NO SANDBOX ON THIS MACHINE: {refusal.message}")
    return box


@pytest.fixture
def room(tmp_path: Path, sandbox: Sandbox) -> Path:
    """An empty workspace of a tenant."""
    path = tmp_path / "room"
    path.mkdir()
    sandbox.claim(path, TENANT)
    return path


@pytest.fixture
def repository(tmp_path: Path) -> MakeRepository:
    """Make the user's repository out of some files."""
    return lambda files: make_repository(tmp_path / "theirs", files)


@pytest.fixture
async def check_out(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[CheckOut]:
    """Mirror a repository and check out its head in a workspace, as a task does."""
    opened: list[Workspace] = []

    async def open_workspace(theirs: Repository) -> Workspace:
        url = check_repository_url(theirs.url, production=False, home=tmp_path / "home")
        mirror = tmp_path / "home" / "mirrors" / "project.git"
        head = await fetch_mirror(url, mirror, None, GitLimits())
        workspace = await Workspace.open(
            sandbox,
            mirror,
            head.require_commit(),
            tmp_path / "home" / "workspaces" / str(len(opened)),
            tenant_id=TENANT,
        )
        opened.append(workspace)
        return workspace

    yield open_workspace
    for workspace in opened:
        await workspace.close()
