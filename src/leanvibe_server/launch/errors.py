"""What can stop an installation from starting. Each message is one line a person can act on."""

import errno
from pathlib import Path


class LaunchError(Exception):
    """The installation cannot start or go on. The message says why and what to do."""


class DatabaseFailed(LaunchError):
    """PostgreSQL could not be created, started or reached."""


class AlreadyRunning(LaunchError):
    """Another process runs from the same home."""


def disk_full(path: Path) -> LaunchError:
    """The refusal for a disk without room at `path`."""
    return LaunchError(f"No space left on the disk of {path}: free some and start again.")


def is_disk_full(error: OSError) -> bool:
    """Whether the system refused a write for want of space or quota."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
