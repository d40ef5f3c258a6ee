"""Why a suite did not run to its end: the limits its tests may hit, and how to tell them apart.

A cause is one word for programs; the reason beside it is a sentence for people.
"""

from __future__ import annotations

import errno
import resource
import shutil
import signal
import tempfile

from processes import FLOOD_BYTES

MB = 1024 * 1024
_MARKS = {
    "disk": ("No space left on device", "Disk quota exceeded"),
    "file": ("File too large",),
    "processes": ("Resource temporarily unavailable", "can't start new thread"),
    "memory": ("MemoryError", "Cannot allocate memory"),
}
_SIGNALS = {-signal.SIGKILL: "memory", -signal.SIGXFSZ: "file", -signal.SIGXCPU: "time"}
_NUMBERS = {
    errno.ENOSPC: "disk",
    errno.EDQUOT: "disk",
    errno.EFBIG: "file",
    errno.EAGAIN: "processes",
    errno.ENOMEM: "memory",
}


def find_cause(said: str, exit_code: int | None = 0) -> str | None:
    """The limit that a run died of, by its last words and its exit code; None where it is none."""
    named = next((cause for cause, marks in _MARKS.items() if any(m in said for m in marks)), None)
    return named or _SIGNALS.get(exit_code or 0)


def find_cause_of(error: BaseException) -> str | None:
    """The limit behind an error of our own while the tests' leftovers are around."""
    if isinstance(error, OSError):
        return _NUMBERS.get(error.errno or 0)
    return find_cause(f"{type(error).__name__}: {error}")


def measure_room_mb() -> int:
    """How much the tests may write beside their copy, in MB."""
    return shutil.disk_usage(tempfile.gettempdir()).free // MB


def describe(cause: str, *, timeout_s: float, room_mb: int) -> str:
    """Which limit the tests hit, in one sentence."""
    return {
        "time": f"The tests did not end within {timeout_s:.0f} s.",
        "output": f"The tests printed more than {FLOOD_BYTES // 1_000_000} MB.",
        "disk": f"The tests wrote more than {room_mb} MB to the disk.",
        "file": f"The tests wrote a file of more than {_soft(resource.RLIMIT_FSIZE) // MB} MB.",
        "memory": "The tests used more memory than there is for them.",
        "processes": "The tests started more processes than the "
        f"{_soft(resource.RLIMIT_NPROC)} there may be at once.",
    }[cause]


def _soft(limit: int) -> int:
    return max(resource.getrlimit(limit)[0], 0)
