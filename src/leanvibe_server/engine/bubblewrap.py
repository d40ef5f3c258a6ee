"""The default sandbox: bubblewrap, as root or as an ordinary user.

As root, a run first steps down to a uid of its tenant (`tenant_uid`, from 200000 to 265535), since
process limits do not bind root. Workspaces are owned by that uid (`claim`), and a run takes the
uid of its workspace's owner. The uid is a hash of the tenant's id, so two tenants may share one;
nothing but the count of processes is shared then, because no run sees another's files or
processes. As an ordinary user everything runs as that user, in namespaces of its own.

Inside, the user is always 1000, the work tree `/workspace`, home `/tmp/home`.
"""

import asyncio
import contextlib
import hashlib
import itertools
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from leanvibe_server.engine.cgroups import Groups, grouped, sweep_groups
from leanvibe_server.engine.enclosure import (
    ENV,
    SHARED_MEMORY_MB,
    TMP_MB,
    Mount,
    kill_orphans,
    toolbox,
    wall_in,
)
from leanvibe_server.engine.remedies import find_remedy
from leanvibe_server.engine.sandbox import PYTHON, WORKSPACE, Bind, Limits, Outcome
from leanvibe_server.engine.step_down import STAGE
from leanvibe_server.engine.watching import is_too_big, watch_limits
from leanvibe_server.kernel.errors import SandboxUnavailable
from leanvibe_server.kernel.processes import run_process

FIRST_UID = 200_000
UIDS = 65_536

_NOBODY = UUID(int=0)
_GOOD_FOR_S = 30.0
_BAD_FOR_S = 3.0
_HERE = Path(__file__).parent
_STEP_DOWN = _HERE / "step_down.py"
_TRIAL = "import pathlib, json; pathlib.Path('made').write_text('x'); print('ready')"
_CHECK = Limits(wall_s=20, cpu_s=20, memory_mb=512, processes=16)


def tenant_uid(tenant_id: UUID) -> int:
    """The uid under which a tenant's code runs when the worker is root."""
    digest = hashlib.blake2b(tenant_id.bytes, digest_size=8).digest()
    return FIRST_UID + int.from_bytes(digest, "big") % UIDS


class BubblewrapSandbox:
    """Runs each program in fresh namespaces: no network, no host files, no rights."""

    def __init__(self, *, home: Path, executable: str = "bwrap") -> None:
        self._home = home
        self._name = executable
        self._steps_down = _is_real_root()
        # Unique among workers that had the same process id before us, too.
        self._numbers = itertools.count(time.monotonic_ns())
        self._checking = asyncio.Lock()
        self._checked_until = 0.0
        self._refusal: SandboxUnavailable | None = None
        kill_orphans()
        if self._steps_down:
            sweep_groups()

    async def check(self) -> None:
        """Make sure that a sandbox runs here, by running one. The answer is kept for a while.

        Raises: SandboxUnavailable: it does not; `details.command` is the one command to run.
        """
        async with self._checking:
            clock = asyncio.get_running_loop().time
            if clock() >= self._checked_until:
                self._refusal = await self._try()
                self._checked_until = clock() + (_BAD_FOR_S if self._refusal else _GOOD_FOR_S)
            if self._refusal:
                raise self._refusal

    async def _try(self) -> SandboxUnavailable | None:
        if shutil.which(self._name) is None:
            return find_remedy("bwrap is not installed")
        with tempfile.TemporaryDirectory(prefix="leanvibe-check-") as folder:
            workspace = Path(folder)
            self.claim(workspace, _NOBODY)
            outcome = await self._enter([PYTHON, "-c", _TRIAL], workspace, _CHECK)
        if outcome.ok and outcome.stdout == b"ready\n":
            return None
        return find_remedy(outcome.stderr.decode(errors="replace").strip())

    def claim(self, directory: Path, tenant_id: UUID) -> None:
        """Give a new, empty directory to the tenant: what runs on it, runs as that tenant."""
        directory.chmod(0o700)
        if self._steps_down:
            os.chown(directory, tenant_uid(tenant_id), tenant_uid(tenant_id))

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
        if shutil.which(self._name) is None:
            raise find_remedy("bwrap is not installed")
        outcome = await self._enter(argv, workspace, limits, stdin, env, read_only, writable)
        if outcome.exit_code == 1 and outcome.stderr.startswith(b"bwrap: "):
            # The program may have written that itself, so a fresh trial decides.
            self._checked_until = 0.0
            await self.check()
        return outcome

    async def _enter(
        self,
        argv: Sequence[str],
        workspace: Path,
        limits: Limits,
        stdin: bytes = b"",
        env: Mapping[str, str] = {},
        read_only: Sequence[Bind] = (),
        writable: Sequence[Bind] = (),
    ) -> Outcome:
        mounts = [
            *toolbox(),
            *((str(source), target, False) for source, target in read_only),
            (str(workspace), WORKSPACE, True),
            *((str(source), target, True) for source, target in writable),
        ]
        folders = [workspace, *(source for source, _ in writable)]
        name = str(next(self._numbers))
        async with self._grouped(limits, name) as groups:
            command = self._command(argv, workspace, limits, {**ENV, **env}, mounts, groups)
            finished = await run_process(
                command,
                timeout_s=limits.wall_s,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                stdin=stdin,
                output_bytes=limits.output_bytes,
                watch=partial(watch_limits, limits=limits, folders=folders),
            )
            limit = finished.stopped_by or ("memory" if groups.out_of_memory() else None)
        if limit is None and await is_too_big(folders, limits):
            limit = "disk"
        return Outcome(
            exit_code=finished.exit_code,
            stdout=finished.stdout,
            stderr=finished.stderr,
            duration_ms=finished.duration_ms,
            timed_out=limit == "wall",
            truncated=finished.truncated,
            limit=limit,
        )

    def _grouped(self, limits: Limits, name: str) -> contextlib.AbstractAsyncContextManager[Groups]:
        if self._steps_down:
            return grouped(limits, name=name, extra_memory_mb=TMP_MB + SHARED_MEMORY_MB)
        return contextlib.nullcontext(Groups())

    def _command(
        self,
        argv: Sequence[str],
        workspace: Path,
        limits: Limits,
        env: Mapping[str, str],
        mounts: Sequence[Mount],
        groups: Groups,
    ) -> list[str]:
        staged = [
            (f"{STAGE}/{number}" if self._steps_down else source, target, writable)
            for number, (source, target, writable) in enumerate(mounts)
        ]
        command = wall_in(
            shutil.which(self._name) or self._name,
            argv,
            limits=limits,
            env=env,
            mounts=staged,
            hidden=self._home,
        )
        if not self._steps_down:
            return command
        uid = os.stat(workspace).st_uid
        if not FIRST_UID <= uid < FIRST_UID + UIDS:
            raise ValueError(f"{workspace} is not claimed for a tenant")
        spec: dict[str, Any] = {
            "uid": uid,
            "cgroups": groups.entrances,
            "argv": command,
            "parent": os.getpid(),
        }
        spec["binds"] = [source for source, _, _ in mounts]
        return [sys.executable, "-I", "-S", str(_STEP_DOWN), json.dumps(spec)]


def _is_real_root() -> bool:
    """Root of the machine, not of a user namespace that knows no other uids."""
    if os.geteuid() != 0:
        return False
    with contextlib.suppress(OSError):
        inside, outside, count = map(int, Path("/proc/self/uid_map").read_text().split())
        return inside == 0 and outside == 0 and count >= FIRST_UID + UIDS
    return False
