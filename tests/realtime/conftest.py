"""A real server on a real port: WebSockets and event streams need one."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
import uvicorn

from leanvibe_server.engine import service as engine
from leanvibe_server.engine.events import TaskCompleted, TaskLogged, TaskProgressed
from leanvibe_server.engine.service import told
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import Work
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.wiring import Doors
from tests.given import Organisation


@dataclass(frozen=True)
class Server:
    """Where the application answers."""

    port: int

    @property
    def http(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://localhost:{self.port}"


@pytest.fixture
async def server(doors: Doors) -> AsyncIterator[Server]:
    async with serving(doors) as server:
        yield server


@asynccontextmanager
async def serving(doors: Doors) -> AsyncIterator[Server]:
    """The application on a port of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        doors.app, lifespan="off", access_log=False, log_config=None, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    yield Server(port)
    server.should_exit = True
    await running


@dataclass(frozen=True)
class Teller:
    """Says what a worker would say of a task, without one."""

    house: House
    tenant_id: UUID
    task_id: UUID

    async def log(self, text: str) -> None:
        async with self._work().scope() as scope:
            await scope.emit(TaskLogged(**await self._told(scope), step="validation", log=text))

    async def progress(self, percentage: int, step: str) -> None:
        facts = {"progress_percentage": percentage, "current_step": step, "status": "in_progress"}
        async with self._work().scope() as scope:
            known = await self._told(scope)
            await scope.emit(TaskProgressed(**known | facts, step=step, message="Working."))

    async def complete(self) -> None:
        facts = {"progress_percentage": 100, "current_step": "delivery", "status": "completed"}
        async with self._work().scope() as scope:
            known = await self._told(scope)
            await scope.emit(
                TaskCompleted(
                    **known | facts,
                    deliverables={"files_created": 1, "tests_written": 2},
                    quality_score=0.9,
                    branch="leanvibe/task-x",
                    delivery="branch",
                )
            )

    def _work(self) -> Work:
        return Work(self.house, self.tenant_id, 0)

    async def _told(self, scope: Scope) -> dict[str, Any]:
        return told(await engine.require_task(scope, self.task_id))


LINT = {"title": "Fix the lint findings", "requirements": {"recipe": "lint_autofix"}}


@pytest.fixture
async def token(client: httpx.AsyncClient, acme: Organisation) -> str:
    return await acme.token(client, "developer")


@pytest.fixture
async def teller(client: httpx.AsyncClient, house: House, acme: Organisation, token: str) -> Teller:
    """A queued task, and who tells of it."""
    answer = await client.post("/v1/tasks", json=LINT, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 201, answer.text
    return Teller(house, acme.id, UUID(answer.json()["id"]))
