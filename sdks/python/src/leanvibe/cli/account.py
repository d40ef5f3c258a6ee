"""Logging in and out."""

from __future__ import annotations

import sys

import click

from leanvibe import exceptions as errors
from leanvibe.cli._app import App, takes_json
from leanvibe.client import LeanVibeClientSync
from leanvibe.models import Login


@click.command()
@click.option("--email", prompt="E-mail", help="Whose login; asked for when missing.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the standard input.")
@click.option("--tenant-id", help="Which of your tenants, when there are several.")
@click.option("--mfa-code", help="The code of your second factor.")
@takes_json
@click.pass_obj
def login(
    app: App, email: str, password_stdin: bool, tenant_id: str | None, mfa_code: str | None
) -> None:
    """Log in and keep the session for the commands that follow."""
    app.logging_in = True
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, err=True)
    opened = _log_in(
        app.session(), email=email, password=password, tenant_id=tenant_id, mfa_code=mfa_code
    )
    app.config.write({**app.config.read(), "email": opened.user.email})
    if app.json:
        app.print_json(opened.user.to_dict())
    app.say(f"Logged in to {app.address} as {opened.user.email} ({opened.user.role}).")
    if app.api_key is not None:
        click.echo("LEANVIBE_API_KEY is set and is used before this login.", err=True)


def _log_in(
    client: LeanVibeClientSync,
    *,
    email: str,
    password: str,
    tenant_id: str | None,
    mfa_code: str | None,
) -> Login:
    try:
        return client.auth.login(
            email=email, password=password, tenant_id=tenant_id, mfa_code=mfa_code
        )
    except errors.MfaRequiredError as needed:
        if mfa_code is not None or not sys.stdin.isatty():
            raise
        ways = ", ".join(needed.methods) or "your second factor"
        code = click.prompt(f"Code ({ways})", err=True)
        return client.auth.login(email=email, password=password, tenant_id=tenant_id, mfa_code=code)


@click.command()
@takes_json
@click.pass_obj
def logout(app: App) -> None:
    """Revoke the session and forget it."""
    try:
        app.session().auth.logout()
    except errors.ConnectionFailedError:
        click.echo(
            f"{app.address} could not be reached: the login is forgotten here, "
            "and lasts there until it expires.",
            err=True,
        )
    if app.json:
        app.print_json({"logged_in": False})
    app.say(f"Logged out of {app.address}.")


@click.command()
@takes_json
@click.pass_obj
def whoami(app: App) -> None:
    """Show whose credentials are in use."""
    me = app.client().auth.me()
    who = me.get("user") or me
    fields = ("email", "username", "role", "tenant_id", "id")
    app.show(me, [(name, who.get(name)) for name in fields] + [("address", app.address)])
