"""A desk to work at: a tenant's client, its project on a real repository, and a worker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from leanvibe_server import wiring
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import run_worker
from leanvibe_server.launch import sample_project
from tests.engine.repositories import Repository

FINISHED = ("completed", "failed", "cancelled")
LINT = {"title": "Fix the lint findings", "requirements": {"recipe": "lint_autofix"}}
CRUD = {
    "title": "Add a customers endpoint",
    "requirements": {
        "component_type": "api_endpoint",
        "specification": {
            "endpoint": "/api/customers",
            "methods": ["GET", "POST"],
            "validation": "pydantic",
        },
        "fields": {"name": "str", "age": "int"},
    },
}
TESTS = {
    "title": "Cover what is not tested",
    "requirements": {"recipe": "characterisation_tests"},
}


@dataclass(frozen=True)
class Desk:
    """What a developer of one tenant does over HTTP."""

    client: httpx.AsyncClient
    headers: dict[str, str]
    project_id: str

    async def submit(self, wish: dict[str, Any], **more: Any) -> dict[str, Any]:
        body = {"project_id": self.project_id, **wish, **more}
        answer = await self.client.post("/v1/tasks", json=body, headers=self.headers)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def get(self, path: str, expected: int = 200) -> dict[str, Any]:
        answer = await self.client.get(f"/v1{path}", headers=self.headers)
        assert answer.status_code == expected, answer.text
        return dict(answer.json())

    async def post(self, path: str, expected: int = 200) -> dict[str, Any]:
        answer = await self.client.post(f"/v1{path}", headers=self.headers)
        assert answer.status_code == expected, answer.text
        return dict(answer.json())

    async def wait(self, task_id: str, *, timeout_s: float = 100) -> dict[str, Any]:
        """The task once it is over."""
        async with asyncio.timeout(timeout_s):
            while True:
                task = await self.get(f"/tasks/{task_id}")
                if task["status"] in FINISHED:
                    return task
                await asyncio.sleep(0.1)

    async def wait_for_step(self, task_id: str, step: str, *, timeout_s: float = 60) -> None:
        """Wait until the task is at the named step."""
        async with asyncio.timeout(timeout_s):
            while True:
                task = await self.get(f"/tasks/{task_id}")
                if task["current_step"] == step or task["status"] in FINISHED:
                    assert task["status"] == "in_progress", task
                    return
                await asyncio.sleep(0.02)


async def wait_until(condition: Callable[[], bool], *, timeout_s: float = 20) -> None:
    """Wait until something outside of this process has happened."""
    for _ in range(int(timeout_s / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise TimeoutError("it did not happen")


async def open_desk(
    client: httpx.AsyncClient, headers: dict[str, str], repository: Repository, **more: Any
) -> Desk:
    """A desk with a project on the repository."""
    body = {"name": "Orders", "repository_url": repository.url, **more}
    answer = await client.post("/v1/projects", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return Desk(client, headers, answer.json()["id"])


@asynccontextmanager
async def working(house: House) -> AsyncIterator[None]:
    """A worker in this process while the block lasts."""
    stop = asyncio.Event()
    worker = asyncio.create_task(run_worker(house, wiring.jobs(), stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(worker, 60)


def sample_files() -> dict[str, str | bytes]:
    """A small service with tests, a lint finding and an untested module."""
    return dict(sample_project.files())


def small_files() -> dict[str, str | bytes]:
    """As little as lets every step of a lint task do something."""
    return {
        "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
        "calc.py": (
            '"""Sums."""\n\nimport os\n\n\ndef add(a: int, b: int) -> int:\n'
            '    """Add."""\n    return a + b\n'
        ),
        "tests/test_calc.py": (
            "from calc import add\n\n\ndef test_add() -> None:\n    assert add(1, 2) == 3\n"
        ),
    }


def branches_of(repository: Repository) -> set[str]:
    """The branches that are there."""
    return set(repository.git("for-each-ref", "--format=%(refname:short)", "refs/heads").split())
