"""Processes of this machine: who they are, that they die with us, how they are stopped."""

import ctypes
import os
import platform
import signal
import subprocess
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_POLL_S = 0.02
_ON_LINUX = platform.system() == "Linux"


def read_pid(path: Path) -> int | None:
    """The pid on the first line of a file, or None when there is none."""
    try:
        return int(path.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def find_command(pid: int) -> str | None:
    """The command line of a live process, or None when it is gone (or a zombie)."""
    if _ON_LINUX:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return None
        return words.replace(b"\0", b" ").decode(errors="replace").strip() or None
    answer = subprocess.run(
        ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None


def runs(pid: int | None, *words: str) -> bool:
    """Whether the process is alive and its command line holds all the words.

    Pids are given again, above all after a container restarts: a pid alone proves nothing.
    """
    command = find_command(pid) if pid else None
    return command is not None and all(word in command for word in words)


def has_environment(pid: int, name: str, value: str) -> bool:
    """Whether the process was started with this variable. True where the system cannot say."""
    if not _ON_LINUX:
        return True
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"{name}={value}".encode() in entries


def dies_with_parent(signal_number: signal.Signals) -> Callable[[], None] | None:
    """A `preexec_fn` that has Linux signal the child when the starting thread ends.

    Elsewhere there is no such thing: the next start clears what a killed one left behind.
    """
    if not _ON_LINUX:
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)

    return ask_kernel


def adopt_orphans() -> None:
    """Become the parent of whatever our children leave behind.

    Where the container has no init, nobody else would bury them.
    """
    if _ON_LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def bury_orphans(own: Collection[int]) -> None:
    """Collect the exit codes of adopted processes; those of `own` are left to who waits for them.

    Nothing else may wait for a child meanwhile.
    """
    while _ON_LINUX:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid in own:
            return
        os.waitpid(ended.si_pid, 0)


def kill_orphans() -> None:
    """Kill every child of this process, adopted ones too, until none is left."""
    while pids := _list_children():
        for pid in pids:
            send(pid, signal.SIGKILL)
            # A thread that started it may have waited for it first.
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _list_children() -> list[int]:
    if not _ON_LINUX:
        return []
    tasks = Path("/proc/self/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def wait_gone(is_alive: Callable[[], bool], *, timeout_s: float) -> bool:
    """Wait until the process is gone. False when it is still there after `timeout_s`."""
    end = time.monotonic() + timeout_s
    while is_alive():
        if time.monotonic() > end:
            return False
        time.sleep(_POLL_S)
    return True


def stop_stray(pid: int | None, *words: str, timeout_s: float = 10) -> bool:
    """Stop a process an earlier start left behind, if it still is what we started.

    Returns whether there was one.
    """
    if pid is None or not runs(pid, *words):
        return False
    send(pid, signal.SIGTERM)
    if not wait_gone(lambda: runs(pid, *words), timeout_s=timeout_s):
        send(pid, signal.SIGKILL)
        wait_gone(lambda: runs(pid, *words), timeout_s=5)
    return True


def send(pid: int, signal_number: signal.Signals) -> None:
    """Signal a process that may already be gone."""
    try:
        os.kill(pid, signal_number)
    except ProcessLookupError:
        return
