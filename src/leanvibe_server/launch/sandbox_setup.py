"""Sets up bubblewrap, the sandbox tasks run in, where this process may install packages."""

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_INSTALL_TIMEOUT_S: Final = 180
_PROBE: Final = (
    "bwrap",
    "--unshare-all",
    "--unshare-user",
    "--die-with-parent",
    "--ro-bind",
    "/",
    "/",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "true",
)
_APPARMOR_SWITCH: Final = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
_PACKAGE_MANAGERS: Final = {
    "apt-get": ("apt-get", "install", "-y", "--no-install-recommends", "bubblewrap"),
    "dnf": ("dnf", "install", "-y", "bubblewrap"),
    "apk": ("apk", "add", "bubblewrap"),
    "pacman": ("pacman", "-S", "--noconfirm", "bubblewrap"),
}


@dataclass(frozen=True)
class SandboxState:
    """Whether tasks can be sandboxed. If not: why, and the one command that helps, if any."""

    ready: bool
    reason: str = ""
    command: str = ""


def check_sandbox() -> SandboxState:
    """Whether bubblewrap runs here. That it is installed says little: a kernel may forbid it."""
    if platform.system() != "Linux":
        return SandboxState(ready=False, reason="bubblewrap needs Linux; run tasks on a Linux host")
    if shutil.which("bwrap") is None:
        return SandboxState(
            ready=False, reason="bubblewrap is not installed", command=_install_command()
        )
    try:
        tried = subprocess.run(_PROBE, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return SandboxState(ready=False, reason=f"bubblewrap does not run: {error}")
    if tried.returncode == 0:
        return SandboxState(ready=True)
    said = tried.stderr.strip().splitlines() or [f"exit code {tried.returncode}"]
    reason = said[-1].partition(". See ")[0]
    return SandboxState(
        ready=False, reason=f"bubblewrap does not run: {reason}", command=_permit_command()
    )


def ensure_sandbox() -> SandboxState:
    """The state of the sandbox after installing bubblewrap, if it is missing and we may."""
    state = check_sandbox()
    if state.ready or shutil.which("bwrap") is not None or platform.system() != "Linux":
        return state
    prefix = _privilege()
    manager = _package_manager()
    if prefix is None or manager is None:
        return state
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if not _runs_well([*prefix, *_PACKAGE_MANAGERS[manager]], env) and manager == "apt-get":
        # A fresh system has no package lists yet.
        _runs_well([*prefix, "apt-get", "update"], env)
        _runs_well([*prefix, *_PACKAGE_MANAGERS[manager]], env)
    return check_sandbox()


def _privilege() -> list[str] | None:
    """The words that let a command run as root without a question, or None."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and _runs_well(["sudo", "-n", "true"], dict(os.environ)):
        return ["sudo", "-n"]
    return None


def _package_manager() -> str | None:
    return next((name for name in _PACKAGE_MANAGERS if shutil.which(name)), None)


def _install_command() -> str:
    manager = _package_manager()
    if manager is None:
        return ""
    words = " ".join(_PACKAGE_MANAGERS[manager])
    return words if os.geteuid() == 0 else f"sudo {words}"


def _permit_command() -> str:
    """Ubuntu forbids user namespaces to programs without an AppArmor profile."""
    try:
        forbidden = _APPARMOR_SWITCH.read_text().strip() == "1"
    except OSError:
        return ""
    return f"sudo sysctl -w kernel.{_APPARMOR_SWITCH.name}=0" if forbidden else ""


def _runs_well(command: Sequence[str], env: dict[str, str]) -> bool:
    try:
        done = subprocess.run(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_INSTALL_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
