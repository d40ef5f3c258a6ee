"""Tools run as child processes of a program: the same interpreter, bounded in time, output
captured.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_OUTPUT_BYTES = 8_000_000


@dataclass(frozen=True)
class Ran:
    """What one child process did. `exit_code` is None when its time was up."""

    exit_code: int | None
    stdout: str
    stderr: str

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
    """Run one command to its end or until `timeout_s`, then kill its whole process group."""
    child = subprocess.Popen(
        list(argv),
        cwd=cwd,
        env=_environment(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = child.communicate(stdin.encode(), timeout=timeout_s)
        code: int | None = child.returncode
    except subprocess.TimeoutExpired:
        _kill_group(child)
        out, err = child.communicate()
        code = None
    return Ran(code, _decode(out), _decode(err))


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        child.kill()


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
    return data[:MAX_OUTPUT_BYTES].decode("utf-8", errors="replace")
