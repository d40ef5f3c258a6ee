"""No sandbox at all, for development on machines that have none. Foreign code runs as you."""

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

from leanvibe_server.engine.enclosure import ENV
from leanvibe_server.engine.sandbox import INSIDE, PYTHON, WORKSPACE, Bind, Limits, Outcome
from leanvibe_server.engine.watching import is_too_big, watch_limits
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.processes import run_process

_HERE = Path(__file__).parent


class NoSandboxForeignCodeRunsUnconfined:
    """Stands in where `SANDBOX=none`: the same paths, time-outs and output caps, but no walls."""

    def __init__(self) -> None:
        logger("engine.sandbox").warning("SANDBOX=none: foreign code runs unconfined, as you")

    async def check(self) -> None:
        """Nothing is needed, since nothing is enclosed."""

    def claim(self, directory: Path, tenant_id: UUID) -> None:
        """Keep the directory to ourselves; every tenant runs as the same user here."""
        directory.chmod(0o700)

    async def run(
        self,
        argv: Sequence[str],
        *,
        workspace: Path,
        limits: Limits,
        stdin: bytes = b"",
        env: Mapping[str, str] = {},
        read_only: Sequence[Bind] = (),
        writable: Sequence[Bind] = (),
    ) -> Outcome:
        """Run a program in the workspace, with the sandbox's paths turned into the host's."""
        folders = [workspace, *(source for source, _ in writable)]
        with tempfile.TemporaryDirectory(prefix="leanvibe-home-") as home:
            places = {
                **{target: str(source) for source, target in (*read_only, *writable)},
                WORKSPACE: str(workspace),
                INSIDE: str(_HERE / "inside"),
                PYTHON: sys.executable,
                ENV["HOME"]: home,
                "/etc/gitconfig": str(_HERE / "inside" / "etc" / "gitconfig"),
            }
            path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}"
            full = {**ENV, "GIT_CONFIG_SYSTEM": "/etc/gitconfig", **env, "PATH": path}
            finished = await run_process(
                [_translate(word, places) for word in argv],
                timeout_s=limits.wall_s,
                env={name: _translate(value, places) for name, value in full.items()},
                cwd=workspace,
                stdin=_translate_json(stdin, places),
                output_bytes=limits.output_bytes,
                watch=lambda pid: watch_limits(pid, limits=limits, folders=folders),
            )
            shutil.rmtree(home, ignore_errors=True)
        limit = finished.stopped_by
        if limit is None and await is_too_big(folders, limits):
            limit = "disk"
        return Outcome(
            exit_code=finished.exit_code,
            stdout=finished.stdout,
            stderr=finished.stderr,
            duration_ms=finished.duration_ms,
            timed_out=limit == "wall",
            truncated=finished.truncated,
            limit=limit,
        )


def _translate_json(text: bytes, places: Mapping[str, str]) -> bytes:
    """The request of a tool, with the sandbox's paths in its strings turned into the host's."""
    for inside, outside in places.items():
        for end in ('"', "/"):
            text = text.replace(f'"{inside}{end}'.encode(), f'"{outside}{end}'.encode())
    return text


def _translate(word: str, places: Mapping[str, str]) -> str:
    for inside, outside in places.items():
        if word == inside or word.startswith(f"{inside}/"):
            return outside + word[len(inside) :]
        # Options and path lists: --git-dir=/git, /opt/deps:/workspace.
        for before in ("=", ":"):
            if f"{before}{inside}" in word:
                word = word.replace(f"{before}{inside}", f"{before}{outside}")
    return word
