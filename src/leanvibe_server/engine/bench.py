"""The workbench of one step: the task, the repository at hand, and a log."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from leanvibe_server.engine.dependencies import provide_dependencies
from leanvibe_server.engine.errors import TaskFailure
from leanvibe_server.engine.live import StepLog
from leanvibe_server.engine.models import Step, Task
from leanvibe_server.engine.requirements import DependenciesUnavailable
from leanvibe_server.engine.sandbox import DEPENDENCIES, Bind, Limits, Sandbox
from leanvibe_server.engine.workspace import Workspace, delete_tree
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.house import House
from leanvibe_server.projects import git
from leanvibe_server.projects import service as projects
from leanvibe_server.projects.git import GitLimits
from leanvibe_server.projects.git_commands import GitCredentials, run_git
from leanvibe_server.projects.models import Project
from leanvibe_server.projects.remote_urls import RepositoryUrl

MAX_TOOL_CALLS = 200


@dataclass(frozen=True)
class Workshop:
    """The tools of a worker's machine, kept in the house. `uv` installs dependencies."""

    sandbox: Sandbox
    uv: Path | None


@dataclass(frozen=True)
class StepResult:
    """What a step leaves behind, committed together.

    `patch` is the whole change since the base commit as it stands after the step; None leaves the
    one before. `columns` are written to the task.
    """

    message: str
    output: dict[str, Any]
    patch: bytes | None = None
    columns: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """What a step works with. No transaction is open while it does."""

    house: House
    shop: Workshop
    task: Task
    project: Project
    step: Step
    patch: bytes
    earlier: Mapping[str, dict[str, Any]]
    log: StepLog
    tool_calls: list[dict[str, Any]] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return self.house.settings

    @property
    def mirror_dir(self) -> Path:
        return mirror_dir(self.house, self.project)

    @property
    def hosted_path(self) -> Path:
        return projects.hosted_path(self.house, self.task.tenant_id, self.project.id)

    @property
    def directory(self) -> Path:
        """A directory for this claim alone: a worker that lost the step can't disturb it."""
        return task_dir(self.house, self.task.tenant_id, self.task.id) / self.step.claim.hex

    @property
    def cache_dir(self) -> Path:
        return self.house.home_of(self.task.tenant_id) / "dependencies" / str(self.task.tenant_id)

    @property
    def address(self) -> RepositoryUrl:
        return projects.address_of(self.house, self.project)

    async def credentials(self) -> GitCredentials | None:
        return await projects.git_credentials(self.house, self.project)

    @property
    def git_limits(self) -> GitLimits:
        return git_limits(self.settings)

    def limits(self) -> Limits:
        """What one program of this step may use."""
        wall_s = float(self.settings.task_timeout_s)
        return Limits(wall_s=wall_s, cpu_s=self.settings.task_timeout_s)

    def require_base(self) -> str:
        """The commit the task works on, known once the requirements are analysed."""
        if self.task.base_commit is None:
            raise RuntimeError(f"task {self.task.id} has no base commit at {self.step.name}")
        return self.task.base_commit

    async def provide_mirror(self) -> None:
        """Make sure that our copy has the base commit, also on a machine that is new to the task.

        Raises: TaskFailure: the repository does not have it any more.
        """
        base = self.require_base()
        if await self._has(base):
            return
        await git.fetch_mirror(
            self.address, self.mirror_dir, await self.credentials(), self.git_limits
        )
        if not await self._has(base):
            raise TaskFailure(
                "base_commit_gone",
                f"The commit {base[:12]} that the work began on is not in the repository any "
                "more. Retry the task to begin on what is there now.",
                {"base_commit": base},
            )

    async def _has(self, commit: str) -> bool:
        if not _is_repository(self.mirror_dir):
            return False
        asked = ["cat-file", "-e", f"{commit}^{{commit}}"]
        found = await run_git(asked, repository=self.mirror_dir, timeout_s=30)
        return found.exit_code == 0

    @asynccontextmanager
    async def workspace(
        self, name: str = "head", *, base_commit: str | None = None, patch: bytes | None = None
    ) -> AsyncIterator[Workspace]:
        """The work tree as the last finished step left it, or as named."""
        workspace = await Workspace.open(
            self.shop.sandbox,
            self.mirror_dir,
            base_commit or self.require_base(),
            self.directory / name,
            tenant_id=self.task.tenant_id,
            patch=self.patch if patch is None else patch,
        )
        try:
            yield workspace
        finally:
            await workspace.close()

    async def provide_dependencies(self, workspace: Workspace) -> tuple[Path | None, str | None]:
        """The folder with what the project's tests need, or why there is none."""
        try:
            folder = await provide_dependencies(
                workspace,
                cache_dir=self.cache_dir,
                uv=self.shop.uv,
                timeout_s=min(300.0, self.settings.task_timeout_s / 2),
            )
        except DependenciesUnavailable as refusal:
            self.log.say(f"The project's dependencies are not there. {refusal.reason}")
            return None, refusal.reason
        return folder, None

    async def ask(
        self,
        workspace: Workspace,
        program: str,
        request: Mapping[str, Any],
        *,
        dependencies: Path | None = None,
        read_only: Sequence[Bind] = (),
    ) -> dict[str, Any]:
        """Run one of our programs on the work tree, and keep a record of the call.

        Raises: ToolFailed: it crashed or passed its limits.
        """
        started = time.monotonic()
        call: dict[str, Any] = {"tool": program, "request": _shown(request), "ok": False}
        try:
            answer = await workspace.inside(
                program,
                request,
                limits=self.limits(),
                env={"PYTHONPATH": DEPENDENCIES} if dependencies else {},
                dependencies=dependencies,
                read_only=read_only,
            )
            call["ok"] = answer.get("ok", True) is not False
            return answer
        finally:
            call["duration_ms"] = round((time.monotonic() - started) * 1000)
            if len(self.tool_calls) < MAX_TOOL_CALLS:
                self.tool_calls.append(call)


def _is_repository(path: Path) -> bool:
    return (path / "HEAD").exists()


def _shown(request: Mapping[str, Any]) -> dict[str, Any]:
    """A request without its bulk: short values only."""
    return {
        key: value
        for key, value in request.items()
        if isinstance(value, str | int | float | bool) and len(str(value)) <= 200
    }


def mirror_dir(house: House, project: Project) -> Path:
    """Where our copy of the project's repository is."""
    return projects.mirror_path(house, project.tenant_id, project.id)


def task_dir(house: House, tenant_id: UUID, task_id: UUID) -> Path:
    """Where the work trees of a task are, while it runs."""
    return house.home_of(tenant_id) / "workspaces" / str(tenant_id) / str(task_id)


def git_limits(settings: Settings) -> GitLimits:
    return GitLimits(
        timeout_s=min(300.0, float(settings.task_timeout_s)), max_mb=settings.max_repository_mb
    )


async def clear_workspaces(house: House, tenant_id: UUID, task_id: UUID) -> None:
    """Delete every work tree of the task: those of this run and what killed workers left."""
    await delete_tree(task_dir(house, tenant_id, task_id))
