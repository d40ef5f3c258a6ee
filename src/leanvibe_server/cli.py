"""The server's command line: `leanvibe-server start` and what an operator needs beside it.

A command that works on the data loads the house itself: that takes seconds, for which those that
start other processes, look at the machine or only print a help do not wait.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import NoReturn
from uuid import UUID

import click

from leanvibe_server.kernel.clock import rfc3339
from leanvibe_server.kernel.config import ConfigError, Settings
from leanvibe_server.kernel.errors import AppError
from leanvibe_server.kernel.log import configure_logging
from leanvibe_server.launch import doctor as doctor_checks
from leanvibe_server.launch import installation
from leanvibe_server.launch.demo_facts import read_facts
from leanvibe_server.launch.environment import read_environment
from leanvibe_server.launch.errors import LaunchError, disk_full, is_disk_full
from leanvibe_server.launch.home import make_home
from leanvibe_server.launch.postgres import EmbeddedPostgres
from leanvibe_server.migrations import CannotMigrate


class Refusing(click.Group):
    """A group whose commands end with one line instead of a traceback when they must refuse."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (LaunchError, ConfigError, CannotMigrate, AppError) as error:
            _refuse(str(error))
        except OSError as error:
            if is_disk_full(error):
                _refuse(str(disk_full(Path(error.filename or Path.cwd()))))
            if isinstance(error, PermissionError):
                _refuse(f"Not permitted: {error.filename}. Does it belong to another user?")
            if isinstance(error, FileExistsError | NotADirectoryError):
                _refuse(f"{error.filename} cannot be a directory: a file is in its place.")
            raise


def _refuse(message: str) -> NoReturn:
    click.echo(f"leanvibe-server: {message}", err=True)
    sys.exit(1)


@click.group(cls=Refusing, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="leanvibe-server")
def main() -> None:
    """Run and look after a LeanVibe Enterprise installation.

    Settings come from the environment and from .env in the current directory; .env.example
    lists them all.
    """
    os.environ.update(read_environment(os.environ, directory=Path.cwd()))


@main.command()
def start() -> None:
    """Start everything: database, demo, API, worker and dashboard."""
    installation.start(_settings(), os.environ)


@main.command()
def migrate() -> None:
    """Bring the database to the schema of this version."""
    with installation.open_database(_settings()) as settings:
        installation.bring_up_to_date(settings)
    click.echo("The database is up to date.")


@main.command()
def serve() -> None:
    """Run the API and dashboard only, against a migrated database."""
    _become("leanvibe_server.app")


@main.command()
def worker() -> None:
    """Run one worker only, against a migrated database."""
    _become("leanvibe_server.worker")


@main.group()
def admin() -> None:
    """The people who run the platform."""


@admin.command()
@click.option("--email", required=True, help="Who; also the name to sign in with.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the standard input.")
def create(email: str, *, password_stdin: bool) -> None:
    """Add a platform admin. Without a password, print the link where they choose one."""
    from leanvibe_server.launch import administration

    password = sys.stdin.readline().rstrip("\n") if password_stdin else None
    with installation.open_database(_settings()) as settings:
        link = administration.create_admin(settings, email=email, password=password)
    click.echo(f"{email} is a platform admin.")
    if link is not None:
        click.echo(f"They choose a password at {link}")


@admin.command("open-networks")
@click.option("--tenant", "slug", required=True, help="The tenant, by its slug.")
def open_networks(slug: str) -> None:
    """Lift a tenant's list of allowed networks, when its admins have shut themselves out."""
    from leanvibe_server.launch import administration

    with installation.open_database(_settings()) as settings:
        lifted = administration.open_networks(settings, slug)
    click.echo("Any address is allowed." if lifted else "Any address was allowed already.")


@main.group()
def keys() -> None:
    """The keys that sign access tokens, and those that encrypt what tenants keep secret."""


@keys.command("rotate")
@click.option("--now", "at_once", is_flag=True, help="A key leaked: refuse its tokens at once.")
def rotate_signing(*, at_once: bool) -> None:
    """Sign access tokens with a new key; the old one verifies for two hours more."""
    from leanvibe_server.launch import signing_keys

    with installation.open_database(_settings()) as settings:
        kid = signing_keys.rotate(settings, at_once=at_once)
    click.echo(f"Tokens are signed with the key {kid}, by every process within half a minute.")


@keys.command("list")
def list_signing() -> None:
    """List the keys that sign or verify access tokens, oldest first."""
    from leanvibe_server.launch import signing_keys

    with installation.open_database(_settings()) as settings:
        for key in signing_keys.list_keys(settings):
            until = key.retires_at
            state = "signs" if until is None else f"verifies until {rfc3339(until)}"
            click.echo(f"{key.kid}  {key.algorithm}  made {rfc3339(key.created_at)}  {state}")


_TENANT = click.option("--tenant", type=click.UUID, help="One tenant, by its id; else all.")


@keys.command("rotate-data")
@_TENANT
def rotate_data(tenant: UUID | None) -> None:
    """Seal with new data keys from now on; the worker seals anew what there is."""
    from leanvibe_server.launch import key_care

    with installation.open_database(_settings()) as settings:
        done = key_care.rotate_data(settings, tenant)
    click.echo(f"New data keys: {done}. The worker seals the old values anew.")


@keys.command()
@_TENANT
def rewrap(tenant: UUID | None) -> None:
    """Wrap the data keys by the master key of today, after it was changed."""
    from leanvibe_server.launch import key_care

    with installation.open_database(_settings()) as settings:
        done = key_care.rewrap(settings, tenant)
    click.echo(f"Data keys wrapped anew: {done}.")


@keys.command()
@click.option("--tenant", type=click.UUID, required=True, help="The tenant, by its id.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def destroy(tenant: UUID, *, yes: bool) -> None:
    """Destroy a tenant's keys: its secrets are unreadable for ever, in every backup too."""
    from leanvibe_server.launch import key_care

    if not yes:
        click.confirm(f"Destroy the keys of {tenant}? This cannot be undone", abort=True)
    with installation.open_database(_settings()) as settings:
        done = key_care.destroy(settings, tenant)
    click.echo(f"Data keys destroyed: {done}.")


@main.group()
def audit() -> None:
    """The audit logs."""


@audit.command()
@_TENANT
@click.option(
    "--accept-restored", is_flag=True, help="After a backup was restored: begin from what it holds."
)
def verify(tenant: UUID | None, *, accept_restored: bool) -> None:
    """Check that nothing was changed, removed, moved or slipped in. Exit code 1: something was."""
    from leanvibe_server.launch import audit_care

    with installation.open_database(_settings()) as settings:
        verdicts = audit_care.verify(settings, tenant, accept_restored=accept_restored)
    for verdict in verdicts:
        fault = verdict.fault
        told = "holds" if fault is None else f"{fault.kind}: {fault.message} At {fault.position}, "
        told += "" if fault is None else f"entry {fault.event_id}."
        click.echo(f"{'✓' if fault is None else '✗'} {verdict.tenant_id}: {verdict.entries} {told}")
    sys.exit(0 if all(verdict.valid for verdict in verdicts) else 1)


@main.group()
def privacy() -> None:
    """The data of people."""


@privacy.command("repeat-erasures")
def repeat_erasures() -> None:
    """After a backup was restored: erase again who and what was erased since it was made."""
    from leanvibe_server.launch import privacy_care

    with installation.open_database(_settings()) as settings:
        repeated = privacy_care.repeat_erasures(settings)
    click.echo(f"People erased again: {repeated.people}.")
    click.echo(f"Organisations deleted again: {repeated.organisations}.")
    for one in repeated.refused:
        click.echo(f"✗ {one}")
    sys.exit(1 if repeated.refused else 0)


@main.group()
def demo() -> None:
    """The demo of a development installation."""


@demo.command()
def reset() -> None:
    """Remove the demo's tenants with all they own, and make them anew."""
    from leanvibe_server.launch import demo as demo_data

    with installation.open_database(_settings()) as settings:
        demo_data.reset(settings)
    click.echo("The demo is as new.")


@demo.command()
def show() -> None:
    """Print the demo's accounts, keys and projects as JSON."""
    settings = _settings()
    facts = read_facts(settings)
    if facts is None:
        raise LaunchError(f"There is no demo in {settings.home}: ./start.sh makes it.")
    click.echo(json.dumps(facts, indent=2))


@main.command()
def doctor() -> None:
    """Check this machine and say what to do about what is amiss."""
    findings = doctor_checks.examine(_settings())
    for finding in findings:
        click.echo(f"{'✓' if finding.good else '✗'} {finding.subject}: {finding.text}")
    sys.exit(0 if all(finding.good for finding in findings) else 1)


def _settings() -> Settings:
    settings = Settings.from_env(os.environ)
    # This process talks to a person; API and worker write the logs.
    configure_logging(replace(settings, log_level="warning"))
    return settings


def _become(module: str) -> NoReturn:
    """Let this process be another door of the house, so that signals reach it directly."""
    settings = _settings()
    if not settings.database_url:
        postgres = EmbeddedPostgres(settings.home)
        if not postgres.is_running():
            raise LaunchError("No database runs: set DATABASE_URL, or use `leanvibe-server start`.")
        urls = postgres.region_urls(settings)
        os.environ.update(installation.database_names(settings.with_databases(urls)))
    make_home(settings.home)
    os.execv(sys.executable, [sys.executable, "-m", module])  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    main()
