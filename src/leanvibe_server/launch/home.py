"""The home of an installation: the directories it needs, closed to other users."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from leanvibe_server.launch.errors import LaunchError, disk_full, is_disk_full

# What lies in these is for the user we run as. A sandbox as another user gets what it needs bound
# from inside, so it never passes through them.
_CLOSED: Final = ("run", "logs", "repositories", "mirrors", "workspaces", "dependencies", "regions")


def make_home(home: Path) -> None:
    """Make the directories of a home, and see that they can be written.

    Others may pass through the home itself, because the embedded database may run as a user of
    its own; they may not list it, and what lies in it is closed to them.

    Raises: LaunchError: it cannot be made or written; the message says why.
    """
    folders = {home: 0o711, **{home / name: 0o700 for name in _CLOSED}}
    for folder, mode in folders.items():
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=mode)
            if folder != home:
                _close(folder)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            if is_disk_full(error):
                raise disk_full(home) from None
            reason = _describe(error, folder)
            raise LaunchError(f"LEANVIBE_HOME {home} cannot be written: {reason}") from None


def _close(folder: Path) -> None:
    """Close what an earlier version, or a person, left open."""
    if folder.stat().st_mode & 0o077:
        # A share of another owner, say: that owner decides who may read it.
        with suppress(PermissionError):
            folder.chmod(0o700)


def _describe(error: OSError, folder: Path) -> str:
    for place in (folder, *folder.parents):
        if os.path.isfile(place):
            return f"{place} is a file"
    return f"{folder}: {(error.strerror or str(error)).lower()}"
