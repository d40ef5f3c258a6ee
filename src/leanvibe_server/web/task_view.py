"""What the page of a task says, from what the engine knows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leanvibe_server.engine.schemas import StepView, TaskView
from leanvibe_server.kernel.events import StoredEvent
from leanvibe_server.web.formats import words

_STEP_LOOKS = {
    "completed": ("done", "check", "Done"),
    "running": ("running", "running", "Running"),
    "failed": ("failed", "cross", "Failed"),
    "cancelled": ("cancelled", "stop", "Cancelled"),
    "skipped": ("", "dot", "Skipped"),
    "pending": ("", "dot", "To come"),
}
_DELIVERABLES = {
    "files_created": "Files created",
    "files_changed": "Files changed",
    "files_deleted": "Files deleted",
    "lines_added": "Lines added",
    "lines_removed": "Lines removed",
    "tests_written": "Tests written",
    "api_endpoints": "API endpoints",
}
_NEWS = {
    "task.created": "Queued.",
    "task.retried": "Queued again.",
    "task.in_progress": "A worker took it up.",
    "task.completed": "Completed.",
    "task.cancelled": "Cancelled.",
    "task.branch_deleted": "The branch was deleted.",
}
SHOWN_LOG_LINES = 500
MAX_TEXT = 600


@dataclass(frozen=True)
class StepLine:
    """One of the six steps as the page shows it."""

    name: str
    status: str
    tone: str
    icon: str
    label: str
    seconds: float | None


@dataclass(frozen=True)
class LogLine:
    """One line of the log."""

    id: str
    at: datetime
    text: str


def step_lines(steps: Sequence[StepView]) -> list[StepLine]:
    """The steps in their order."""
    lines = []
    for step in steps:
        tone, drawing, label = _STEP_LOOKS.get(step.status, ("", "dot", words(step.status)))
        seconds = None if step.duration_ms is None else step.duration_ms / 1000
        lines.append(StepLine(step.name, step.status, tone, drawing, label, seconds))
    return lines


def log_lines(events: Iterable[StoredEvent]) -> list[LogLine]:
    """The log so far, oldest first: the last lines where there are very many."""
    lines = []
    for event in events:
        for text in _said(event):
            lines.append(LogLine(str(event.id), event.occurred_at, text))
    return lines[-SHOWN_LOG_LINES:]


def _said(event: StoredEvent) -> list[str]:
    told = event.payload
    if event.name == "engine.log":
        return [line for line in str(told.get("log", "")).split("\n") if line.strip()]
    if event.name == "engine.progress":
        return [str(told.get("message", ""))]
    if event.name == "task.failed":
        return [f"Failed: {told.get('error_message', '')}"]
    return [_NEWS.get(event.name, words(event.name))]


def headline(task: TaskView) -> str:
    """Where the task stands, in a few words."""
    if task.status == "in_progress" and task.current_step:
        done = len(task.milestones_completed)
        return f"Step {min(done + 1, 6)} of 6: {words(task.current_step)}"
    return {
        "queued": "Waiting for a worker",
        "awaiting_approval": "Waiting for a person's approval",
        "completed": "Delivered as a patch" if task.delivery == "patch" else "Branch pushed",
        "failed": "Nothing was delivered, nothing is billed",
        "cancelled": "Nothing was delivered, nothing is billed",
    }.get(task.status, "")


def delivered(task: TaskView) -> list[tuple[str, str]]:
    """The counts from the diff, those that are not zero."""
    counts = task.deliverables or {}
    return [
        (label, f"{counts[name]:,}")
        for name, label in _DELIVERABLES.items()
        if isinstance(counts.get(name), int) and counts[name]
    ]


def plan_lists(plan: Mapping[str, Any] | None) -> list[tuple[str, list[str]]]:
    """What the plan rests on, list by list."""
    if not plan:
        return []
    settings = [f"{label.lower()}: {text}" for label, text in flat_lines(plan.get("parameters"))]
    lists = [
        ("Assumed", texts(plan.get("assumptions"))),
        ("Matched", texts(plan.get("matched"))),
        ("Settings", settings),
    ]
    return [(label, items) for label, items in lists if items]


def texts(value: Any) -> list[str]:
    """A foreign value as short texts."""
    if value in (None, "", [], {}):
        return []
    if isinstance(value, list | tuple):
        return [_short(item) for item in value[:20]]
    return [_short(value)]


def flat_lines(values: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Foreign values as label and text, one level deep; nested ones in a compact form."""
    return [
        (words(str(name))[:60], _short(value))
        for name, value in list((values or {}).items())[:20]
        if value not in (None, "", [], {})
    ]


def _short(value: Any) -> str:
    if isinstance(value, dict):
        parts = (f"{key}: {_short(item)}" for key, item in list(value.items())[:20])
        return ", ".join(parts)[:MAX_TEXT]
    if isinstance(value, list | tuple):
        return ", ".join(_short(item) for item in value[:20])[:MAX_TEXT]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)[:MAX_TEXT]
