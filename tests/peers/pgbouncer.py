"""PgBouncer in transaction mode between the product and its database."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from leanvibe_server.kernel.crypto import Vault
from leanvibe_server.kernel.db import LOGINS, login_dsn

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def pgbouncer(admin_dsn: str, vault: Vault, folder: Path, *, servers: int) -> Iterator[str]:
    """Run one with `servers` connections for each login; yields the URL that leads through it."""
    database = urlsplit(admin_dsn)
    port = free_port()
    users = [urlsplit(login_dsn(admin_dsn, login, vault)) for login in LOGINS]
    (folder / "users.txt").write_text(
        "".join(f'"{user.username}" "{unquote(user.password or "")}"\n' for user in users)
    )
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"""
[databases]
{database.path.lstrip("/")} = host={database.hostname} port={database.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder / "users.txt"}
pool_mode = transaction
default_pool_size = {servers}
max_client_conn = 200
server_reset_query =
"""
    )
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o644)
    command = [str(PROGRAM), str(config)]
    if os.geteuid() == 0:
        # It does not run as root.
        command[1:1] = ["-u", "nobody"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port, process)
        yield urlunsplit(database._replace(netloc=f"{database.username}:unused@127.0.0.1:{port}"))
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"pgbouncer ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("pgbouncer does not listen")
