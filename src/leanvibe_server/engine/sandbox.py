"""Where foreign code runs: the port, its limits, and the way a tool of ours is called in it.

Every path in here is the sandbox's own: `/workspace` is the work tree and the current directory,
`PYTHON` the product's Python with all its tools, `/opt/inside` our stand-alone programs,
`/opt/deps` a project's dependencies where they are bound.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.errors import AppError
from leanvibe_server.kernel.processes import StopReason

WORKSPACE = "/workspace"
PYTHON = "/opt/venv/bin/python"
INSIDE = "/opt/inside"
DEPENDENCIES = "/opt/deps"

Bind = tuple[Path, str]
"""A host path and where it appears in the sandbox."""

_STDERR_TAIL = 4_000


class ToolFailed(AppError):
    """One of our own programs ended badly inside the sandbox; `details.stderr` is its last word."""

    status, code = 500, "tool_failed"


@dataclass(frozen=True)
class Limits:
    """What one run may use. `memory_mb`, `processes` and `disk_mb` hold for all of it together;
    `cpu_s` and `file_mb` for each process and each file; `disk_mb` is the size of what is writable.
    """

    wall_s: float = 120.0
    cpu_s: int = 120
    memory_mb: int = 2048
    processes: int = 256
    file_mb: int = 256
    disk_mb: int = 1024
    output_bytes: int = 4 * 1024 * 1024


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `limit` names the limit that ended it; `timed_out` is `limit == "wall"`."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    duration_ms: int
    timed_out: bool
    truncated: bool
    limit: StopReason | None = None

    @property
    def ok(self) -> bool:
        return self.exit_code == 0 and self.limit is None


class Sandbox(Protocol):
    """A closed room for foreign code: no network, no host files, no more than its limits."""

    async def check(self) -> None:
        """Make sure that a sandbox runs here, by running one. The answer is kept for a while.

        Raises: SandboxUnavailable: it does not; `details.command` is the one command to run.
        """
        ...

    def claim(self, directory: Path, tenant_id: UUID) -> None:
        """Give a new, empty directory to the tenant: what runs on it, runs as that tenant."""
        ...

    async def run(
        self,
        argv: Sequence[str],
        *,
        workspace: Path,
        limits: Limits,
        stdin: bytes = b"",
        env: Mapping[str, str] = {},
        read_only: Sequence[Bind] = (),
        writable: Sequence[Bind] = (),
    ) -> Outcome:
        """Run a program on a claimed workspace. Cancelling the caller ends every process in it.

        Raises: SandboxUnavailable: the sandbox itself cannot be started.
        """
        ...


async def run_inside(
    sandbox: Sandbox,
    program: str,
    request: Mapping[str, Any],
    *,
    workspace: Path,
    limits: Limits,
    env: Mapping[str, str] = {},
    read_only: Sequence[Bind] = (),
    writable: Sequence[Bind] = (),
) -> dict[str, Any]:
    """Ask `engine/inside/<program>.py` inside the sandbox: JSON in, JSON object out.

    Raises: ToolFailed: it crashed, passed a limit, or did not answer with a JSON object.
    """
    outcome = await sandbox.run(
        [PYTHON, "-s", f"{INSIDE}/{program.removesuffix('.py')}.py"],
        workspace=workspace,
        limits=limits,
        stdin=json.dumps(request).encode(),
        env=env,
        read_only=read_only,
        writable=writable,
    )
    answer: Any = None
    if outcome.ok and not outcome.truncated:
        try:
            answer = json.loads(outcome.stdout)
        except ValueError:
            answer = None
    if not isinstance(answer, dict):
        raise ToolFailed(
            f"The tool {program} failed inside the sandbox: {_reason(outcome)}.",
            details={
                "program": program,
                "exit_code": outcome.exit_code,
                "limit": outcome.limit,
                "stderr": outcome.stderr[-_STDERR_TAIL:].decode(errors="replace"),
            },
        )
    return answer


def _reason(outcome: Outcome) -> str:
    if outcome.limit == "wall":
        return f"it took longer than {outcome.duration_ms / 1000:.0f} s"
    if outcome.limit:
        return f"it passed its {outcome.limit} limit"
    if outcome.truncated:
        return "its answer was too long"
    if outcome.exit_code:
        lines = outcome.stderr.decode(errors="replace").strip().splitlines()
        return f"exit code {outcome.exit_code}" + (f", {lines[-1][:300]}" if lines else "")
    return "it did not answer with JSON"


def make_sandbox(settings: Settings) -> Sandbox:
    """The sandbox the settings ask for. Production never gets the one without walls."""
    from leanvibe_server.engine.bubblewrap import BubblewrapSandbox
    from leanvibe_server.engine.unconfined import NoSandboxForeignCodeRunsUnconfined

    if settings.sandbox == "none" and not settings.production:
        return NoSandboxForeignCodeRunsUnconfined()
    return BubblewrapSandbox(home=settings.home)
