"""The walls and the furniture of the sandbox, as arguments of bubblewrap."""

import os
import re
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import chain
from pathlib import Path

from leanvibe_server.engine.sandbox import INSIDE, WORKSPACE, Limits

TMP_MB = 256
SHARED_MEMORY_MB = 64
ENV = {
    "PATH": "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin",
    # A Python with a shared library looks for it where it was built; inside it has moved.
    "LD_LIBRARY_PATH": "/opt/python/lib",
    "HOME": "/tmp/home",  # noqa: S108 - the sandbox's own /tmp, gone with it
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "GIT_TERMINAL_PROMPT": "0",
}

Mount = tuple[str, str, bool]
"""Host path, path inside, writable."""

_MB = 1024 * 1024
_WORKER = "LEANVIBE_WORKER"
_INSIDE = Path(__file__).parent / "inside"
_NAME = f"python{sys.version_info.major}.{sys.version_info.minor}"
_SYSTEM_LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SYSTEM_FILES = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")


def wall_in(
    executable: str,
    argv: Sequence[str],
    *,
    limits: Limits,
    env: Mapping[str, str],
    mounts: Sequence[Mount],
    hidden: Path,
) -> list[str]:
    """The bubblewrap command that runs `argv` with `mounts`, its limits, and nothing else."""
    return [
        executable,
        *_walls(executable),
        *_system(hidden),
        *chain.from_iterable(
            ("--bind" if writable else "--ro-bind", source, target)
            for source, target, writable in mounts
        ),
        *("--symlink", f"/opt/python/bin/{_NAME}", "/opt/venv/bin/python"),
        *("--symlink", "python", "/opt/venv/bin/python3"),
        # Without this the sandbox could fill the memory behind its own root directory.
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORKSPACE),
        *chain.from_iterable(("--setenv", name, value) for name, value in env.items()),
        *("--setenv", _WORKER, str(os.getpid())),
        *("--", "/usr/bin/prlimit", *_rlimits(limits), "--", *argv),
    ]


def _walls(executable: str) -> Iterator[str]:
    known = _known_options(executable)
    yield from ("--unshare-all", "--unshare-user", "--cap-drop", "ALL", "--new-session")
    yield from ("--die-with-parent", "--uid", "1000", "--gid", "1000", "--hostname", "sandbox")
    # Before 0.8 bubblewrap can't forbid nested user namespaces; a program in one gains no way out.
    yield from (option for option in ("--disable-userns", "--clearenv") if option in known)
    yield from ("--proc", "/proc", "--dev", "/dev")
    for size_mb, place in ((SHARED_MEMORY_MB, "/dev/shm"), (TMP_MB, "/tmp")):  # noqa: S108 - inside
        if "--size" in known:
            yield from ("--size", str(size_mb * _MB))
        yield from ("--tmpfs", place)
    yield from ("--dir", ENV["HOME"])


def _system(hidden: Path) -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for name in _SYSTEM_LINKS:
        path = Path(name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), name)
        elif path.exists():
            yield from ("--ro-bind", name, name)
    for name in _SYSTEM_FILES:
        if Path(name).exists():
            yield from ("--ro-bind", name, name)
    if hidden.resolve().is_relative_to("/usr"):
        yield from ("--tmpfs", str(hidden.resolve()))


@cache
def toolbox() -> tuple[Mount, ...]:
    """Our own Python, its packages and programs, and the few files of /etc, all read-only."""
    packages = sysconfig.get_path("purelib")
    programs = [
        (str(program), f"/opt/venv/bin/{program.name}")
        for program in sorted(Path(sys.prefix, "bin").iterdir())
        if sys.prefix != sys.base_prefix and _is_binary(program)
    ]
    files = [
        (str(_INSIDE / "etc" / name), f"/etc/{name}")
        for name in ("passwd", "group", "hosts", "nsswitch.conf", "gitconfig")
    ]
    pairs = [
        (sys.base_prefix, "/opt/python"),
        (str(_INSIDE / "etc" / "pyvenv.cfg"), "/opt/venv/pyvenv.cfg"),
        (packages, f"/opt/venv/lib/{_NAME}/site-packages"),
        (str(_INSIDE), INSIDE),
        *programs,
        *files,
    ]
    return tuple((source, target, False) for source, target in pairs)


def _is_binary(program: Path) -> bool:
    # Scripts name a Python of the host in their first line; inside they run as `python -m`.
    if program.is_symlink() or not program.is_file():
        return False
    with program.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def kill_orphans() -> None:
    """Kill the sandboxes of workers that are gone.

    A sandbox dies with its worker, but for one whose worker was killed in the few milliseconds in
    which bubblewrap is setting it up.
    """
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"bwrap" in words[0] and _WORKER.encode() in words:
                worker = int(words[words.index(_WORKER.encode()) + 1])
                if not Path("/proc", str(worker)).exists():
                    os.kill(int(folder.name), signal.SIGKILL)


def _rlimits(limits: Limits) -> Iterator[str]:
    yield f"--cpu={limits.cpu_s}:{limits.cpu_s + 2}"
    # Address space is mostly never touched: twice the memory lets runtimes reserve it.
    yield f"--as={limits.memory_mb * 2 * _MB}"
    yield f"--nproc={limits.processes}"
    yield f"--fsize={limits.file_mb * _MB}"
    yield "--nofile=4096"
    yield "--core=0"


@cache
def _known_options(executable: str) -> frozenset[str]:
    text = subprocess.run(
        [executable, "--help"], capture_output=True, text=True, timeout=10, check=False
    ).stdout
    return frozenset(re.findall(r"--[a-z-]+", text))
