"""Starts the whole product on this machine, and stops it again."""

import asyncio
import http.client
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

import click

from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.crypto import load_vault
from leanvibe_server.launch import processes
from leanvibe_server.launch.checks import check_databases, check_disk, check_port
from leanvibe_server.launch.children import Program
from leanvibe_server.launch.errors import LaunchError
from leanvibe_server.launch.home import make_home
from leanvibe_server.launch.postgres import EmbeddedPostgres
from leanvibe_server.launch.sandbox_setup import SandboxSetUp
from leanvibe_server.launch.supervisor import (
    StopRequested,
    Supervisor,
    ignore_stop_signals,
    lock_home,
    stop_on_signals,
)
from leanvibe_server.launch.terminal import greet, stage
from leanvibe_server.migrations import migrate

_READY_TIMEOUT_S: Final = 120.0
_SANDBOX_TIMEOUT_S: Final = 300.0

API: Final = Program("api", (sys.executable, "-m", "leanvibe_server.app"))
WORKER: Final = Program("worker", (sys.executable, "-m", "leanvibe_server.worker"))


def start(settings: Settings, env: Mapping[str, str]) -> None:
    """Run the product until someone asks it to stop.

    Raises: LaunchError: it cannot run; the message says why in one line.
    """
    began_s = time.monotonic()
    home = settings.home
    with suppress(StopRequested), stop_on_signals():
        make_home(home)
        with lock_home(home):
            processes.adopt_orphans()
            check_disk(home)
            postgres = None if settings.database_url else EmbeddedPostgres(home)
            supervisor = Supervisor(home, postgres=postgres)
            sandbox = SandboxSetUp(home, wanted=settings.sandbox == "bubblewrap")
            try:
                supervisor.clear_strays((API, WORKER))
                check_port(settings.host, settings.port)
                sandbox.start()
                _bring_up(supervisor, settings, env, sandbox=sandbox, began_s=began_s)
                supervisor.run()
            finally:
                ignore_stop_signals()
                sandbox.wait()
                supervisor.stop()
                processes.kill_orphans()
    click.echo("Stopped.")


def _bring_up(
    supervisor: Supervisor,
    settings: Settings,
    env: Mapping[str, str],
    *,
    sandbox: SandboxSetUp,
    began_s: float,
) -> None:
    settings = _open_database(supervisor, settings)
    with stage("Schema"):
        bring_up_to_date(settings)
    if not settings.production:
        with stage("Demo"):
            # It loads the whole house, for which `doctor` and others need not wait.
            from leanvibe_server.launch import demo

            demo.seed(settings)
    with stage("API and worker"):
        supervisor.start_children((API, WORKER), env=child_environment(settings, env))
        wait_ready(supervisor, settings)
    with stage("Sandbox"):
        supervisor.run_until(sandbox.is_done, timeout_s=_SANDBOX_TIMEOUT_S)
    greet(settings, sandbox=sandbox.read_state(), took_s=time.monotonic() - began_s)


def _open_database(supervisor: Supervisor, settings: Settings) -> Settings:
    """The settings with the URL of a database that answers: the configured one, or our own."""
    if settings.database_url:
        with stage("Database"):
            check_databases(settings)
        return settings
    with stage("PostgreSQL 18"):
        return settings.with_databases(supervisor.start_database(settings))


def bring_up_to_date(settings: Settings) -> None:
    """Migrate the databases of these settings, region by region, to this version's schema."""
    vault = load_vault(settings)
    for region in settings.regions:
        asyncio.run(migrate(settings.database_of(region), vault))


@contextmanager
def open_database(settings: Settings) -> Iterator[Settings]:
    """The settings with the URL of a database that answers, for a command beside the product.

    The embedded server is started for the command when the product does not run.
    """
    if settings.database_url:
        check_databases(settings)
        if not settings.production:
            # The master key and the demo's facts are kept there.
            make_home(settings.home)
        yield settings
        return
    postgres = EmbeddedPostgres(settings.home)
    if postgres.is_running():
        yield settings.with_databases(postgres.make_regions(settings))
        return
    make_home(settings.home)
    with lock_home(settings.home):
        check_disk(settings.home)
        try:
            postgres.start()
            yield settings.with_databases(postgres.make_regions(settings))
        finally:
            postgres.stop()


def child_environment(settings: Settings, env: Mapping[str, str]) -> dict[str, str]:
    """What API and worker read: our environment with the home and databases of this start."""
    return {**env, "LEANVIBE_HOME": str(settings.home), "PYTHONUNBUFFERED": "1"} | database_names(
        settings
    )


def database_names(settings: Settings) -> dict[str, str]:
    """The databases of these settings as variables of the environment."""
    urls = {
        settings.database_setting(region): settings.database_of(region)
        for region in settings.regions
    }
    return {**urls, "DEV_REGIONS": ""}


def wait_ready(supervisor: Supervisor, settings: Settings) -> None:
    """Tend the children until the API is ready for the first time.

    Raises: LaunchError: a child dies again and again, or it is not ready within its time.
    """
    if not supervisor.run_until(
        lambda: is_ready(settings), timeout_s=_READY_TIMEOUT_S, starting=True
    ):
        raise LaunchError(
            f"The API was not ready after {_READY_TIMEOUT_S:g} s: see {settings.home}/logs/api.log"
        )


def is_ready(settings: Settings) -> bool:
    """Whether the API answers that it is ready."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104  # compared, not bound
    connection = http.client.HTTPConnection(host, settings.port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
