"""Projects."""

from __future__ import annotations

import re
import sys
from typing import Any

import click

from leanvibe.cli._app import App, takes_json, takes_page
from leanvibe.client import LeanVibeClientSync
from leanvibe.models import Project

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@click.group()
def projects() -> None:
    """Repositories the engine may work on."""


@projects.command("list")
@takes_page
@click.pass_obj
def list_projects(app: App, limit: int, cursor: str | None) -> None:
    """List the projects."""
    page = app.client().projects.list(limit=limit, cursor=cursor)
    app.show_page(
        page,
        {
            "ID": lambda project: project.id,
            "NAME": lambda project: project.name,
            "REPOSITORY": lambda project: project.get("repository_url"),
        },
    )


@projects.command()
@click.option("--name", required=True, help="What to call it.")
@click.option("--repository-url", metavar="URL", help="The git repository, https or ssh.")
@click.option("--description", help="What it is.")
@click.option("--default-branch", metavar="BRANCH", help="Where work starts from.")
@click.option("--tech", "tech_stack", multiple=True, help="A technology it uses; repeatable.")
@click.option(
    "--token-stdin", is_flag=True, help="Read an access token for the repository from stdin."
)
@click.option("--username", help="The user name that goes with the token.")
@takes_json
@click.pass_obj
def create(app: App, /, token_stdin: bool, username: str | None, **fields: Any) -> None:
    """Register a repository as a project."""
    fields["tech_stack"] = list(fields["tech_stack"]) or None
    if token_stdin:
        token = sys.stdin.readline().strip()
        if not token:
            raise click.UsageError("--token-stdin was given, but the standard input is empty")
        named = {"username": username} if username else {}
        fields["credentials"] = {"type": "token", "token": token, **named}
    elif username:
        raise click.UsageError("--username needs --token-stdin")
    show_project(app, app.client().projects.create(**fields))


@projects.command()
@click.argument("project")
@takes_json
@click.pass_obj
def show(app: App, project: str) -> None:
    """Show one project, by its id or its name."""
    show_project(app, require_project(app.client(), project))


def show_project(app: App, project: Project) -> None:
    """Print one project."""
    fields = (
        "id",
        "name",
        "description",
        "repository_url",
        "default_branch",
        "tech_stack",
        "ai_assistance_level",
        "has_credentials",
        "created_at",
    )
    app.show(project, [(name, project.get(name)) for name in fields])


def require_project(client: LeanVibeClientSync, text: str) -> Project:
    """The project with this id or this name.

    Raises:
        click.UsageError: no project, or more than one, has the name.
    """
    if _UUID.fullmatch(text):
        return client.projects.get(text)
    named = [
        project
        for project in client.projects.iterate(limit=100)
        if project.name.casefold() == text.casefold()
    ]
    if not named:
        raise click.UsageError(f"no project is called {text!r}; see: leanvibe projects list")
    if len(named) > 1:
        ids = ", ".join(project.id for project in named)
        raise click.UsageError(f"several projects are called {text!r}; give an id: {ids}")
    return named[0]
