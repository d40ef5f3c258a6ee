"""Other programs, run to their end: capped output, a time-out, and nothing left behind."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

StopReason = Literal["wall", "output", "memory", "disk"]
Watch = Callable[[int], Awaitable[StopReason]]

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
    transport, running = await loop.subprocess_exec(
        lambda: _Running(output_bytes),
        *argv,
        env=dict(env),
        cwd=cwd,
        start_new_session=True,
    )
    deadline = loop.call_later(timeout_s, running.stop, "wall")
    watcher = asyncio.ensure_future(_obey(watch, running)) if watch else None
    try:
        running.feed(stdin)
        # Not forever: a grandchild that left the group may hold a pipe open.
        await asyncio.wait({running.ended}, timeout=timeout_s + _DEATH_S)
    finally:
        deadline.cancel()
        running.kill()
        try:
            if not running.ended.done():
                await asyncio.wait({running.ended}, timeout=_DEATH_S)
        finally:
            # Also when the caller is cancelled once more while it waits.
            transport.close()
            if watcher:
                watcher.cancel()
        if watcher:
            await asyncio.gather(watcher, return_exceptions=True)
    if watcher and not watcher.cancelled():
        watcher.result()
    return running.finished(duration_ms=round((loop.time() - started) * 1000))


class _Running(asyncio.SubprocessProtocol):
    """One running program: what it said so far, and why it was stopped."""

    def __init__(self, output_bytes: int) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._output_bytes = output_bytes
        self._kept = {1: bytearray(), 2: bytearray()}
        self._seen = 0
        self._truncated = False
        self._stopped_by: StopReason | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self.pid = self._transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        kept = self._kept[fd]
        room = self._output_bytes - len(kept)
        kept += data[:room]
        self._truncated = self._truncated or len(data) > room
        self._seen += len(data)
        if self._seen > self._output_bytes * _FLOOD_FACTOR + _FLOOD_SLACK:
            self.stop("output")

    def process_exited(self) -> None:
        # The group outlives its leader: whatever it left behind holds the pipes open.
        self.kill()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def feed(self, data: bytes) -> None:
        pipe = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(0))
        # A quick program may be over before it was fed.
        if not pipe.is_closing():
            pipe.write(data)
            pipe.write_eof()

    def kill(self) -> None:
        # Listed first: a child in a session of its own is out of reach once its parent is gone.
        family = list_family(self.pid)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        for member in family[1:]:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(member, signal.SIGKILL)

    def stop(self, reason: StopReason) -> None:
        if self._transport.get_returncode() is None and self._stopped_by is None:
            self._stopped_by = reason
            self.kill()

    def finished(self, *, duration_ms: int) -> Finished:
        code = self._transport.get_returncode()
        return Finished(
            exit_code=-signal.SIGKILL if code is None else code,
            stdout=bytes(self._kept[1]),
            stderr=bytes(self._kept[2]),
            duration_ms=duration_ms,
            stopped_by=self._stopped_by,
            truncated=self._truncated,
        )


def list_family(pid: int) -> list[int]:
    """A process and all that descend from it, as far as the system tells (Linux does)."""
    family = [pid]
    for parent in family:
        with suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task"):
                children = Path(f"/proc/{parent}/task/{task}/children").read_text()
                family += [int(child) for child in children.split()]
    return family


async def _obey(watch: Watch, running: _Running) -> None:
    running.stop(await watch(running.pid))
