"""Sets up bubblewrap, the sandbox tasks run in, where this process may install packages."""

import asyncio
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

from leanvibe_server.engine.bubblewrap import BubblewrapSandbox
from leanvibe_server.kernel.errors import SandboxUnavailable

_INSTALL_TIMEOUT_S: Final = 180
_INSTALLERS: Final = {
    "apt-get": ("apt-get", "install", "-y", "--no-install-recommends", "bubblewrap"),
    "dnf": ("dnf", "install", "-y", "bubblewrap"),
    "zypper": ("zypper", "--non-interactive", "install", "bubblewrap"),
    "pacman": ("pacman", "-S", "--noconfirm", "bubblewrap"),
    "apk": ("apk", "add", "bubblewrap"),
}


@dataclass(frozen=True)
class SandboxState:
    """Whether tasks can be sandboxed. If not: why, and the one command that mends it."""

    ready: bool
    reason: str = ""
    command: str = ""


def check_sandbox(home: Path) -> SandboxState:
    """Whether a sandbox runs here, by running one the way a task would."""
    try:
        asyncio.run(BubblewrapSandbox(home=home).check())
    except SandboxUnavailable as refusal:
        reason, command = refusal.details["reason"], refusal.details["command"]
        return SandboxState(ready=False, reason=reason, command=command)
    return SandboxState(ready=True)


def ensure_sandbox(check: Callable[[], SandboxState]) -> SandboxState:
    """The state of the sandbox after installing bubblewrap, if it is missing and we may."""
    state = check()
    if state.ready or shutil.which("bwrap") is not None or platform.system() != "Linux":
        return state
    prefix = _find_privilege()
    install = next((words for name, words in _INSTALLERS.items() if shutil.which(name)), None)
    if prefix is None or install is None:
        return state
    if not _runs_well([*prefix, *install]) and install[0] == "apt-get":
        # A fresh system has no package lists yet.
        _runs_well([*prefix, "apt-get", "update"])
        _runs_well([*prefix, *install])
    return check()


class SandboxSetUp:
    """The set-up as a process beside everything else: installing a package takes a while."""

    def __init__(self, home: Path, *, wanted: bool) -> None:
        self._home = home
        self._wanted = wanted
        self._answer_path = home / "run" / "sandbox.json"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin. A Ctrl-C in the terminal does not reach it."""
        self._answer_path.unlink(missing_ok=True)
        if not self._wanted:
            return
        with (self._home / "logs" / "sandbox.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(self._home), str(self._answer_path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def is_done(self) -> bool:
        """Whether the answer is there."""
        return self._process is None or self._process.poll() is not None

    def wait(self) -> None:
        """Wait for its end. It is never killed: a package manager leaves a broken system then."""
        if self._process is not None:
            self._process.wait()

    def read_state(self) -> SandboxState:
        """What came out of it."""
        if not self._wanted:
            return SandboxState(ready=True)
        try:
            return SandboxState(**json.loads(self._answer_path.read_text()))
        except (OSError, ValueError):
            what = "trial failed" if self.is_done() else "set-up still runs"
            return SandboxState(
                ready=False,
                reason=f"the {what}, see {self._home}/logs/sandbox.log",
                command="leanvibe-server doctor",
            )


def _find_privilege() -> list[str] | None:
    """The words that let a command run as root without a question, or None."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and _runs_well(["sudo", "-n", "true"]):
        return ["sudo", "-n"]
    return None


def _runs_well(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_INSTALL_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def main(home: Path, answer: Path) -> None:
    """Set the sandbox up and write the state to a file."""
    state = ensure_sandbox(partial(check_sandbox, home))
    answer.write_text(json.dumps(asdict(state)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
