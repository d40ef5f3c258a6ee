"""Events of a task as messages for those who watch it."""

from typing import Any
from uuid import UUID

from leanvibe_server.kernel.clock import rfc3339
from leanvibe_server.kernel.events import StoredEvent

Message = dict[str, Any]

TYPES = {
    "engine.progress": "progress",
    "engine.log": "progress",
    "task.completed": "completion",
    "task.failed": "error",
    "task.cancelled": "error",
}
LAST_NAMES = ("task.completed", "task.failed", "task.cancelled")
FINISHED = frozenset({"completed", "failed", "cancelled"})

_TOLD = (
    "title", "project_id", "step", "message", "log", "deliverables", "quality_score", "branch",
    "delivery", "error", "error_message", "run",
)  # fmt: skip
_OF_STATE = frozenset(
    {"title", "project_id", "deliverables", "quality_score", "branch", "delivery", "error"}
)


def stream_of_task(task_id: UUID) -> str:
    """The stream on which everything about a task is told."""
    return f"task:{task_id}"


def is_last(event: StoredEvent) -> bool:
    """Whether this ended the task. A retry may still follow."""
    return event.name in LAST_NAMES


def is_finished(event: StoredEvent) -> bool:
    """Whether the task was over after this event."""
    return event.payload.get("status") in FINISHED


def message_of(event: StoredEvent) -> Message:
    """The event as a message."""
    return _message(event, TYPES.get(event.name, "task_update"), event.id, _TOLD)


def update_of(event: StoredEvent) -> Message:
    """An end that was not the end, since the task was retried: an update among others."""
    return _message(event, "task_update", event.id, _TOLD)


def state_of(event: StoredEvent, *, resume_after: UUID | None) -> Message:
    """Where the task stands, by its last event. `event_id` is where a reader resumes."""
    return _message(event, "task_update", resume_after, _OF_STATE)


def _message(event: StoredEvent, kind: str, event_id: UUID | None, told: Any) -> Message:
    payload = event.payload
    percentage = payload.get("progress_percentage", 0)
    message: Message = {
        "type": kind,
        "event_id": None if event_id is None else str(event_id),
        "task_id": payload.get("task_id"),
        "status": payload.get("status"),
        "progress_percentage": percentage,
        "percentage": percentage,
        "current_step": payload.get("current_step"),
        "timestamp": rfc3339(event.occurred_at),
    }
    return message | {name: payload[name] for name in _TOLD if name in told and name in payload}
