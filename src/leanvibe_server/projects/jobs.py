"""Jobs of the projects room."""

import asyncio
import shutil
from pathlib import Path
from uuid import UUID

from leanvibe_server.kernel.jobs import Jobs, Work
from leanvibe_server.projects import repository, service
from leanvibe_server.projects.service import REMOVE_FILES


async def remove_files(work: Work, *, project_id: str) -> None:
    """Delete what we kept of a deleted project's repository: our copy, and a hosted original."""
    gone = UUID(project_id)
    async with work.scope() as scope:
        if await repository.find(scope.conn, work.tenant_id, gone) is not None:
            return
    for path in (
        service.hosted_path(work.house, work.tenant_id, gone),
        service.mirror_path(work.house, work.tenant_id, gone),
    ):
        await asyncio.to_thread(_remove, path)


def _remove(path: Path) -> None:
    # Bare repositories of our own making: no foreign program ever wrote in them.
    if path.exists():
        shutil.rmtree(path)


def register(jobs: Jobs) -> None:
    """Add the jobs of this room."""
    jobs.add(REMOVE_FILES, remove_files)
