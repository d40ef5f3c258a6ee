"""Watching a task: a bar on a terminal, lines in a pipe, JSON lines with `--json`."""

from __future__ import annotations

import sys
import textwrap
from types import TracebackType
from typing import Protocol, Self

import click

from leanvibe.cli._app import App, plain
from leanvibe.client import LeanVibeClientSync
from leanvibe.models import Deliverables, Task, TaskUpdate

INTERRUPTED = 130
_LOG_INDENT = " " * 7
_KINDS = ("files_created", "files_changed", "tests_written", "api_endpoints")


def watch(app: App, client: LeanVibeClientSync, task_id: str, *, logs: bool) -> int:
    """Follow the task to its end; 0 when it completed, 1 when not, 130 when interrupted.

    With `logs` the lines its steps print are shown too.
    """
    try:
        with _view(app) as view:
            for update in client.tasks.stream_updates(task_id):
                if update.log is None or app.json:
                    view.show(update)
                elif logs:
                    view.show_log(plain(update.log).rstrip())
        task = client.tasks.get(task_id)
    except KeyboardInterrupt:
        click.echo(
            f"\nStopped watching. The task goes on; to stop it: leanvibe tasks cancel {task_id}",
            err=True,
        )
        return INTERRUPTED
    if app.json:
        app.print_json({"type": "task", **task.to_dict()}, one_line=True)
    else:
        show_outcome(app, task)
    return 0 if task.status == "completed" else 1


def show_outcome(app: App, task: Task) -> None:
    """How the task ended, and what can be done with it."""
    app.say(f"Task {task.id} {task.status}.")
    if task.status == "completed":
        if task.deliverables is not None:
            _say_if(app, "Deliverables", counted(task.deliverables))
        _say_if(app, "Branch", task.get("branch"))
        _say_if(app, "Quality score", task.get("quality_score"))
        app.say(f"Next: leanvibe tasks diff {task.id}")
    elif task.status == "failed":
        problem = task.error
        if problem is not None:
            app.say(f"Reason: {problem.message} ({problem.code})")
            for item in problem.get("details", {}).get("unmet") or []:
                app.say(f"  unmet: {_unmet(item)}")
        app.say(f"Next: leanvibe tasks retry {task.id}")


def counted(deliverables: Deliverables) -> str:
    """How much there is of each kind, such as "files created: 2, tests written: 5"."""
    known = [name for name in _KINDS if name in deliverables]
    others = [name for name in deliverables if name not in _KINDS]
    amounts = ((name, deliverables[name]) for name in known + others)
    kinds = [f"{name.replace('_', ' ')}: {plain(amount)}" for name, amount in amounts if amount]
    return ", ".join(plain(kind) for kind in kinds)


def _unmet(item: object) -> str:
    """What could not be met, why, and what would make it possible."""
    if not isinstance(item, dict):
        return str(item)
    parts = (item.get(name) for name in ("requirement", "reason", "would_make_possible"))
    return " ".join(f"{str(part).rstrip('.')}." for part in parts if part)


def _say_if(app: App, label: str, value: object) -> None:
    if value not in (None, ""):
        app.say(f"{label}: {value}")


class View(Protocol):
    """A way to show updates."""

    def show(self, update: TaskUpdate) -> None: ...

    def show_log(self, text: str) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


def _view(app: App) -> View:
    if app.json:
        return _JsonLines(app)
    return _Bar() if sys.stdout.isatty() else _Lines()


class _Quiet:
    """A view that has nothing to open or close."""

    def show_log(self, text: str) -> None:
        click.echo(textwrap.indent(text, _LOG_INDENT))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None


class _JsonLines(_Quiet):
    def __init__(self, app: App) -> None:
        self._app = app

    def show(self, update: TaskUpdate) -> None:
        self._app.print_json(update.to_dict(), one_line=True)


class _Lines(_Quiet):
    def __init__(self) -> None:
        self._last = ""

    def show(self, update: TaskUpdate) -> None:
        line = f"[{_share(update):3d}%] {headline(update)}"
        if line != self._last:
            click.echo(line)
        self._last = line


class _Bar:
    """A progress bar with the finished steps above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
        from rich.progress import TimeElapsedColumn as Elapsed

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            Elapsed(),
            console=Console(),
        )
        self._bar = self._progress.add_task("waiting", total=100)
        self._headline = ""

    def show(self, update: TaskUpdate) -> None:
        text = headline(update)
        if update.message and text != self._headline:
            self._progress.console.print(f"  {text}", markup=False, highlight=False)
            self._headline = text
        self._progress.update(self._bar, description=step_of(update), completed=_share(update))

    def show_log(self, text: str) -> None:
        from rich.text import Text

        # A style given to print() would dim the bar below, too.
        self._progress.console.print(Text(textwrap.indent(text, _LOG_INDENT), style="dim"))

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()


def step_of(update: TaskUpdate) -> str:
    """The step the task is at, or how it stands."""
    words = update.current_step if update.status == "in_progress" else update.status
    return plain(words or update.status or update.type).replace("_", " ")


def headline(update: TaskUpdate) -> str:
    """The step, and what is told about it."""
    step = step_of(update)
    return f"{step}: {plain(update.message)}" if update.message else step


def _share(update: TaskUpdate) -> int:
    return int(update.progress_percentage or 0)
