"""A task of the engine against the same tools run by hand."""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.ground import Server, process, serving, stand
from benchmarks.report import Effort, Figure, Findings
from benchmarks.residents import fetch, post, settle, sign_in
from benchmarks.rounds import Spread
from leanvibe_server.launch.demo import make_repository

RECIPE = "lint_autofix"
ENDED = ("completed", "failed", "cancelled")
PATIENCE_S = 300.0
LOOK_EVERY_S = 0.02
# As a developer would say them, with the gates that the engine's validation runs too.
BY_HAND = (
    ("clone", "git clone --quiet {url} ."),
    ("branch", "git switch --quiet --create by-hand-{number}"),
    ("findings before", "{python} -m ruff check --exit-zero --quiet ."),
    ("tests before", "{python} -m coverage run --branch -m pytest --quiet"),
    ("fix", "{python} -m ruff check --fix --exit-zero --quiet ."),
    ("tests after", "{python} -m coverage run --branch -m pytest --quiet"),
    ("findings after", "{python} -m ruff check --exit-zero --quiet ."),
    ("security", "{python} -m bandit --quiet --exit-zero --recursive app"),
    ("commit", "git commit --quiet --all --message Fix"),
    ("push", "git push --quiet origin HEAD"),
)


@dataclass(frozen=True)
class Task:
    """One completed task: the wall time from request to end, and that of each step."""

    wall_s: float
    steps_s: dict[str, float]

    @property
    def between_s(self) -> float:
        """What no step accounts for: the request, the queue, and the writing down."""
        return self.wall_s - sum(self.steps_s.values())


def run(effort: Effort) -> Findings:
    """A lint_autofix task on the sample repository, from its request to `completed`, and the
    same work by hand without a sandbox: clone, lint, test before and after, commit, push."""
    with stand() as ground:
        resident = settle(ground, tenants=1, projects_each=0)[0]
        repositories = ground.settings.home / "repositories"
        place = repositories / str(resident.tenant_id) / "sample.git"
        url = make_repository(place)
        with (
            serving(ground, "product") as product,
            process(["-m", "leanvibe_server.worker"], ground.environment()),
        ):
            token = sign_in(product, resident)
            project = post(product, "/v1/projects", _project(url), token=token)
            new = _task(str(project["id"]))
            # The first one waits for the worker and fills its caches.
            _do_task(product, token, new)
            tasks, hands, again = [], [], []
            for number in range(effort.of(6, 1)):
                hands.append(_do_by_hand(url, 2 * number))
                tasks.append(_do_task(product, token, new))
                again.append(_do_by_hand(url, 2 * number + 1))
        version = ground.postgres_version
    return _findings(tasks, hands, again, version)


def _findings(
    tasks: list[Task], hands: list[dict[str, float]], again: list[dict[str, float]], version: str
) -> Findings:
    by_hand = [sum(hand.values()) for hand in hands]
    figures = [
        Figure("wall time", _over([task.wall_s for task in tasks], by_hand)),
        Figure("a task", Spread.of([task.wall_s for task in tasks], 2), "s"),
        Figure("by hand", Spread.of(by_hand, 2), "s"),
        Figure("queue and bookkeeping", Spread.of([task.between_s for task in tasks], 2), "s"),
    ]
    figures += [
        Figure(f"step {name}", Spread.of([task.steps_s[name] for task in tasks], 2), "s")
        for name in tasks[0].steps_s
    ]
    return Findings(
        question="What does the engine add to the tools it runs?",
        figures=figures,
        control=Figure(
            "by hand against itself", _over([sum(hand.values()) for hand in again], by_hand)
        ),
        rounds={
            "task": [{"wall_s": round(task.wall_s, 3)} | task.steps_s for task in tasks],
            "by_hand": hands,
            "by_hand_again": again,
        },
        postgres_version=version,
        notes={"recipe": RECIPE, "by_hand": [words for _, words in BY_HAND]},
    )


def _over(times: list[float], others: list[float]) -> Spread:
    return Spread.of([one / other for one, other in zip(times, others, strict=True)], 2)


def _project(url: str) -> dict[str, object]:
    return {"name": "Sample", "repository_url": url}


def _task(project_id: str) -> dict[str, object]:
    return {
        "title": "Fix the lint findings",
        "project_id": project_id,
        "requirements": {"recipe": RECIPE},
    }


def _do_task(server: Server, token: str, new: dict[str, object]) -> Task:
    """Request a task and wait for its end.

    Raises: RuntimeError: it did not complete, or in time.
    """
    began = time.perf_counter()
    task_id = post(server, "/v1/tasks", new, token=token)["id"]
    while time.perf_counter() - began < PATIENCE_S:
        seen: Any = fetch(server, f"/v1/tasks/{task_id}/status", token=token)
        if seen["status"] in ENDED:
            wall = time.perf_counter() - began
            if seen["status"] != "completed":
                raise RuntimeError(f"the task ended as {seen['status']}: {seen['error']}")
            return Task(wall, {s["name"]: s["duration_ms"] / 1000 for s in seen["steps"]})
        time.sleep(LOOK_EVERY_S)
    raise RuntimeError("the task did not end in time")


def _do_by_hand(url: str, number: int) -> dict[str, float]:
    """The seconds each command takes, in a fresh directory."""
    who = {"GIT_AUTHOR_NAME": "B", "GIT_AUTHOR_EMAIL": "b@example.org"}
    who |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in who.items()}
    taken = {}
    with tempfile.TemporaryDirectory(prefix="lvbench-hand-") as folder:
        for name, words in BY_HAND:
            command = words.format(url=url, number=number, python=sys.executable).split()
            began = time.perf_counter()
            subprocess.run(
                command,
                cwd=folder,
                env=os.environ | who | {"HOME": folder},
                check=True,
                capture_output=True,
            )
            taken[name] = round(time.perf_counter() - began, 3)
    return taken
