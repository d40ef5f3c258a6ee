"""Sets up bubblewrap, the sandbox tasks run in, where this process may install packages."""

import asyncio
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
