"""Tasks: what the engine is asked to do."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from leanvibe._core import Core
from leanvibe._faces import Resource, Runner, endpoint, pages
from leanvibe._operations import (
    Call,
    Operation,
    Pause,
    Steps,
    given,
    lists,
    path_of,
    reads,
    reads_bytes,
    reads_nothing,
)
from leanvibe._runners import AsyncRunner, BlockingRunner
from leanvibe._streams import stream_async, stream_blocking
from leanvibe.exceptions import WaitTimeoutError
from leanvibe.models import Task, TaskBatch, TaskCode, TaskDiff, TaskStatus, TaskUpdate
from leanvibe.pagination import Page


class Tasks(Resource[Runner]):
    """The development tasks of the tenant."""

    @endpoint
    def create(
        self,
        /,
        *,
        title: str,
        project_id: str | UUID | None = None,
        description: str | None = None,
        priority: str | None = None,
        estimated_complexity: str | None = None,
        requirements: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Call[Task]:
        """Queue a task and return at once; without a project it goes to the default one.

        Further fields (`requestor`, `jira_key`, …) are sent along.
        """
        body = {
            **fields,
            **given(
                title=title,
                project_id=project_id,
                description=description,
                priority=priority,
                estimated_complexity=estimated_complexity,
                requirements=requirements,
            ),
        }
        return Call(
            method="POST",
            path="/tasks",
            read=reads(Task),
            body=body,
            idempotency_key=idempotency_key,
        )

    @endpoint
    def get(self, task_id: str | UUID) -> Call[Task]:
        """One task."""
        return _get(task_id)

    @endpoint
    def batch(self, task_ids: Sequence[str | UUID]) -> Call[TaskBatch]:
        """Several tasks in one request."""
        body = {"task_ids": [str(task_id) for task_id in task_ids]}
        return Call(method="POST", path="/tasks/batch", read=reads(TaskBatch), body=body)

    @endpoint
    def status(self, task_id: str | UUID) -> Call[TaskStatus]:
        """Where the task stands, step by step."""
        return Call(method="GET", path=path_of("tasks", task_id, "status"), read=reads(TaskStatus))

    @endpoint
    def code(self, task_id: str | UUID) -> Call[TaskCode]:
        """The files the task wrote."""
        return Call(method="GET", path=path_of("tasks", task_id, "code"), read=reads(TaskCode))

    @endpoint
    def diff(self, task_id: str | UUID) -> Call[TaskDiff]:
        """The change the task made, as a unified diff."""
        return Call(method="GET", path=path_of("tasks", task_id, "diff"), read=reads(TaskDiff))

    @endpoint
    def raw_diff(self, task_id: str | UUID) -> Call[bytes]:
        """The change byte for byte, fit for `git apply` whatever the files' encoding."""
        return Call(
            method="GET",
            path=path_of("tasks", task_id, "diff"),
            read=reads_bytes,
            accept="text/x-diff",
        )

    @endpoint
    def cancel(self, task_id: str | UUID) -> Call[Task]:
        """Stop the task; the repository stays as it was."""
        return Call(method="POST", path=path_of("tasks", task_id, "cancel"), read=reads(Task))

    @endpoint
    def retry(self, task_id: str | UUID, *, idempotency_key: str | None = None) -> Call[Task]:
        """Queue a failed or cancelled task again; the answer is the task that will run."""
        return Call(
            method="POST",
            path=path_of("tasks", task_id, "retry"),
            read=reads(Task),
            idempotency_key=idempotency_key,
        )

    @endpoint
    def delete_branch(self, task_id: str | UUID) -> Call[None]:
        """Delete the branch a completed task pushed."""
        path = path_of("tasks", task_id, "branch")
        return Call(method="DELETE", path=path, read=reads_nothing)

    @endpoint
    def wait(
        self, task_id: str | UUID, *, timeout_s: float | None = None, poll_s: float = 1.0
    ) -> Operation[Task]:
        """The task once it is finished; looks every `poll_s` seconds.

        Raises:
            WaitTimeoutError: it was not finished after `timeout_s` seconds. It goes on working.
        """
        return _Wait(_get(task_id), timeout_s, poll_s)

    def _list(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        status: str | None = None,
        project_id: str | UUID | None = None,
    ) -> Call[Page[Task]]:
        """The tasks of the tenant, newest first."""
        return lists(
            Task, "/tasks", limit=limit, cursor=cursor, status=status, project_id=project_id
        )

    list = endpoint(_list)
    iterate = pages(_list)


class AsyncTasks(Tasks[AsyncRunner]):
    """Tasks of the async client, with their live stream."""

    def stream_updates(
        self, task_id: str | UUID, *, after: str | None = None
    ) -> AsyncGenerator[TaskUpdate, None]:
        """The task's updates as they happen, to its end.

        A dropped connection is made again and resumes where it broke off: nothing is lost and
        nothing comes twice. `after` is the `event_id` of the last update already known.
        """
        return stream_async(self._runner, task_id, after=after)


class BlockingTasks(Tasks[BlockingRunner]):
    """Tasks of the blocking client, with their live stream."""

    def stream_updates(
        self, task_id: str | UUID, *, after: str | None = None
    ) -> Generator[TaskUpdate, None, None]:
        """The task's updates as they happen, to its end.

        A dropped connection is made again and resumes where it broke off: nothing is lost and
        nothing comes twice. `after` is the `event_id` of the last update already known.
        """
        return stream_blocking(self._runner, task_id, after=after)


@dataclass(frozen=True)
class _Wait:
    look: Call[Task]
    timeout_s: float | None
    poll_s: float

    def steps(self, core: Core) -> Steps[Task]:
        started_s = core.clock_s()
        while True:
            task = yield from core.converse(self.look)
            if task.finished:
                return task
            pause_s = self.poll_s
            if self.timeout_s is not None:
                left_s = self.timeout_s - (core.clock_s() - started_s)
                if left_s <= 0:
                    raise WaitTimeoutError(
                        f"The task is still {task.status} after {self.timeout_s:g} s.",
                        details={"task_id": task.id, "status": task.status},
                    )
                pause_s = min(pause_s, left_s)
            yield Pause(pause_s)


def _get(task_id: str | UUID) -> Call[Task]:
    return Call(method="GET", path=path_of("tasks", task_id), read=reads(Task))
