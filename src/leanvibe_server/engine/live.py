"""What a step says while it works: log lines for those who watch, a few events a second at most."""

import asyncio
from contextlib import suppress
from uuid import UUID

from leanvibe_server.engine import repository
from leanvibe_server.engine.events import TaskLogged
from leanvibe_server.engine.models import IN_PROGRESS, Step, Task
from leanvibe_server.engine.service import told
from leanvibe_server.kernel.events import printable
from leanvibe_server.kernel.jobs import Work
from leanvibe_server.kernel.log import logger, redact

FLUSH_EVERY_S = 0.4
MAX_LINES = 500
MAX_LINE = 500


class StepLog:
    """The log of one step. Lines are gathered and told together, in their order."""

    def __init__(self, work: Work, task: Task, step: Step) -> None:
        self._work = work
        self._task = task
        self._step = step
        self._lines: list[str] = []
        self._said = 0
        self._flusher: asyncio.Task[None] | None = None

    def say(self, text: str) -> None:
        """Add lines; after the first 500 of a step the rest is left out."""
        for line in text.splitlines() or [""]:
            self._said += 1
            if self._said <= MAX_LINES:
                self._lines.append(printable(redact(line), MAX_LINE) or "")
            elif self._said == MAX_LINES + 1:
                self._lines.append("… more lines are left out")

    async def __aenter__(self) -> "StepLog":
        self._flusher = asyncio.create_task(self._keep_telling())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._flusher is not None:
            self._flusher.cancel()
            with suppress(asyncio.CancelledError):
                await self._flusher
        await self._tell()

    async def _keep_telling(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            await self._tell()

    async def _tell(self) -> None:
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            await tell(self._work, self._task.id, self._step, "\n".join(lines))
        except Exception as error:  # a lost log line must not stop the work
            logger("engine").warning("log lines lost", exc_info=error)


async def tell(work: Work, task_id: UUID, step: Step, text: str) -> None:
    """Tell lines of a step, unless the task is over or another worker has the step."""
    async with work.scope() as scope:
        task = await repository.lock(scope.conn, scope.tenant_id, task_id)
        if task is None or task.status != IN_PROGRESS or task.run != step.run:
            return
        await scope.emit(TaskLogged(**told(task), step=step.name, log=text))
