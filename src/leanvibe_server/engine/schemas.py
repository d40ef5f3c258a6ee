"""Wire shapes of the engine."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from leanvibe_server.engine.models import COMPLETED, PROGRESS, QUEUED, STEPS, Step, Task
from leanvibe_server.kernel.schemas import OneLine, RowView, Timestamp

PRIORITIES = {
    "lowest": "low",
    "trivial": "low",
    "minor": "low",
    "normal": "medium",
    "major": "high",
    "highest": "urgent",
    "critical": "urgent",
    "blocker": "urgent",
}
STATUS_ALIASES = {"pending": QUEUED}
MAX_EXTRA_FIELDS = 50


def _alias(names: dict[str, str]) -> BeforeValidator:
    def translate(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        lower = value.strip().lower()
        return names.get(lower, lower)

    return BeforeValidator(translate)


Title = Annotated[str, StringConstraints(min_length=1, max_length=500), OneLine]
Priority = Annotated[Literal["low", "medium", "high", "urgent"], _alias(PRIORITIES)]
StatusFilter = Annotated[
    Literal["queued", "in_progress", "awaiting_approval", "completed", "failed", "cancelled"],
    _alias(STATUS_ALIASES),
]


class NewTask(BaseModel):
    """A task to do. Without `project_id` it goes to the default project.

    Fields the API does not know, such as `jira_key`, are kept with the task.
    """

    model_config = ConfigDict(extra="allow")

    title: Title
    description: str | None = Field(None, max_length=100_000)
    project_id: UUID | None = None
    priority: Priority | None = Field(None, description="Without one: medium")
    estimated_complexity: (
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)] | None
    ) = None
    requirements: dict[str, Any] | None = None
    parent_task_id: UUID | None = None

    def extra(self) -> dict[str, Any]:
        """The fields the API does not know."""
        return dict(self.model_extra or {})


class TaskBatch(BaseModel):
    """The tasks asked for, at most 100."""

    task_ids: list[UUID] = Field(min_length=1, max_length=100)


class RealTimeUpdates(BaseModel):
    """Where the task is told live."""

    websocket_url: str
    events_url: str


class TaskProblem(BaseModel):
    """Why a task failed, and in `details` what would help."""

    code: str
    message: str
    details: dict[str, Any]


class TaskView(RowView):
    """A task as the API prints it."""

    id: UUID
    status: str
    project_id: UUID
    title: str
    description: str
    priority: str
    estimated_complexity: str | None
    requirements: dict[str, Any]
    extra: dict[str, Any] = Field(description="Fields of the request the API does not know")
    run: int = Field(description="Counts the attempts, from 1")
    progress_percentage: int
    current_step: str | None
    milestones_completed: list[str] = Field(description="Steps that are done, in order")
    next_milestones: list[str] = Field(description="Steps that are to come, in order")
    estimated_duration_minutes: float | None = Field(
        description="Median of like tasks that were completed; null where there are none"
    )
    estimated_completion: Timestamp | None
    assigned_agent: str
    deliverables: dict[str, Any] | None = Field(description="Counts from the diff")
    quality_score: float | None
    quality: dict[str, Any] | None = Field(description="The score's inputs and the gates")
    error: TaskProblem | None
    recipe: str | None
    plan: dict[str, Any] | None = Field(description="What the work rests on, with assumptions")
    branch: str | None
    base_branch: str | None
    base_commit: str | None
    commit_sha: str | None
    delivery: str | None = Field(description="`branch` or `patch`")
    delivery_reason: str | None = Field(description="Why a patch instead of a branch")
    branch_deleted_at: Timestamp | None
    parent_task_id: UUID | None
    created_by: UUID | None
    created_at: Timestamp
    updated_at: Timestamp
    started_at: Timestamp | None
    completed_at: Timestamp | None
    tracking_url: str
    websocket_url: str
    real_time_updates: RealTimeUpdates

    @classmethod
    def of(cls, task: Task, *, base_url: str, estimated_s: float | None) -> "TaskView":
        done, ahead = _milestones(task)
        live = live_urls(base_url, task.id)
        return cls.from_row(
            task,
            quality_score=None if task.quality_score is None else float(task.quality_score),
            milestones_completed=done,
            next_milestones=ahead,
            estimated_duration_minutes=(
                None if estimated_s is None else max(0.1, round(estimated_s / 60, 1))
            ),
            estimated_completion=_expected_end(task, estimated_s),
            tracking_url=f"{base_url}/tasks/{task.id}",
            websocket_url=live.websocket_url,
            real_time_updates=live,
        )


def live_urls(base_url: str, task_id: UUID) -> RealTimeUpdates:
    """Where a task is told live: by WebSocket and by server-sent events."""
    socket = base_url.replace("http", "ws", 1)
    return RealTimeUpdates(
        websocket_url=f"{socket}/v1/ws/tasks/{task_id}",
        events_url=f"{base_url}/v1/tasks/{task_id}/events",
    )


def _milestones(task: Task) -> tuple[list[str], list[str]]:
    if task.status == COMPLETED:
        return list(STEPS), []
    done = sum(1 for begun in PROGRESS[1:] if task.progress_percentage >= begun)
    return list(STEPS[:done]), list(STEPS[done:])


def _expected_end(task: Task, estimated_s: float | None) -> datetime | None:
    if estimated_s is None or task.finished:
        return None
    return (task.started_at or task.created_at) + timedelta(seconds=estimated_s)


class TaskList(BaseModel):
    """The tasks that were asked for and exist, in the order asked; the others by id."""

    data: list[TaskView]
    not_found: list[UUID]


class StepView(RowView):
    """One step of the task's current run."""

    position: int
    name: str
    status: str = Field(description="pending, running, completed, failed, cancelled or skipped")
    input: dict[str, Any]
    output: dict[str, Any] | None
    tool_calls: list[dict[str, Any]]
    error: TaskProblem | None
    cost_cents: float
    started_at: Timestamp | None
    completed_at: Timestamp | None
    duration_ms: int | None

    @classmethod
    def of(cls, step: Step) -> "StepView":
        cost_cents, output = float(step.cost_cents), _without_contents(step.output)
        return cls.from_row(step, cost_cents=cost_cents, output=output)

    @classmethod
    def ahead(cls, position: int, *, skipped: bool) -> "StepView":
        """A step that has not begun, and never will where the run is over."""
        return cls(
            position=position,
            name=STEPS[position],
            status="skipped" if skipped else "pending",
            input={},
            output=None,
            tool_calls=[],
            error=None,
            cost_cents=0,
            started_at=None,
            completed_at=None,
            duration_ms=None,
        )


def _without_contents(output: dict[str, Any] | None) -> dict[str, Any] | None:
    """A step's output, its files by name: what is in them is asked for apart."""
    if output is None or "files" not in output:
        return output
    files = [
        {key: value for key, value in file.items() if key != "content"}
        if isinstance(file, dict)
        else file
        for file in output["files"]
    ]
    return output | {"files": files}


class TaskStatus(BaseModel):
    """Where a task stands, step by step."""

    id: UUID
    task_id: UUID
    status: str
    run: int
    progress_percentage: int
    current_step: str | None
    steps: list[StepView]
    error: TaskProblem | None
    real_time_updates: RealTimeUpdates


class CodeFile(BaseModel):
    """One file the task wrote, as it stands in the delivered commit."""

    path: str
    content: str | None = Field(description="null where it is binary, deleted or too large")
    kind: Literal["code", "test", "documentation"]
    status: str = Field(description="added, modified, renamed or deleted")


class TaskCode(BaseModel):
    """What the task wrote."""

    task_id: UUID
    title: str
    code: str
    tests: str
    documentation: str
    files: list[CodeFile]
    completed_at: Timestamp | None


class TaskDiff(BaseModel):
    """The change the task made, as a unified diff against `base_commit`."""

    task_id: UUID
    status: str
    diff: str
    branch: str | None
    base_branch: str | None
    base_commit: str | None
    commit_sha: str | None
    delivery: str | None
    delivery_reason: str | None
