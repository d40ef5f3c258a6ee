"""Real git repositories, made on the spot, and a look at what runs on this machine."""

import asyncio
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_IDENTITY = (
    "-c",
    "user.name=Ada",
    "-c",
    "user.email=ada@example.com",
    "-c",
    "commit.gpgSign=false",
)


@dataclass(frozen=True)
class Repository:
    """A repository as a user has it, with a work tree."""

    path: Path

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ["git", *_IDENTITY, *arguments],
            cwd=self.path,
            input=stdin,
            capture_output=True,
            check=True,
            env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C"},
        )
        return done.stdout.decode(errors="surrogateescape").strip()

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, content in files.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: Mapping[str, str | bytes] | None = None) -> str:
        """Commit everything that is there; the new commit's id."""
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "A change")
        return self.git("rev-parse", "HEAD")

    def plant_hooks(self, trap: Path) -> None:
        """Every hook and filter git knows, each of which would leave a trace."""
        script = f"#!/bin/sh\ntouch {trap}\n"
        for name in (
            *("pre-receive", "update", "post-receive", "post-update", "reference-transaction"),
            *("post-checkout", "post-commit", "pre-commit", "pre-push", "proc-receive"),
        ):
            hook = self.path / ".git" / "hooks" / name
            hook.parent.mkdir(exist_ok=True)
            hook.write_text(script)
            hook.chmod(0o755)
        for key in ("core.fsmonitor", "uploadpack.packObjectsHook", "core.alternateRefsCommand"):
            self.git("config", key, f"touch {trap};:")


def make_repository(path: Path, files: Mapping[str, str | bytes] | None = None) -> Repository:
    """A repository on `main`; with a first commit where `files` are given."""
    path.mkdir(parents=True)
    repository = Repository(path)
    repository.git("init", "--quiet", "--initial-branch=main")
    if files is not None:
        repository.commit(files)
    return repository


def count_processes(mark: str) -> int:
    """How many processes of this machine carry `mark` in their command line."""
    found = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                found += mark.encode() in (folder / "cmdline").read_bytes()
            except OSError:
                continue
    return found


async def wait_until_started(mark: str) -> None:
    """Wait until a process with `mark` runs."""
    for _ in range(500):
        if count_processes(mark):
            return
        await asyncio.sleep(0.02)
    raise TimeoutError(f"nothing with {mark} was started")
