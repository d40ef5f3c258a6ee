"""A child process that is kept alive: started again when it dies, with a growing pause."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from leanvibe_server.launch import processes
from leanvibe_server.launch.errors import LaunchError
from leanvibe_server.launch.postgres import rotate_log

FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 10.0
# A slow machine takes some seconds to come as far as the line that fails.
STEADY_AFTER_S: Final = 30.0
GIVE_UP_AFTER_DEATHS: Final = 5
GIVE_UP_STARTING_AFTER_DEATHS: Final = 3

# Longer than the ten seconds the API gives open connections.
_STOP_TIMEOUT_S: Final = 12.0
_LOG_LIMIT_BYTES: Final = 10_000_000
_SHOWN_LINES: Final = 15
_ERROR_LINE: Final = re.compile(r'\[(?:error|critical) *\]|"level": ?"(?:error|critical)"')


class ChildFails(LaunchError):
    """A child dies whenever it is started. The message ends with the last lines of its log."""


@dataclass(frozen=True)
class Program:
    """What a child runs. Its name is also that of its pid file and log."""

    name: str
    command: Sequence[str]


class Child:
    """One supervised process of a home."""

    def __init__(self, program: Program, *, home: Path, env: Mapping[str, str]) -> None:
        self.program = program
        self.log_path = home / "logs" / f"{program.name}.log"
        self.pid_path = home / "run" / f"{program.name}.pid"
        self._home = home
        self._env = dict(env)
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at_s = 0.0
        self._start_again_at_s: float | None = None
        self._fast_deaths = 0
        self._was_steady = False
        self._run_begins_at = 0
        self._errors_read_to = 0

    @property
    def pid(self) -> int | None:
        """The pid of the process we started last, dead or alive, until its death is noticed."""
        return None if self._process is None else self._process.pid

    def clear_stray(self) -> None:
        """Stop the process an earlier, killed supervisor of this home left behind."""
        pid = processes.read_pid(self.pid_path)
        if pid is not None and processes.has_environment(pid, "LEANVIBE_HOME", str(self._home)):
            processes.stop_stray(pid, *self.program.command[1:])
        self.pid_path.unlink(missing_ok=True)

    def start(self) -> None:
        """Run the program with its output in the log. It dies with this process."""
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self.pid_path.parent.mkdir(parents=True, exist_ok=True)
        rotate_log(self.log_path, limit_bytes=_LOG_LIMIT_BYTES)
        with self.log_path.open("ab") as log:
            self._run_begins_at = self._errors_read_to = log.tell()
            self._process = subprocess.Popen(
                list(self.program.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env,
                start_new_session=True,
                preexec_fn=processes.dies_with_parent(signal.SIGTERM),
            )
        self._started_at_s = time.monotonic()
        self._start_again_at_s = None
        self.pid_path.write_text(f"{self._process.pid}\n")

    def tend(self, *, starting: bool = False) -> str | None:
        """Notice a death, and start the process again when its pause is over.

        `starting` says that the product has not been ready yet; less is forgiven then.
        Returns news for the terminal, or None.
        Raises: ChildFails: it died soon, every time it was started.
        """
        now_s = time.monotonic()
        if self._start_again_at_s is not None:
            return self._start_again() if now_s >= self._start_again_at_s else None
        if self._process is None:
            return None
        code = self._process.poll()
        if code is None:
            self._was_steady |= now_s - self._started_at_s > STEADY_AFTER_S
            return None
        return self._plan_restart(code, now_s=now_s, starting=starting)

    def _start_again(self) -> str | None:
        try:
            self.start()
        except OSError as error:
            # A full disk, say: it may pass, and what still runs is of use meanwhile.
            self._start_again_at_s = time.monotonic() + LONGEST_PAUSE_S
            return (
                f"{self.program.name} cannot be started ({error.strerror}); "
                f"trying again in {LONGEST_PAUSE_S:g} s"
            )
        return None

    def _plan_restart(self, code: int, *, now_s: float, starting: bool) -> str:
        self._kill_group()
        if now_s - self._started_at_s > STEADY_AFTER_S:
            self._fast_deaths = 0
        self._fast_deaths += 1
        was_killed = code in (-signal.SIGKILL, -signal.SIGTERM)
        limit = GIVE_UP_STARTING_AFTER_DEATHS if starting else GIVE_UP_AFTER_DEATHS
        if self._fast_deaths >= limit and not (self._was_steady or was_killed):
            raise ChildFails(
                f"{self.program.name} ended {self._fast_deaths} times soon after it was started "
                f"({describe_exit(code)}). The end of {self.log_path}:\n{self.last_lines()}"
            )
        pause_s = min(FIRST_PAUSE_S * 2 ** max(0, self._fast_deaths - 1), LONGEST_PAUSE_S)
        self._start_again_at_s = now_s + pause_s
        return (
            f"{self.program.name} ended ({describe_exit(code)}); starting it again in {pause_s:g} s"
        )

    def ask_to_stop(self) -> None:
        """Ask the process to end; `stop` then waits for it."""
        self._start_again_at_s = None
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """End the process and all it started. Safe to call at any time."""
        self.ask_to_stop()
        if self._process is not None:
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._kill_group()
            self._process = None
        self.pid_path.unlink(missing_ok=True)

    def _kill_group(self) -> None:
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            # Nobody is left; macOS says so of a group of zombies by refusing.
            return

    def new_errors(self) -> list[str]:
        """Error lines the child has logged since the last call."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(self._errors_read_to)
                text = log.read()
        except OSError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._errors_read_to += len(whole)
        lines = whole.decode(errors="replace").splitlines()
        return [line for line in lines if _ERROR_LINE.search(line)]

    def last_lines(self) -> str:
        """The end of what it has logged since it was last started, for a terminal."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(self._run_begins_at)
                lines = log.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(f"  {line}" for line in lines[-_SHOWN_LINES:])


def describe_exit(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
