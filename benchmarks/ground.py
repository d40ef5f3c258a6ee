"""What a benchmark stands on: a fresh database in a temporary home, and processes that serve."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.crypto import Vault, load_vault
from leanvibe_server.kernel.log import configure_logging
from leanvibe_server.launch.postgres import EmbeddedPostgres
from leanvibe_server.migrations import migrate

HOST = "127.0.0.1"
READY_WITHIN_S = 30.0
STOP_WITHIN_S = 15.0


@dataclass(frozen=True)
class Ground:
    """A migrated database and the settings that lead to it."""

    settings: Settings
    vault: Vault
    postgres_version: str

    @property
    def admin_dsn(self) -> str:
        return self.settings.database_url

    def environment(self, port: int | None = None) -> dict[str, str]:
        """The environment of a process of the product on this ground."""
        own = {
            "DATABASE_URL": self.admin_dsn,
            "LEANVIBE_HOME": str(self.settings.leanvibe_home),
            "PORT": str(port or self.settings.port),
            "LOG_LEVEL": "warning",
            # Tokens name their issuer, so every server of this ground must be the same one.
            "PUBLIC_URL": self.settings.base_url,
            # The caller speaks for many addresses, of which each may sign in only so often.
            "TRUSTED_PROXIES": HOST,
        }
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return kept | own


@contextmanager
def stand() -> Iterator[Ground]:
    """A ground for the length of the block. The database is as durable as the product's own."""
    with tempfile.TemporaryDirectory(prefix="lvbench-") as folder:
        home = Path(folder)
        home.chmod(0o711)
        server = EmbeddedPostgres(home / "home")
        dsn = server.start()
        try:
            settings = Settings(leanvibe_home=home / "home", database_url=dsn, log_level="warning")
            configure_logging(settings)
            vault = load_vault(settings)
            asyncio.run(migrate(dsn, vault))
            yield Ground(settings, vault, asyncio.run(_version(dsn)))
        finally:
            server.stop()


async def _version(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        return str(await connection.fetchval("SHOW server_version"))
    finally:
        await connection.close()


@dataclass(frozen=True)
class Server:
    """A process that serves on a port."""

    pid: int
    port: int


@contextmanager
def process(words: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process of ours, ended with the block."""
    child = subprocess.Popen([sys.executable, *words], env=environment, stdin=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def serving(ground: Ground, app: str, *, cores: set[int] | None = None) -> Iterator[Server]:
    """One of the applications of `benchmarks.apps`, served as the product is, on `cores` only."""
    port = free_port()
    words = ["-m", "benchmarks.apps", app]
    with process(words, ground.environment(port)) as child:
        if cores is not None:
            os.sched_setaffinity(child.pid, cores)
        _wait_for(child, port)
        yield Server(child.pid, port)


@contextmanager
def half_the_cores() -> Iterator[set[int] | None]:
    """Keep what is started in the block, such as a database, on half of the cores, and yield the
    others for servers. None where a system cannot tell its processes where to run."""
    if not hasattr(os, "sched_setaffinity"):
        yield None
        return
    every = sorted(os.sched_getaffinity(0))
    half = len(every) // 2
    os.sched_setaffinity(0, every[half:])
    try:
        yield set(every[:half] or every)
    finally:
        os.sched_setaffinity(0, every)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _wait_for(child: "subprocess.Popen[bytes]", port: int) -> None:
    end = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < end:
        if child.poll() is not None:
            raise RuntimeError(f"the server ended with {child.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("the server did not start")
