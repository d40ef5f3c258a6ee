"""Jobs of the engine."""

import shutil
import sys
from pathlib import Path
from uuid import UUID

from leanvibe_server.engine.bench import Workshop
from leanvibe_server.engine.claims import abandon_task
from leanvibe_server.engine.runner import run_step
from leanvibe_server.engine.sandbox import make_sandbox
from leanvibe_server.engine.service import BEGIN_RUN, RUN_STEP
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import MAX_ATTEMPTS, Jobs, Work


def workshop_of(house: House) -> Workshop:
    """The workshop of this process, set up at the first task."""
    try:
        return house.part(Workshop)
    except KeyError:
        house.place(Workshop(make_sandbox(house.settings), _find_uv()))
        return house.part(Workshop)


def _find_uv() -> Path | None:
    """The installer: on the path, or where the set-up script keeps its own."""
    own = Path(sys.prefix).parent / ".tools" / "uv" / "bin" / "uv"
    found = shutil.which("uv") or shutil.which(own)
    return Path(found) if found else None


async def do_step(work: Work, *, task_id: str, run: int, position: int) -> None:
    """Do one step of one task, and have the next one done.

    When the queue gives up, so does the task: none stays in progress without a job.
    """
    shop = workshop_of(work.house)
    try:
        await run_step(work, shop, task_id=UUID(task_id), run=run, position=position)
    except Exception:
        if work.attempt + 1 >= MAX_ATTEMPTS:
            await abandon_task(work, UUID(task_id), run)
        raise


def register(jobs: Jobs) -> None:
    """Add the engine's jobs."""
    jobs.add(BEGIN_RUN, do_step)
    jobs.add(RUN_STEP, do_step, lane="long")
