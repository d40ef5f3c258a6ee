"""Looks at this machine with the eyes of the product: what is there, what is missing."""

import platform
import shutil
import sys
from dataclasses import dataclass
from typing import Final

from leanvibe_server.kernel.config import Settings
from leanvibe_server.launch.checks import LEAST_FREE_BYTES, check_database, check_port
from leanvibe_server.launch.errors import LaunchError
from leanvibe_server.launch.installation import is_ready
from leanvibe_server.launch.postgres import EmbeddedPostgres
from leanvibe_server.launch.postgres_programs import binary
from leanvibe_server.launch.sandbox_setup import check_sandbox

_OLDEST_PYTHON: Final = (3, 11)


@dataclass(frozen=True)
class Finding:
    """One thing looked at. The text of a bad one says what to do."""

    subject: str
    good: bool
    text: str


def examine(settings: Settings) -> list[Finding]:
    """Everything the product needs of this machine, in the order a start needs it."""
    return [
        _examine_python(),
        _examine_git(),
        _examine_disk(settings),
        *_examine_databases(settings),
        _examine_sandbox(settings),
        _examine_port(settings),
    ]


def _examine_python() -> Finding:
    good = sys.version_info >= _OLDEST_PYTHON
    text = platform.python_version() if good else "install Python 3.11 or newer"
    return Finding("Python", good, text)


def _examine_git() -> Finding:
    path = shutil.which("git")
    return Finding("git", path is not None, path or "install git")


def _examine_disk(settings: Settings) -> Finding:
    place = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free_bytes = shutil.disk_usage(place).free
    good = free_bytes >= LEAST_FREE_BYTES
    text = f"{free_bytes / 2**30:.1f} GB free at {place}"
    return Finding("Disk", good, text if good else f"{text}: free at least 0.2 GB")


def _examine_databases(settings: Settings) -> list[Finding]:
    if not settings.database_url:
        return [_examine_embedded(settings)]
    return [_examine_region(settings, region) for region in settings.regions]


def _examine_region(settings: Settings, region: str) -> Finding:
    name = settings.database_setting(region)
    subject = "PostgreSQL" if region == settings.home_region else f"PostgreSQL of {region}"
    try:
        check_database(settings.database_of(region), name=name)
    except LaunchError as error:
        return Finding(subject, False, str(error))
    return Finding(subject, True, f"{name} answers")


def _examine_embedded(settings: Settings) -> Finding:
    try:
        binary("postgres")
    except LaunchError as error:
        return Finding("PostgreSQL", False, str(error))
    pid = EmbeddedPostgres(settings.home).pid
    regions = f", regions {', '.join((settings.home_region, *settings.embedded_regions))}"
    where = regions if settings.embedded_regions else ""
    return Finding("PostgreSQL", True, f"embedded, {f'pid {pid}' if pid else 'not running'}{where}")


def _examine_sandbox(settings: Settings) -> Finding:
    if settings.sandbox == "none":
        return Finding("Sandbox", True, "switched off by SANDBOX=none")
    state = check_sandbox(settings.home)
    if state.ready:
        return Finding("Sandbox", True, "bubblewrap runs")
    return Finding("Sandbox", False, f"{state.reason}; run: {state.command}")


def _examine_port(settings: Settings) -> Finding:
    if is_ready(settings):
        return Finding("Port", True, f"the product answers on {settings.port}")
    try:
        check_port(settings.host, settings.port)
    except LaunchError as error:
        return Finding("Port", False, str(error))
    return Finding("Port", True, f"{settings.port} is free")
