"""What happens to tasks. Each event carries what those who watch the task live must know."""

from typing import Any, ClassVar
from uuid import UUID

from leanvibe_server.kernel.events import Event


class TaskEvent(Event, frozen=True, kw_only=True):
    """Something about one task, told to everyone who watches it."""

    area: ClassVar[str] = "task"
    task_id: UUID
    project_id: UUID
    title: str
    status: str
    progress_percentage: int
    current_step: str | None

    @property
    def stream(self) -> str | None:
        return f"task:{self.task_id}"


class TaskCreated(TaskEvent, frozen=True, kw_only=True):
    """A task was queued."""

    name: ClassVar[str] = "task.created"
    public: ClassVar[bool] = True
    priority: str


class TaskRetried(TaskEvent, frozen=True, kw_only=True):
    """A failed or cancelled task was queued again; `run` counts its attempts."""

    name: ClassVar[str] = "task.retried"
    run: int


class TaskStarted(TaskEvent, frozen=True, kw_only=True):
    """A worker took the task up."""

    name: ClassVar[str] = "task.in_progress"
    public: ClassVar[bool] = True


class TaskProgressed(TaskEvent, frozen=True, kw_only=True):
    """A step began or ended. `step` is the one meant."""

    name: ClassVar[str] = "engine.progress"
    audited: ClassVar[bool] = False
    step: str
    message: str


class TaskLogged(TaskEvent, frozen=True, kw_only=True):
    """Lines about what a step is doing."""

    name: ClassVar[str] = "engine.log"
    audited: ClassVar[bool] = False
    step: str
    log: str


class TaskCompleted(TaskEvent, frozen=True, kw_only=True):
    """The work is delivered."""

    name: ClassVar[str] = "task.completed"
    public: ClassVar[bool] = True
    deliverables: dict[str, Any]
    quality_score: float | None
    branch: str | None
    delivery: str


class TaskFailed(TaskEvent, frozen=True, kw_only=True):
    """The work could not be done; nothing was delivered and nothing is billed."""

    name: ClassVar[str] = "task.failed"
    public: ClassVar[bool] = True
    error: dict[str, Any]
    error_message: str


class TaskCancelled(TaskEvent, frozen=True, kw_only=True):
    """A person stopped the task; nothing was delivered and nothing is billed."""

    name: ClassVar[str] = "task.cancelled"
    error: dict[str, Any]


class TaskBranchDeleted(TaskEvent, frozen=True, kw_only=True):
    """The branch a task had pushed was deleted from its repository."""

    name: ClassVar[str] = "task.branch_deleted"
    branch: str
