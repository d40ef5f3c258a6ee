"""Tasks: run them, watch them, take their result."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from leanvibe.cli._app import App, plain, takes_json, takes_page
from leanvibe.cli._requirements import read_requirements
from leanvibe.cli._watch import counted, watch
from leanvibe.cli.projects import require_project
from leanvibe.models import Task

_DIFF_COLOURS = (("+++", None), ("---", None), ("+", "green"), ("-", "red"), ("@@", "cyan"))

_Command = TypeVar("_Command", bound=Callable[..., Any])


def takes_watch(command: _Command) -> _Command:
    """Give a command the options of watching."""
    return click.option("--watch", "watching", is_flag=True, help="Follow the task to its end.")(
        takes_log(command)
    )


def takes_log(command: _Command) -> _Command:
    """Give a command the option to show the steps' output."""
    return click.option("--log", "logs", is_flag=True, help="Show what its steps print, too.")(
        command
    )


@click.group()
def tasks() -> None:
    """Work for the engine."""


@tasks.command()
@click.option("--project", metavar="ID|NAME", help="Where to work; else the default project.")
@click.option("--title", required=True, help="What to do, in a few words.")
@click.option("--description", help="What to do, at length.")
@click.option("--priority", help="How urgent it is.")
@click.option("--recipe", help="How to do it, such as lint_autofix.")
@click.option(
    "--requirement",
    "pairs",
    metavar="KEY=VALUE",
    multiple=True,
    help="One requirement; a.b=value reaches into objects. Repeatable.",
)
@click.option("--requirements-json", metavar="FILE|-", help="Requirements as a JSON object.")
@takes_watch
@takes_json
@click.pass_context
def run(
    context: click.Context,
    *,
    project: str | None,
    title: str,
    description: str | None,
    priority: str | None,
    recipe: str | None,
    pairs: tuple[str, ...],
    requirements_json: str | None,
    watching: bool,
    logs: bool,
) -> None:
    """Queue a task.

    With --watch the exit code is 0 when it completed, 1 when it failed or was cancelled, and 130
    after Ctrl-C, which leaves it running.
    """
    app: App = context.obj
    requirements = read_requirements(json_file=requirements_json, pairs=pairs, recipe=recipe)
    client = app.client()
    task = client.tasks.create(
        title=title,
        project_id=None if project is None else require_project(client, project).id,
        description=description,
        priority=priority,
        requirements=requirements,
    )
    _follow(context, task, watching=watching, logs=logs)


@tasks.command("watch")
@click.argument("task_id")
@takes_log
@takes_json
@click.pass_context
def watch_task(context: click.Context, task_id: str, logs: bool) -> None:
    """Follow a task to its end, with the exit codes of `run --watch`."""
    app: App = context.obj
    context.exit(watch(app, app.client(), task_id, logs=logs))


@tasks.command("list")
@click.option("--status", help="Only those in this state.")
@click.option("--project", metavar="ID|NAME", help="Only those of this project.")
@takes_page
@click.pass_obj
def list_tasks(
    app: App, *, status: str | None, project: str | None, limit: int, cursor: str | None
) -> None:
    """List the tasks, newest first."""
    client = app.client()
    page = client.tasks.list(
        status=status,
        project_id=None if project is None else require_project(client, project).id,
        limit=limit,
        cursor=cursor,
    )
    app.show_page(
        page,
        {
            "ID": lambda task: task.id,
            "STATUS": lambda task: task.status,
            "PROGRESS": lambda task: f"{task.progress_percentage}%",
            "TITLE": lambda task: task.title,
        },
    )


@tasks.command()
@click.argument("task_id")
@takes_json
@click.pass_obj
def show(app: App, task_id: str) -> None:
    """Show one task."""
    show_task(app, app.client().tasks.get(task_id))


@tasks.command()
@click.argument("task_id")
@takes_json
@click.pass_obj
def diff(app: App, task_id: str) -> None:
    """Print the change a task made; in a pipe it is fit for `git apply`."""
    client = app.client()
    if app.json:
        app.print_json(client.tasks.diff(task_id).to_dict())
    elif sys.stdout.isatty():
        for line in client.tasks.diff(task_id).diff.splitlines():
            colour = _diff_colour(line)
            click.echo(click.style(plain(line), fg=colour) if colour else plain(line))
    else:
        click.echo(client.tasks.raw_diff(task_id), nl=False)


@tasks.command()
@click.argument("task_id")
@takes_json
@click.pass_obj
def cancel(app: App, task_id: str) -> None:
    """Stop a task; the repository stays as it was."""
    task = app.client().tasks.cancel(task_id)
    if app.json:
        app.print_json(task.to_dict())
    app.say(f"Task {task.id} is {task.status}.")


@tasks.command()
@click.argument("task_id")
@takes_watch
@takes_json
@click.pass_context
def retry(context: click.Context, task_id: str, watching: bool, logs: bool) -> None:
    """Queue a failed or cancelled task again."""
    app: App = context.obj
    _follow(context, app.client().tasks.retry(task_id), watching=watching, logs=logs)


@tasks.command("delete-branch")
@click.argument("task_id")
@takes_json
@click.pass_obj
def delete_branch(app: App, task_id: str) -> None:
    """Delete the branch a completed task pushed."""
    app.client().tasks.delete_branch(task_id)
    if app.json:
        app.print_json({"task_id": task_id, "branch": None})
    app.say(f"The branch of task {task_id} is deleted.")


def show_task(app: App, task: Task) -> None:
    """Print one task."""
    names = (
        "id",
        "title",
        "status",
        "current_step",
        "project_id",
        "priority",
        "recipe",
        "branch",
        "commit_sha",
        "quality_score",
        "created_at",
        "completed_at",
        "tracking_url",
    )
    fields: list[tuple[str, object]] = [(name, task.get(name)) for name in names]
    fields.insert(3, ("progress", f"{task.progress_percentage}%"))
    if task.deliverables is not None:
        fields.append(("deliverables", counted(task.deliverables) or None))
    if task.error is not None:
        fields.append(("error", f"{task.error.message} ({task.error.code})"))
    app.show(task, fields)


def _follow(context: click.Context, task: Task, *, watching: bool, logs: bool) -> None:
    """Say what was queued, and stay with it if asked to."""
    app: App = context.obj
    app.say(f"Task {task.id} is {task.status}.")
    if watching:
        context.exit(watch(app, app.client(), task.id, logs=logs))
    if app.json:
        app.print_json(task.to_dict())
    app.say(f"See it at {task.tracking_url} or follow it: leanvibe tasks watch {task.id}")


def _diff_colour(line: str) -> str | None:
    return next((colour for start, colour in _DIFF_COLOURS if line.startswith(start)), None)
