"""Delivery: the change becomes one commit on a branch of its own, or a patch where that is refused.

The commit is made from the patch in our mirror, and is the same one however often it is made.
"""

import asyncio
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from leanvibe_server.engine import repository
from leanvibe_server.engine.bench import (
    Bench,
    StepResult,
    git_limits,
    mirror_dir,
)
from leanvibe_server.engine.deliverables import count_deliverables, is_test_file
from leanvibe_server.engine.diffs import FileDiff, parse_diff
from leanvibe_server.engine.errors import TaskFailure
from leanvibe_server.engine.models import IN_PROGRESS, Task
from leanvibe_server.kernel.errors import AppError
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.log import logger
from leanvibe_server.projects import git
from leanvibe_server.projects import service as projects
from leanvibe_server.projects.git_commands import run_git
from leanvibe_server.projects.git_commits import Author, build_commit
from leanvibe_server.projects.git_errors import RepositoryUnreachable
from leanvibe_server.projects.models import Project

AUTHOR = Author("LeanVibe", "no-reply@leanvibe.invalid")
MAX_FILES = 500
MAX_FILE_BYTES = 400_000
MAX_ALL_BYTES = 4_000_000
PUSH_TRIES = 3
PUSH_PAUSE_S = 1.5
_DOCUMENTS = (".md", ".rst", ".txt", ".adoc")


class DeliveryStopped(Exception):
    """The task is not ours to deliver any more."""


def branch_name(task: Task) -> str:
    """The task's own branch. The end of the id is its random part, so no two tasks share one."""
    plain = unicodedata.normalize("NFKD", task.title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-")
    again = f"-{task.run}" if task.run > 1 else ""
    return "-".join(filter(None, ["leanvibe/task", task.id.hex[-12:], slug])) + again


async def deliver(bench: Bench) -> StepResult:
    """Commit the change, count it, and push it unless the task was cancelled meanwhile."""
    task, patch = bench.task, bench.patch
    if not patch:
        raise TaskFailure("nothing_to_do", "The work changed nothing, so nothing is delivered.")
    deliverables = msgspec.to_builtins(count_deliverables(patch))
    commit = await build_commit(
        bench.mirror_dir,
        bench.require_base(),
        patch,
        message=_message(bench, deliverables),
        author=AUTHOR,
        committed_at=task.created_at,
    )
    files = await _read_files(bench.mirror_dir, commit, parse_diff(patch))
    branch = branch_name(task)
    await _announce(bench, {"branch": branch, "commit_sha": commit})
    bench.log.say(f"Pushing {branch} at {commit[:12]}.")
    delivery = await _push(bench, branch, commit)
    pushed = delivery.kind == "branch"
    bench.log.say("The branch is pushed." if pushed else f"Kept as a patch. {delivery.reason}")
    return StepResult(
        message=f"Pushed {branch}." if pushed else f"Delivered as a patch. {delivery.reason}",
        output={
            "branch": branch if pushed else None,
            "commit_sha": commit,
            "delivery": delivery.kind,
            "reason": delivery.reason,
            "deliverables": deliverables,
            "files": files,
        },
        patch=patch,
        columns={
            "branch": branch if pushed else None,
            "commit_sha": commit,
            "delivery": delivery.kind,
            "delivery_reason": delivery.reason,
            "deliverables": deliverables,
        },
    )


async def _announce(bench: Bench, pushing: dict[str, str]) -> None:
    """Write down what will be pushed, so that whoever finds the task cancelled can take it back.

    Raises: DeliveryStopped: it is cancelled already, or another worker has the step.
    """
    async with bench.house.database.tenant(bench.task.tenant_id) as conn:
        task = await repository.lock(conn, bench.task.tenant_id, bench.task.id)
        if task is None or task.status != IN_PROGRESS or task.run != bench.step.run:
            raise DeliveryStopped
        if not await repository.note_output(conn, task, bench.step, {"pushing": pushing}):
            raise DeliveryStopped


async def _push(bench: Bench, branch: str, commit: str) -> git.Delivery:
    """Push the branch; a repository that stays silent gets a patch instead."""
    for attempt in range(1, PUSH_TRIES + 1):
        try:
            return await git.publish_branch(
                bench.mirror_dir,
                bench.address,
                await bench.credentials(),
                branch,
                commit,
                limits=bench.git_limits,
            )
        except RepositoryUnreachable as error:
            bench.log.say(f"The repository did not answer ({attempt} of {PUSH_TRIES}).")
            if attempt == PUSH_TRIES:
                return git.Delivery("patch", error.message)
            await asyncio.sleep(PUSH_PAUSE_S * attempt)
        except AppError as error:
            return git.Delivery("patch", error.message)
    raise RuntimeError("the last try returns")


async def withdraw(house: House, project: Project, *, branch: str, commit: str) -> None:
    """Take back what was pushed for a task that was cancelled at that very moment.

    Only a branch that stands at our commit is deleted.
    """
    mirror, limits = mirror_dir(house, project), git_limits(house.settings)
    try:
        credentials = await projects.git_credentials(house, project)
        address = projects.address_of(house, project)
        head = await git.fetch_mirror(address, mirror, credentials, limits, branch=branch)
        if head.commit == commit:
            await git.delete_branch(mirror, address, credentials, branch, limits=limits)
    except AppError as error:
        logger("engine").warning("branch not taken back", branch=branch, error=error.message)


def _message(bench: Bench, deliverables: dict[str, Any]) -> str:
    task = bench.task
    title = " ".join(task.title.split())[:200]
    changed = deliverables["files_created"] + deliverables["files_changed"]
    body = f"{task.recipe}: {changed} files, {deliverables['tests_written']} tests written."
    return f"{title}\n\n{body}\n\nLeanVibe-Task: {task.id}\n"


async def _read_files(mirror: Path, commit: str, files: Sequence[FileDiff]) -> list[dict[str, Any]]:
    """Every file of the diff as it stands in the commit, as far as it is text of sane size."""
    shown: list[dict[str, Any]] = []
    room = MAX_ALL_BYTES
    for file in files[:MAX_FILES]:
        content = None
        if file.status != "deleted" and not file.binary:
            content = await _read_file(mirror, commit, file.path, min(room, MAX_FILE_BYTES))
            room -= len(content or "")
        shown.append(
            {"path": file.path, "content": content, "kind": _kind(file.path), "status": file.status}
        )
    return shown


async def _read_file(mirror: Path, commit: str, path: str, room: int) -> str | None:
    done = await run_git(["cat-file", "blob", f"{commit}:{path}"], repository=mirror, timeout_s=30)
    if done.exit_code != 0 or len(done.stdout) > room or b"\0" in done.stdout:
        return None
    try:
        return done.stdout.decode()
    except UnicodeDecodeError:
        return None


def _kind(path: str) -> str:
    if is_test_file(path):
        return "test"
    return "documentation" if path.lower().endswith(_DOCUMENTS) else "code"
