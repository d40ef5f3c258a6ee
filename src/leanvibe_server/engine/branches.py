"""Branches that tasks pushed, and their end."""

from dataclasses import replace
from uuid import UUID

from leanvibe_server.engine import repository, service
from leanvibe_server.engine.bench import git_limits, mirror_dir
from leanvibe_server.engine.events import TaskBranchDeleted
from leanvibe_server.engine.models import COMPLETED, Task
from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.errors import Conflict
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.projects import git
from leanvibe_server.projects import service as projects

# Somebody waits for the answer.
PATIENCE_S = 30.0


async def delete_task_branch(errand: Errand, task_id: UUID) -> None:
    """Delete the branch of a completed task from its repository. Twice is no error.

    Raises: NotFound. Conflict: the task pushed none. PushRefused, RepositoryUnreachable,
        RepositoryAuthRequired: the repository keeps it.
    """
    async with errand.scope() as scope:
        task = await service.require_task(scope, task_id)
        branch = _branch_of(task)
        if task.branch_deleted_at is not None:
            return
        project = await projects.require_project(scope, task.project_id)
    house = errand.house
    await git.delete_branch(
        mirror_dir(house, project),
        projects.address_of(house, project),
        await projects.git_credentials(house, project),
        branch,
        limits=replace(git_limits(house.settings), timeout_s=PATIENCE_S),
    )
    async with errand.scope() as scope:
        await _note_deleted(scope, task_id, branch)


async def _note_deleted(scope: Scope, task_id: UUID, branch: str) -> None:
    task = await service.lock_task(scope, task_id)
    if task.branch_deleted_at is not None:
        return
    now = scope.now
    task = await repository.update(scope.conn, task, branch_deleted_at=now, updated_at=now)
    await scope.emit(TaskBranchDeleted(**service.told(task), branch=branch))


def _branch_of(task: Task) -> str:
    if task.status != COMPLETED or task.branch is None:
        raise Conflict(
            "The task pushed no branch, so there is none to delete.",
            details={"status": task.status, "delivery": task.delivery},
        )
    return task.branch
