"""What is looked at before anything is started, so that a refusal is one clear line."""

import asyncio
import os
import shutil
import socket
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg

from leanvibe_server.kernel.config import Settings
from leanvibe_server.launch.errors import DatabaseFailed, LaunchError, disk_full

OLDEST_POSTGRES: Final = 15
LEAST_FREE_BYTES: Final = 200 * 1024 * 1024


def check_disk(home: Path) -> None:
    """Refuse to start where the database would soon run into the end of the disk.

    Raises: LaunchError: less than 200 MB are free.
    """
    if shutil.disk_usage(home).free < LEAST_FREE_BYTES:
        raise disk_full(home)


def check_port(host: str, port: int) -> None:
    """Refuse a port that something else listens on.

    Raises: LaunchError: it is in use, or the host is not an address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise LaunchError(
                f"Port {port} on {host} cannot be used ({reason}): "
                "stop what uses it, or choose another, as in PORT=8766 ./start.sh"
            ) from None


def check_databases(settings: Settings) -> None:
    """Refuse settings with a database, of whichever region, that we cannot work with.

    Raises: DatabaseFailed.
    """
    for region in settings.regions:
        name = (
            "DATABASE_URL" if region == settings.home_region else f"DATABASE_URL_{region.upper()}"
        )
        check_database(settings.database_of(region), name=name)


def check_database(dsn: str, *, name: str = "DATABASE_URL") -> None:
    """Refuse a DATABASE_URL that does not lead to a PostgreSQL we can work with.

    Raises: DatabaseFailed: it cannot be reached, or is too old. The password is not shown.
    """
    where = _describe_address(dsn)
    try:
        version = asyncio.run(_ask_version(dsn))
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseFailed(
            f"{name}: no connection to {where}: {_describe_reason(error)}"
        ) from None
    if version < OLDEST_POSTGRES:
        raise DatabaseFailed(
            f"{name}: {where} is PostgreSQL {version}; {OLDEST_POSTGRES} or newer is needed"
        )


def _describe_address(dsn: str) -> str:
    try:
        place = urlsplit(dsn)
        return f"{place.hostname}:{place.port or 5432}{place.path}"
    except ValueError:
        return "an address that is not a URL"


def _describe_reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error).splitlines()[0] if str(error) else type(error).__name__


async def _ask_version(dsn: str) -> int:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return int(connection.get_server_version().major)
    finally:
        await connection.close()
