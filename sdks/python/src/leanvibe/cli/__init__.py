"""The command line: `leanvibe login`, `leanvibe tasks run`, …"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from leanvibe._version import VERSION
from leanvibe.cli import account, audit, projects, tasks, tenant
from leanvibe.cli._app import App
from leanvibe.cli._errors import report
from leanvibe.exceptions import LeanVibeError

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--base-url", metavar="URL", help="The API's address; else LEANVIBE_BASE_URL or the login's."
)
@click.version_option(VERSION, prog_name="leanvibe")
@click.pass_obj
def cli(app: App, base_url: str | None) -> None:
    """Work with LeanVibe Enterprise from the command line.

    Log in with `leanvibe login`, or set LEANVIBE_API_KEY.
    """
    app.base_url = base_url


cli.add_command(account.login)
cli.add_command(account.logout)
cli.add_command(account.whoami)
cli.add_command(tenant.tenant)
cli.add_command(projects.projects)
cli.add_command(tasks.tasks)
cli.add_command(audit.audit)


def run(arguments: Sequence[str] | None = None) -> int:
    """Carry out the command; the exit code says how it went."""
    app = App(os.environ)
    try:
        code = cli.main(
            None if arguments is None else list(arguments),
            prog_name="leanvibe",
            standalone_mode=False,
            obj=app,
        )
    except click.ClickException as wrong_use:
        wrong_use.show()
        return wrong_use.exit_code
    except click.Abort:
        click.echo("Stopped.", err=True)
        return INTERRUPTED
    except LeanVibeError as error:
        report(error, app)
        return 1
    finally:
        app.close()
    return code if isinstance(code, int) else 0


def main() -> None:
    """The entry point of the `leanvibe` program."""
    sys.exit(run())
