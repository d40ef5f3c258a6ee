"""Tools run as child processes of a program: the same interpreter, bounded in time, output
captured.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import IO

MAX_OUTPUT_BYTES = 8_000_000
FLOOD_BYTES = 64_000_000
_DEATH_S = 5.0


@dataclass(frozen=True)
class Ran:
    """What one child process did. `exit_code` is None when its time was up; `flooded` says that it
    was ended for printing more than `FLOOD_BYTES`.
    """

    exit_code: int | None
    stdout: str
    stderr: str
    flooded: bool = False

    @property
    def timed_out(self) -> bool:
        return self.exit_code is None


def run_tool(
    module: str,
    arguments: Sequence[str],
    *,
    cwd: Path,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
) -> Ran:
    """Run a tool as `python -P -m module`, so that no file of the repository stands in for it."""
    return run(
        [sys.executable, "-P", "-m", module, *arguments],
        cwd=cwd,
        timeout_s=timeout_s,
        environment=environment,
    )


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
    stdin: str = "",
) -> Ran:
    """Run one command to its end or until `timeout_s`, then kill its whole process group.

    Raises: OSError: it cannot be started, such as with no process left to have.
    """
    child = subprocess.Popen(
        list(argv),
        cwd=cwd,
        env=_environment(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    said = [_Said(), _Said()]
    code: int | None
    try:
        threads = _talk(child, stdin.encode(), said)
        code = child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        # Also at a good end: what it left behind would hold the pipes open.
        _kill_group(child)
        child.wait()
    for thread in threads:
        # Not forever: a grandchild that left the group may hold a pipe open.
        thread.join(_DEATH_S)
    out, err = (_decode(bytes(one.kept)) for one in said)
    return Ran(code, out, err, flooded=any(one.flooded for one in said))


@dataclass
class _Said:
    """The beginning of what a child printed."""

    kept: bytearray = field(default_factory=bytearray)
    seen: int = 0

    @property
    def flooded(self) -> bool:
        return self.seen > FLOOD_BYTES


def _talk(child: subprocess.Popen[bytes], stdin: bytes, said: list[_Said]) -> list[Thread]:
    """Threads that feed the child and listen to it, so that it never waits for us."""
    if child.stdin is None or child.stdout is None or child.stderr is None:
        raise RuntimeError("the child has no pipes")
    listeners = [
        Thread(target=_listen, args=(child, pipe, one), daemon=True)
        for pipe, one in ((child.stdout, said[0]), (child.stderr, said[1]))
    ]
    for thread in [Thread(target=_feed, args=(child.stdin, stdin), daemon=True), *listeners]:
        thread.start()
    return listeners


def _feed(pipe: IO[bytes], data: bytes) -> None:
    # A child may end, or close its input, before it has read everything.
    with suppress(OSError, ValueError), pipe:
        pipe.write(data)


def _listen(child: subprocess.Popen[bytes], pipe: IO[bytes], said: _Said) -> None:
    while data := os.read(pipe.fileno(), 65_536):
        said.kept += data[: MAX_OUTPUT_BYTES - len(said.kept)]
        said.seen += len(data)
        if said.flooded:
            _kill_group(child)
            break


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    """The caller's environment with the settings that would make two runs differ fixed."""
    environment = dict(os.environ)
    for name in ("PYTHONPATH", "PYTHONSTARTUP", "PYTEST_ADDOPTS", "COVERAGE_PROCESS_START"):
        environment.pop(name, None)
    environment.update(
        PYTHONHASHSEED="0",
        PYTHONDONTWRITEBYTECODE="1",
        PYTHONUTF8="1",
        RUFF_NO_CACHE="true",
        NO_COLOR="1",
        COLUMNS="200",
    )
    environment.update(extra or {})
    return environment


def _decode(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
