"""Why no sandbox runs on this machine, and the one command that mends it."""

import os
import shutil
import sys
from pathlib import Path

from leanvibe_server.kernel.errors import SandboxUnavailable

_INSTALLERS = {
    "apt-get": "apt-get install -y bubblewrap",
    "dnf": "dnf install -y bubblewrap",
    "zypper": "zypper install -y bubblewrap",
    "pacman": "pacman -S --noconfirm bubblewrap",
    "apk": "apk add bubblewrap",
}
_IN_A_CONTAINER = (
    "docker run --cap-add SYS_ADMIN --security-opt seccomp=unconfined"
    " --security-opt apparmor=unconfined --security-opt systempaths=unconfined …"
)
_SYSCTLS = (
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("user/max_user_namespaces", "0", "15000"),
)


def find_remedy(complaint: str) -> SandboxUnavailable:
    """The refusal for a sandbox that did not start, with `details.command`."""
    reason, command = _diagnose(complaint)
    return SandboxUnavailable(
        f"No sandbox runs on this machine: {reason}. To mend it, run: {command}",
        details={"command": command, "reason": reason, "complaint": complaint[-1_000:]},
    )


def _diagnose(complaint: str) -> tuple[str, str]:
    if sys.platform != "linux":
        return "bubblewrap needs Linux", "SANDBOX=none ./start.sh"
    if "not installed" in complaint:
        found = [command for tool, command in _INSTALLERS.items() if shutil.which(tool)]
        return "bubblewrap is not installed", _as_root((found or [_INSTALLERS["apt-get"]])[0])
    for name, bad, good in _SYSCTLS:
        if _read(name) == bad:
            key = name.replace("/", ".", 1)
            keep = f"sh -c 'echo {key}={good} > /etc/sysctl.d/60-bubblewrap.conf; sysctl --system'"
            return f"user namespaces are closed by {key}", _as_root(keep)
    if "Operation not permitted" in complaint or "cannot step down" in complaint:
        return "this container or system forbids new namespaces", _IN_A_CONTAINER
    if "execute" in complaint or "execvp" in complaint or "encodings" in complaint:
        tree = f"{sys.prefix} {sys.base_prefix}"
        return "its user may not read the product's Python", _as_root(f"chmod -R go+rX {tree}")
    return f"bubblewrap says “{complaint[-300:]}”", "bwrap --unshare-all --ro-bind / / true"


def _as_root(command: str) -> str:
    return command if os.geteuid() == 0 else f"sudo {command}"


def _read(name: str) -> str:
    try:
        return Path("/proc/sys", name).read_text().strip()
    except OSError:
        return ""
