"""A control group for one run, where this machine lets us have one.

A second wall behind the per-process limits: it counts processes and memory of everything in the
sandbox together. Groups are made below our own group, so an outer limit keeps holding.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from leanvibe_server.engine.sandbox import Limits

_ROOT = Path("/sys/fs/cgroup")
_PREFIX = "leanvibe-"
_MEMORY_SLACK = 1.25
_REMOVALS = 50
_BURIAL_S = 0.01


@dataclass(frozen=True)
class Groups:
    """The control groups of one run; none where the machine gives none."""

    folders: tuple[Path, ...] = ()

    @property
    def entrances(self) -> list[str]:
        """The files into which a process writes itself to be counted."""
        return [str(folder / "cgroup.procs") for folder in self.folders]

    def out_of_memory(self) -> bool:
        """Whether the kernel killed something in here for its memory."""
        for folder in self.folders:
            for name in ("memory.events", "memory.oom_control"):
                with suppress(OSError):
                    for line in (folder / name).read_text().splitlines():
                        key, _, value = line.partition(" ")
                        if key == "oom_kill" and int(value):
                            return True
        return False


@asynccontextmanager
async def grouped(limits: Limits, *, name: str, extra_memory_mb: int) -> AsyncIterator[Groups]:
    """Control groups for one run, gone again at its end."""
    folders = tuple(_create(limits, name=name, extra_memory_mb=extra_memory_mb))
    try:
        yield Groups(folders)
    finally:
        for _ in range(_REMOVALS):
            # A killed process is counted until the kernel has buried it.
            folders = tuple(folder for folder in folders if not _remove(folder))
            if not folders:
                break
            await asyncio.sleep(_BURIAL_S)


def _create(limits: Limits, *, name: str, extra_memory_mb: int) -> Iterator[Path]:
    memory = int((limits.memory_mb * _MEMORY_SLACK + extra_memory_mb) * 1024 * 1024)
    # bubblewrap itself is two processes more.
    pids = limits.processes + 2
    for parent, settings in (
        (_own_group("pids"), {"pids.max": pids}),
        (_own_group("memory"), {"memory.limit_in_bytes": memory}),
        (_own_group(""), {"pids.max": pids, "memory.max": memory}),
    ):
        if parent is None or not os.access(parent, os.W_OK):
            continue
        folder = parent / f"{_PREFIX}{os.getpid()}-{name}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            for file, value in settings.items():
                (folder / file).write_text(str(value))
        except OSError:
            _remove(folder)
            continue
        yield folder


def _own_group(controller: str) -> Path | None:
    """Our own group: of a version 1 controller by name, of version 2 by the empty name."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            if controller in names.split(","):
                mount = _ROOT / controller if controller else _ROOT
                if not controller and not (mount / "cgroup.controllers").exists():
                    return None
                return mount / path.lstrip("/")
    return None


def _remove(folder: Path) -> bool:
    with suppress(OSError):
        folder.rmdir()
    return not folder.exists()


def sweep_groups() -> None:
    """Remove the empty groups of workers that were killed."""
    for controller in ("pids", "memory", ""):
        parent = _own_group(controller)
        if parent is None:
            continue
        for folder in parent.glob(f"{_PREFIX}*"):
            pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
            if not Path("/proc", pid).exists():
                _remove(folder)
