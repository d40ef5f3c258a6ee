"""PostgreSQL 18 from the installed wheel: one private server for one home directory.

The server listens on the loopback address and on a socket inside the home. Its port and the
password of its owner are kept beside the data, so every start gives the same address.
"""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.crypto import write_private
from leanvibe_server.launch import processes
from leanvibe_server.launch.errors import DatabaseFailed, LaunchError, disk_full
from leanvibe_server.launch.home import make_home
from leanvibe_server.launch.postgres_programs import (
    as_server_user,
    binary,
    give_to_server,
    is_root,
    program_environment,
)

OWNER: Final = "leanvibe"
DATABASE: Final = "leanvibe"
HOST: Final = "127.0.0.1"

_READY_TIMEOUT_S: Final = 120.0
_STOP_TIMEOUT_S: Final = 30.0
_LEFTOVERS_TIMEOUT_S: Final = 15.0
_SOCKET_PATH_LIMIT: Final = 100
_LOG_LIMIT_BYTES: Final = 10_000_000
_DISK_FULL: Final = re.compile(
    r"No space left on device|Disk quota exceeded|Check free disk space|wrote only \d+ of"
)

_SETTINGS: Final = {
    "listen_addresses": HOST,
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "password_encryption": "scram-sha-256",
}
_NOT_DURABLE: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
}


class EmbeddedPostgres:
    """The database server of one home. One process starts it and stops it.

    `durable=False` trades safety against power loss for speed: for tests.
    """

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        self.home = home.absolute()
        self.data_dir = self.home / "postgres"
        self.log_path = self.home / "logs" / "postgres.log"
        self._durable = durable
        self._password_path = self.home / "postgres.password"
        self._run_dir = self.home / "run"
        self._port_path = self._run_dir / "postgres.port"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Create the cluster if there is none, start the server, wait until it takes connections.

        A server that a killed process left behind is stopped first: nothing is lost by it.
        Returns the URL of the owner.
        Raises: DatabaseFailed: the server could not be made or started; the message says why.
        """
        make_home(self.home)
        self.stop()
        password = self._ensure_password()
        self._ensure_cluster()
        self._disown_foreign_pid()
        self._launch(self._choose_port())
        try:
            self._wait_ready(password)
        except BaseException:
            self.stop()
            raise
        return self.dsn

    def stop(self) -> None:
        """End the server: sessions are cut, the data is flushed. Safe to call at any time."""
        pid = self.pid
        if pid is None:
            return
        for signal_number, timeout_s in (
            (signal.SIGINT, _STOP_TIMEOUT_S),
            (signal.SIGQUIT, 5.0),
            (signal.SIGKILL, 5.0),
        ):
            processes.send(pid, signal_number)
            if processes.wait_gone(lambda: self.pid == pid, timeout_s=timeout_s):
                break
        self._process = None

    def region_urls(self, settings: Settings) -> dict[str, str]:
        """The URL of the database of each region this server holds, the home region's too."""
        others = {region: f"{DATABASE}_{region}" for region in settings.embedded_regions}
        return {
            region: urlunsplit(urlsplit(self.dsn)._replace(path=f"/{name}"))
            for region, name in {settings.home_region: DATABASE, **others}.items()
        }

    def make_regions(self, settings: Settings) -> dict[str, str]:
        """Make the databases of the regions that are missing; the URLs of all."""
        password = self._password_path.read_text().strip()
        for region in settings.embedded_regions:
            # Refused when it is there already, which is as well.
            self._query(
                f"CREATE DATABASE {DATABASE}_{region}", password=password, database="postgres"
            )
        return self.region_urls(settings)

    @property
    def pid(self) -> int | None:
        """The pid of the live server of this home, whoever started it."""
        if self._process is not None:
            return self._process.pid if self._process.poll() is None else None
        pid = processes.read_pid(self.data_dir / "postmaster.pid")
        return pid if processes.runs(pid, "postgres", str(self.data_dir)) else None

    @property
    def child_pid(self) -> int | None:
        """The pid of the server this process started last, dead or alive."""
        return None if self._process is None else self._process.pid

    def is_running(self) -> bool:
        """Whether this home has a live server."""
        return self.pid is not None

    @property
    def dsn(self) -> str:
        """The URL of the owner.

        Raises: DatabaseFailed: there has never been a server in this home.
        """
        try:
            password = self._password_path.read_text().strip()
            port = int(self._port_path.read_text())
        except (OSError, ValueError):
            raise DatabaseFailed(f"There is no database in {self.home} yet.") from None
        return f"postgresql://{OWNER}:{password}@{HOST}:{port}/{DATABASE}"

    def _ensure_password(self) -> str:
        if not self._password_path.exists():
            if self.data_dir.exists():
                raise DatabaseFailed(
                    f"{self._password_path} is missing: put it back, or remove {self.data_dir}."
                )
            write_private(self._password_path, f"{secrets.token_hex(24)}\n".encode())
        return self._password_path.read_text().strip()

    def _ensure_cluster(self) -> None:
        """Make the cluster aside and move it into place, so that half a one is never used."""
        if self.data_dir.exists():
            give_to_server(self.data_dir)
            return
        unfinished = self.home / "postgres.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        give_to_server(unfinished)
        command = [
            *as_server_user(),
            str(binary("initdb")),
            f"--pgdata={unfinished}",
            f"--username={OWNER}",
            "--pwfile=/dev/stdin",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
            *([] if self._durable else ["--no-sync"]),
        ]
        made = subprocess.run(
            command,
            input=self._password_path.read_text(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=program_environment(),
            check=False,
        )
        if made.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise self._failure("PostgreSQL could not be set up", made.stdout)
        unfinished.rename(self.data_dir)

    def _disown_foreign_pid(self) -> None:
        """Let the server start although the pid it left behind belongs to a stranger now.

        PostgreSQL refuses to start while the pid in its file is alive. It makes an exception
        for its own parent, which is us; unlike with the file removed, it still checks that no
        child of the old server is left.
        """
        path = self.data_dir / "postmaster.pid"
        pid = processes.read_pid(path)
        if pid is not None:
            rest = path.read_text().split("\n", 1)[1]
            path.write_text(f"{os.getpid()}\n{rest}")
        for lock in self._socket_dir.glob(".s.PGSQL.*"):
            lock.unlink(missing_ok=True)

    @property
    def _socket_dir(self) -> Path:
        return self._run_dir / "postgres-socket"

    def _socket_setting(self) -> str:
        """The socket's directory, or none where the path is too long for a socket's address."""
        if len(str(self._socket_dir / ".s.PGSQL.65535")) > _SOCKET_PATH_LIMIT:
            return ""
        self._socket_dir.mkdir(mode=0o700, exist_ok=True)
        give_to_server(self._socket_dir)
        return str(self._socket_dir)

    def _choose_port(self) -> int:
        """The port of the last start while it is free, so that old addresses stay true."""
        try:
            wanted = int(self._port_path.read_text())
        except (OSError, ValueError):
            wanted = 0
        for port in (wanted, 0):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, port))
                except OSError:
                    continue
                chosen = int(probe.getsockname()[1])
                self._port_path.write_text(f"{chosen}\n")
                return chosen
        raise DatabaseFailed(f"No free port on {HOST} for PostgreSQL.")

    def _launch(self, port: int) -> None:
        settings = {
            **_SETTINGS,
            **({} if self._durable else _NOT_DURABLE),
            "port": str(port),
            "unix_socket_directories": self._socket_setting(),
        }
        command = [
            *as_server_user(),
            str(binary("postgres")),
            f"-D{self.data_dir}",
            *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
        ]
        rotate_log(self.log_path, limit_bytes=_LOG_LIMIT_BYTES)
        self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=program_environment(),
                start_new_session=True,
                # As root the command sets the signal itself: a change of user clears it.
                preexec_fn=None if is_root() else processes.dies_with_parent(signal.SIGINT),
            )

    def _wait_ready(self, password: str) -> None:
        """Wait until a real session can be had, making the database on the way."""
        end = time.monotonic() + _READY_TIMEOUT_S
        leftovers_end = time.monotonic() + _LEFTOVERS_TIMEOUT_S
        while time.monotonic() < end:
            if not self.is_running():
                output = self._new_log()
                if "is still in use" not in output or time.monotonic() > leftovers_end:
                    raise self._failure("PostgreSQL did not start", output)
                time.sleep(0.2)
                self._launch(int(self._port_path.read_text()))
            answer = self._query("SELECT 1", password=password, database=DATABASE)
            if answer.returncode == 0:
                return
            if f'database "{DATABASE}" does not exist' in answer.stderr:
                self._query(f"CREATE DATABASE {DATABASE}", password=password, database="postgres")
                continue
            if "password authentication failed" in answer.stderr:
                raise DatabaseFailed(f"{self._password_path} is not this database's password.")
            time.sleep(0.03)
        raise self._failure("PostgreSQL took too long to start", self._new_log())

    def _query(
        self, statement: str, *, password: str, database: str
    ) -> subprocess.CompletedProcess[str]:
        address = f"host={HOST} port={self._port_path.read_text().strip()} user={OWNER}"
        return subprocess.run(
            [str(binary("psql")), "-XAtqc", statement, f"{address} dbname={database}"],
            env={**program_environment(), "PGPASSWORD": password, "PGCONNECT_TIMEOUT": "5"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def _new_log(self) -> str:
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def _failure(self, what: str, output: str) -> LaunchError:
        if _DISK_FULL.search(output):
            return disk_full(self.home)
        reasons = [line for line in output.splitlines() if "FATAL" in line or "error:" in line]
        last = (reasons or output.strip().splitlines() or ["no message"])[-1].strip()
        return DatabaseFailed(f"{what}: {last} (log: {self.log_path})")


def rotate_log(path: Path, *, limit_bytes: int) -> None:
    """Set a long log aside, keeping one earlier part."""
    if path.exists() and path.stat().st_size > limit_bytes:
        path.replace(path.with_name(f"{path.name}.1"))
