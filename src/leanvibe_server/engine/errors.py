"""Refusals of the engine, and how a task says why it failed."""

from typing import Any

from leanvibe_server.kernel.errors import AppError, Conflict, InvalidRequest


class TaskNotCompleted(InvalidRequest):
    """What is asked for is there once the task is completed."""


class TaskFinished(Conflict):
    """The task is over: there is nothing left to cancel."""


class TaskUnfinished(Conflict):
    """The task is under way: it can be retried once it has failed or was cancelled."""


class TaskFailure(Exception):
    """The work cannot be done, and trying again by itself would not help.

    `code`, `message` and `details` become the task's `error`. `output` is what the step did find,
    `patch` the change as far as it came, `columns` are written to the task.
    """

    def __init__(
        self,
        code: str,
        message: str,
        details: dict[str, Any] | None = None,
        *,
        output: dict[str, Any] | None = None,
        patch: bytes | None = None,
        columns: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details or {}
        self.output = output
        self.patch = patch
        self.columns = columns or {}

    @classmethod
    def of(cls, refusal: AppError) -> "TaskFailure":
        """A refusal of a lower room as the reason why a task failed."""
        return cls(refusal.code, refusal.message, refusal.details)

    def as_error(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "details": self.details}
