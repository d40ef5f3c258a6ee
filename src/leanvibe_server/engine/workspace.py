"""A task's work tree: one commit of a mirror, checked out, changed and compared in the sandbox.

On the host it is a directory with `tree` (the files) and `git` (the repository's own directory,
which no foreign program may write). The host never reads what is in them, and never runs git here.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from leanvibe_server.engine.sandbox import DEPENDENCIES, Bind, Limits, Outcome, Sandbox, run_inside
from leanvibe_server.kernel.processes import run_process

_GIT_LIMITS = Limits(wall_s=300, cpu_s=300, file_mb=2048, disk_mb=4096, output_bytes=256 << 20)
_DELETE_S = 120


@dataclass(frozen=True)
class Workspace:
    """The work tree of one task or of one side of a comparison. Close it when done."""

    sandbox: Sandbox
    mirror_dir: Path
    base_commit: str
    directory: Path

    @classmethod
    async def open(
        cls,
        sandbox: Sandbox,
        mirror_dir: Path,
        base_commit: str,
        directory: Path,
        *,
        tenant_id: UUID,
        patch: bytes = b"",
    ) -> "Workspace":
        """Check out `base_commit`, then apply `patch`, an earlier snapshot. What was in
        `directory` is deleted first, so a killed worker leaves nothing in the way.

        Raises: ToolFailed: the commit is not in the mirror or the patch does not apply.
        """
        await delete_tree(directory)
        workspace = cls(sandbox, mirror_dir, base_commit, directory)
        for folder in (workspace.tree, workspace.git_dir):
            folder.mkdir(parents=True)
            sandbox.claim(folder, tenant_id)
        await workspace._use_git({"action": "open", "patch": base64.b64encode(patch).decode()})
        return workspace

    @property
    def tree(self) -> Path:
        return self.directory / "tree"

    @property
    def git_dir(self) -> Path:
        return self.directory / "git"

    async def snapshot(self) -> bytes:
        """Everything changed since the base commit, new files too, as a binary git patch."""
        answer = await self._use_git({"action": "snapshot"})
        return base64.b64decode(answer["patch"])

    async def run(
        self,
        argv: Sequence[str],
        *,
        limits: Limits,
        stdin: bytes = b"",
        env: Mapping[str, str] = {},
        dependencies: Path | None = None,
        read_only: Sequence[Bind] = (),
    ) -> Outcome:
        """Run a program in the work tree, with the project's `dependencies` first on its path."""
        return await self.sandbox.run(
            argv,
            workspace=self.tree,
            limits=limits,
            stdin=stdin,
            env={**({"PYTHONPATH": DEPENDENCIES} if dependencies else {}), **env},
            read_only=[*self._git_binds(), *_bound(dependencies), *read_only],
        )

    async def inside(
        self,
        program: str,
        request: Mapping[str, Any],
        *,
        limits: Limits | None = None,
        env: Mapping[str, str] = {},
        dependencies: Path | None = None,
        read_only: Sequence[Bind] = (),
    ) -> dict[str, Any]:
        """Ask one of our own programs about the work tree, or have it change it.

        Raises: ToolFailed: it crashed or passed its limits.
        """
        return await run_inside(
            self.sandbox,
            program,
            request,
            workspace=self.tree,
            limits=limits or Limits(),
            env=env,
            read_only=[*self._git_binds(), *_bound(dependencies), *read_only],
        )

    async def close(self) -> None:
        """Delete the work tree, whatever foreign code made of it."""
        await delete_tree(self.directory)

    async def _use_git(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return await run_inside(
            self.sandbox,
            "workspace_git",
            {**request, "base": self.base_commit},
            workspace=self.tree,
            limits=_GIT_LIMITS,
            env={"LEANVIBE_GIT": "/git", "LEANVIBE_MIRROR": "/mirror"},
            read_only=[(self.mirror_dir, "/mirror")],
            writable=[(self.git_dir, "/git")],
        )

    def _git_binds(self) -> list[Bind]:
        return [(self.mirror_dir, "/mirror"), (self.git_dir, "/git")]


def _bound(dependencies: Path | None) -> list[Bind]:
    return [(dependencies, DEPENDENCIES)] if dependencies else []


async def delete_tree(directory: Path) -> None:
    """Delete a directory with names, depths and modes that were chosen to make that hard."""
    # chmod and rm keep up with trees deeper than a path may be long, and follow no link.
    for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf", "--one-file-system"]):
        await run_process(
            [*command, "--", str(directory)],
            timeout_s=_DELETE_S,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            output_bytes=4096,
        )
