"""Projects, tasks, and what comes of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from leanvibe._records import Record


class Project(Record):
    """A git repository and how the engine may work on it."""

    id: str
    name: str
    description: str
    tech_stack: list[str]
    repository_url: str
    hosted: bool
    default_branch: str | None = None
    ai_assistance_level: str
    configuration: Record
    has_credentials: bool
    is_default: bool
    created_at: datetime
    updated_at: datetime


class RepositoryReach(Record):
    """How far the product gets with a project's repository."""

    reachable: bool
    branch: str | None = None
    commit: str | None = None
    problem: Record | None = None


class Deliverables(Record):
    """What a task made, counted from its diff."""

    files_created: int | None = None
    files_changed: int | None = None
    tests_written: int | None = None
    api_endpoints: int | None = None


class TaskProblem(Record):
    """Why a task failed; `code` is stable, `details` say what would help."""

    code: str
    message: str
    details: dict[str, Any]


class Task(Record):
    """A piece of development work on one project.

    `extra` holds the fields of the request the API does not know, `run` counts the attempts,
    `delivery` is `branch` or `patch`.
    """

    id: str
    status: str
    project_id: str
    title: str
    description: str | None = None
    priority: str | None = None
    estimated_complexity: str | None = None
    requirements: dict[str, Any]
    extra: dict[str, Any]
    run: int
    progress_percentage: int
    current_step: str | None = None
    milestones_completed: list[str]
    next_milestones: list[str]
    estimated_duration_minutes: float | None = None
    estimated_completion: datetime | None = None
    assigned_agent: str | None = None
    deliverables: Deliverables | None = None
    quality_score: float | None = None
    quality: Record | None = None
    error: TaskProblem | None = None
    recipe: str | None = None
    plan: Record | None = None
    branch: str | None = None
    base_branch: str | None = None
    base_commit: str | None = None
    commit_sha: str | None = None
    delivery: str | None = None
    delivery_reason: str | None = None
    branch_deleted_at: datetime | None = None
    parent_task_id: str | None = None
    created_by: str | None = None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    tracking_url: str
    websocket_url: str

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to this task."""
        return self.status in FINISHED


FINISHED = frozenset({"completed", "failed", "cancelled"})


class TaskBatch(Record):
    """Several tasks asked for at once; `not_found` are the ids of the others."""

    data: list[Task]
    not_found: list[str]


class TaskStep(Record):
    """One of the six steps of a task's current run."""

    position: int
    name: str
    status: str
    output: Record | None = None
    tool_calls: list[Record]
    error: TaskProblem | None = None
    cost_cents: float
    started_at: datetime | None = None
    completed_at: datetime | None = None
    duration_ms: int | None = None


class TaskStatus(Record):
    """Where a task stands, step by step."""

    task_id: str
    status: str
    run: int
    progress_percentage: int
    current_step: str | None = None
    steps: list[TaskStep]
    error: TaskProblem | None = None


class CodeFile(Record):
    """One file a task wrote; `content` is None where it is binary, deleted or too large."""

    path: str
    content: str | None = None
    kind: str
    status: str


class TaskCode(Record):
    """What a task wrote, as a whole and file by file."""

    task_id: str
    title: str
    code: str
    tests: str
    documentation: str
    files: list[CodeFile]
    completed_at: datetime | None = None


class TaskDiff(Record):
    """The change a task made, as a unified diff against `base_commit`."""

    task_id: str
    diff: str
    branch: str | None = None
    base_branch: str | None = None
    base_commit: str | None = None
    commit_sha: str | None = None
    delivery: str | None = None
    delivery_reason: str | None = None


class TaskUpdate(Record):
    """One message of a task's live stream; `event_id` is where a later stream may resume."""

    type: str
    event_id: str | None = None
    task_id: str | None = None
    status: str | None = None
    progress_percentage: int | None = None
    percentage: int | None = None
    current_step: str | None = None
    message: str | None = None
    timestamp: datetime | None = None
    deliverables: Deliverables | None = None
    quality_score: float | None = None
    error: TaskProblem | None = None
    step: str | None = None
    log: str | None = None


class CodeCompletion(Record):
    """An answer of the completion service; `confidence` is measured or None."""

    status: str
    intent: str | None = None
    response: str
    confidence: float | None = None
    requires_review: bool | None = None
    suggestions: list[str]
    processing_time_ms: float | None = None
