"""Limits no kernel setting holds for a whole sandbox: memory of all its processes, size on disk."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from leanvibe_server.engine.sandbox import Limits
from leanvibe_server.kernel.processes import StopReason, list_family, run_process

_MEMORY_EVERY_S = 0.2
_DISK_EVERY_S = 0.5
_DISK_PATIENCE = 20.0
_MB = 1024 * 1024
# The filesystem's own stock of files is a limit too: this is one file per 16 KiB, its usual ratio.
_FILES_PER_MB = 64


async def watch_limits(pid: int, *, limits: Limits, folders: Sequence[Path]) -> StopReason:
    """Wait until the process tree under `pid` passes its memory, or `folders` their size."""
    memory = asyncio.ensure_future(_watch_memory(pid, limits.memory_mb * _MB))
    disk = asyncio.ensure_future(_watch_disk(folders, limits))
    try:
        await asyncio.wait({memory, disk}, return_when=asyncio.FIRST_COMPLETED)
        return memory.result() if memory.done() else disk.result()
    finally:
        memory.cancel()
        disk.cancel()
        await asyncio.gather(memory, disk, return_exceptions=True)


async def _watch_memory(pid: int, limit: int) -> Literal["memory"]:
    while True:
        if sum(_private_bytes(member) for member in list_family(pid)) > limit:
            return "memory"
        await asyncio.sleep(_MEMORY_EVERY_S)


def _private_bytes(pid: int) -> int:
    """Resident memory without what is mapped from files; 0 for a process that is gone."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/statm").read_text().split()
        return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")
    return 0


async def _watch_disk(folders: Sequence[Path], limits: Limits) -> Literal["disk"]:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_DISK_EVERY_S)
        started = loop.time()
        if await is_too_big(folders, limits):
            return "disk"
        # On a big tree measuring costs something: spend at most a twentieth of the time on it.
        await asyncio.sleep((loop.time() - started) * _DISK_PATIENCE)


async def is_too_big(folders: Sequence[Path], limits: Limits) -> bool:
    """Whether the folders together hold more than `disk_mb`, or absurdly many files."""
    if not folders:
        return False
    return (
        await _measure(folders, "--block-size=1M") > limits.disk_mb
        or await _measure(folders, "--inodes") > limits.disk_mb * _FILES_PER_MB
    )


async def _measure(folders: Sequence[Path], unit: str) -> int:
    # du keeps up with trees deeper than a path may be long; it stays on one filesystem and
    # follows no link. Files that vanish meanwhile make it complain, but it still gives a total.
    finished = await run_process(
        ["du", "-s", "-c", "-x", unit, "--", *map(str, folders)],
        timeout_s=30,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
    )
    lines = finished.stdout.splitlines()
    return int(lines[-1].split()[0]) if lines else 0
