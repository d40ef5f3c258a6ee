"""Other programs, run to their end: capped output, a time-out, and nothing left behind."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

StopReason = Literal["wall", "output", "memory", "disk"]
Watch = Callable[[int], Awaitable[StopReason]]

_CHUNK = 65_536
_FLOOD_FACTOR = 4
_FLOOD_SLACK = 16 * 1024 * 1024
_DEATH_S = 5.0


@dataclass(frozen=True)
class Finished:
    """How a program ended. `stopped_by` names the limit that ended it, if one did."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    duration_ms: int
    stopped_by: StopReason | None
    truncated: bool


async def run_process(
    argv: Sequence[str],
    *,
    timeout_s: float,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: bytes = b"",
    output_bytes: int = 4 * 1024 * 1024,
    watch: Watch | None = None,
) -> Finished:
    """Run a program in a session of its own and wait for its end.

    The whole process group is killed at `timeout_s`, when its output floods, when `watch` (called
    with the process id) returns a reason, and when the caller is cancelled.

    Raises: OSError: the program cannot be started.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(env),
        cwd=cwd,
        start_new_session=True,
    )
    running = _Running(process, output_bytes)
    deadline = loop.call_later(timeout_s, running.stop, "wall")
    watcher = asyncio.ensure_future(_obey(watch, running)) if watch else None
    whole = asyncio.ensure_future(running.communicate(stdin))
    try:
        # Not forever: a grandchild that left the group may hold a pipe open.
        await asyncio.wait({whole}, timeout=timeout_s + _DEATH_S)
    finally:
        deadline.cancel()
        running.kill()
        if not whole.done():
            await asyncio.wait({whole}, timeout=_DEATH_S)
            whole.cancel()
        if watcher:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
    if watcher and not watcher.cancelled():
        watcher.result()
    return Finished(
        exit_code=process.returncode if process.returncode is not None else -signal.SIGKILL,
        stdout=bytes(running.stdout),
        stderr=bytes(running.stderr),
        duration_ms=round((loop.time() - started) * 1000),
        stopped_by=running.stopped_by,
        truncated=running.truncated,
    )


@dataclass
class _Running:
    process: asyncio.subprocess.Process
    output_bytes: int
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    stopped_by: StopReason | None = None
    truncated: bool = False

    def kill(self) -> None:
        # The group outlives its leader: a grandchild must go too, even after a clean exit.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def stop(self, reason: StopReason) -> None:
        if self.process.returncode is None and self.stopped_by is None:
            self.stopped_by = reason
            self.kill()

    async def communicate(self, stdin: bytes) -> None:
        # All three are pipes, since run_process asks for pipes.
        await asyncio.gather(
            self._feed(cast(asyncio.StreamWriter, self.process.stdin), stdin),
            self._drain(cast(asyncio.StreamReader, self.process.stdout), self.stdout),
            self._drain(cast(asyncio.StreamReader, self.process.stderr), self.stderr),
            self._reap(),
        )

    async def _reap(self) -> None:
        await self.process.wait()
        self.kill()

    async def _feed(self, pipe: asyncio.StreamWriter, data: bytes) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            pipe.write(data)
            await pipe.drain()
        pipe.close()

    async def _drain(self, pipe: asyncio.StreamReader, kept: bytearray) -> None:
        seen = 0
        while chunk := await pipe.read(_CHUNK):
            seen += len(chunk)
            room = self.output_bytes - len(kept)
            kept += chunk[:room]
            if len(chunk) > room:
                self.truncated = True
            if seen > self.output_bytes * _FLOOD_FACTOR + _FLOOD_SLACK:
                self.stop("output")


async def _obey(watch: Watch, running: _Running) -> None:
    running.stop(await watch(running.process.pid))
