"""A patch becomes a commit, in a mirror and without a work tree; the same one each time."""

import posixpath
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from leanvibe_server.projects.git_commands import run_git
from leanvibe_server.projects.git_errors import PatchRefused

_TIMEOUT_S = 120.0
_SYMLINK = b"120000"
_SUBMODULE = b"160000"


@dataclass(frozen=True)
class Author:
    """Who a commit names."""

    name: str
    email: str


COMMITTER = Author("LeanVibe", "engine@leanvibe.invalid")


async def build_commit(
    mirror_dir: Path,
    base_commit: str,
    patch: bytes,
    *,
    message: str,
    author: Author,
    committed_at: datetime,
) -> str:
    """Commit `patch` on top of `base_commit`. The same arguments give the same id.

    Raises: PatchRefused: it does not apply, changes nothing, or writes into .git, outside the
    repository, through a link that leads out, or as a submodule.
    """
    with tempfile.TemporaryDirectory(prefix="leanvibe-index-") as folder:
        env = {"GIT_INDEX_FILE": f"{folder}/index"}
        await _git(mirror_dir, ["read-tree", base_commit], env)
        await _git(
            mirror_dir,
            ["apply", "--cached", "--whitespace=nowarn", "--unidiff-zero", "-"],
            env,
            patch,
        )
        tree = (await _git(mirror_dir, ["write-tree"], env)).decode().strip()
    await _require_harmless(mirror_dir, base_commit, tree)
    moment = f"@{int(committed_at.timestamp())} +0000"
    made = await _git(
        mirror_dir,
        ["commit-tree", tree, "-p", base_commit, "-F", "-"],
        {
            "GIT_AUTHOR_NAME": author.name,
            "GIT_AUTHOR_EMAIL": author.email,
            "GIT_AUTHOR_DATE": moment,
            "GIT_COMMITTER_NAME": COMMITTER.name,
            "GIT_COMMITTER_EMAIL": COMMITTER.email,
            "GIT_COMMITTER_DATE": moment,
        },
        message.encode(),
    )
    return made.decode().strip()


async def _require_harmless(mirror_dir: Path, base_commit: str, tree: str) -> None:
    raw = await _git(mirror_dir, ["diff-tree", "-r", "-z", "--no-renames", base_commit, tree])
    fields = raw.split(b"\0")[:-1]
    if not fields:
        raise PatchRefused("The patch changes nothing.")
    for facts, path in zip(fields[::2], fields[1::2], strict=True):
        _, mode, _, blob, status = facts.split(b" ")
        name = path.decode(errors="surrogateescape")
        if status == b"D":
            continue
        if any(part.lower() == ".git" for part in name.split("/")):
            raise PatchRefused(f"The patch writes into a repository's own files: {name!r}.")
        if mode == _SUBMODULE:
            raise PatchRefused(f"The patch adds a submodule: {name!r}.")
        if mode == _SYMLINK:
            target = await _git(mirror_dir, ["cat-file", "blob", blob.decode()])
            _require_inner_link(name, target.decode(errors="surrogateescape"))


def _require_inner_link(name: str, target: str) -> None:
    reached = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    parts = reached.split("/")
    if target.startswith("/") or parts[0] == ".." or ".git" in map(str.lower, parts):
        raise PatchRefused(f"The patch adds a link that leads out of the repository: {name!r}.")


async def _git(
    mirror_dir: Path, arguments: list[str], env: dict[str, str] | None = None, stdin: bytes = b""
) -> bytes:
    done = await run_git(
        arguments, repository=mirror_dir, timeout_s=_TIMEOUT_S, env=env or {}, stdin=stdin
    )
    if done.exit_code != 0 or done.truncated:
        said = done.stderr.decode(errors="replace").strip()[-500:]
        raise PatchRefused(f"The patch does not apply: {said}", details={"git": said})
    return done.stdout
