"""Mirrors of users' repositories: fetched, committed to and pushed from, without a work tree.

A mirror is a bare repository of ours. Foreign content is only ever objects in it: what is checked
out is checked out in the sandbox, and what comes back is a patch.
"""

import asyncio
import fcntl
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from leanvibe_server.kernel.errors import AppError
from leanvibe_server.kernel.processes import Finished, StopReason
from leanvibe_server.projects.git_commands import Access, GitCredentials, opened, run_git
from leanvibe_server.projects.git_errors import (
    PushRefused,
    RepositoryAuthRequired,
    RepositoryEmpty,
    RepositoryTooLarge,
    RepositoryUnreachable,
    conceal,
    diagnose,
)
from leanvibe_server.projects.remote_urls import (
    RepositoryUrl,
    Resolve,
    look_up,
    resolve_address,
)

_LOCAL_S = 60.0
_MEASURE_EVERY_S = 0.25
_LOCK_EVERY_S = 0.1
_OUR_BRANCHES = "leanvibe/"
_BRANCH = re.compile(r"leanvibe/[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
_STALE = ("*.lock", "objects/pack/tmp_*", "objects/tmp_*", "objects/incoming-*")


@dataclass(frozen=True)
class GitLimits:
    """How long one exchange with a remote may take, and how large its mirror may become."""

    timeout_s: float = 300.0
    max_mb: int = 512


@dataclass(frozen=True)
class MirrorHead:
    """Where a mirror stands. `commit` is None in a repository without commits."""

    default_branch: str
    commit: str | None

    def require_commit(self) -> str:
        """The commit to start from.

        Raises: RepositoryEmpty: there is none yet.
        """
        if self.commit is None:
            raise RepositoryEmpty("The repository is empty. Push a first commit, then try again.")
        return self.commit


@dataclass(frozen=True)
class Delivery:
    """How a result reached the user: as a pushed branch, or as a patch and the reason why."""

    kind: Literal["branch", "patch"]
    reason: str | None = None


async def create_hosted_repository(path: Path) -> None:
    """Make an empty repository for a project that has none. An existing one stays as it is."""
    if not (path / "HEAD").exists():
        await _init(path)


async def fetch_mirror(
    url: RepositoryUrl,
    mirror_dir: Path,
    credentials: GitCredentials | None,
    limits: GitLimits,
    *,
    branch: str | None = None,
    resolve: Resolve = look_up,
) -> MirrorHead:
    """Bring the mirror up to date and say where `branch`, else the remote's own default, stands.

    Raises: RepositoryUnreachable, RepositoryAuthRequired, RepositoryNotGit, RepositoryTooLarge.
    """
    async with _locked(mirror_dir), _reached(url, mirror_dir, credentials, resolve) as access:
        if not (mirror_dir / "HEAD").exists():
            await _init(mirror_dir)
        _sweep(mirror_dir)
        name, heads = await _list_heads(access, mirror_dir, limits)
        chosen = branch or (name if name in heads else None) or _likeliest(heads, name)
        if not heads:
            return MirrorHead(chosen, None)
        fetched = await _exchange(
            access,
            mirror_dir,
            limits,
            ["fetch", "--quiet", "--no-tags", "--prune", "--no-write-fetch-head", "--force"],
            [*access.serving, "--", str(access.url), "+refs/heads/*:refs/heads/*"],
        )
        if fetched.stopped_by == "disk" or _size_mb(mirror_dir) > limits.max_mb:
            shutil.rmtree(mirror_dir, ignore_errors=True)
            raise _too_large(limits)
        if fetched.exit_code != 0:
            raise _failure(fetched, access, limits)
        # As fetched, not as listed: the branch may have moved in between.
        found = await run_git(
            ["rev-parse", "--verify", "--quiet", f"refs/heads/{chosen}^{{commit}}"],
            repository=mirror_dir,
            timeout_s=_LOCAL_S,
        )
        return MirrorHead(chosen, found.stdout.decode().strip() or None)


async def look_at_remote(
    url: RepositoryUrl,
    mirror_dir: Path,
    credentials: GitCredentials | None,
    limits: GitLimits,
    *,
    branch: str | None = None,
    resolve: Resolve = look_up,
) -> MirrorHead:
    """Where `branch`, else the remote's own default, stands there now. Fetches nothing.

    Raises: RepositoryUnreachable, RepositoryAuthRequired, RepositoryNotGit.
    """
    async with _locked(mirror_dir), _reached(url, mirror_dir, credentials, resolve) as access:
        if not (mirror_dir / "HEAD").exists():
            await _init(mirror_dir)
        name, heads = await _list_heads(access, mirror_dir, limits)
    chosen = branch or (name if name in heads else None) or _likeliest(heads, name)
    return MirrorHead(chosen, heads.get(chosen))


async def publish_branch(
    mirror_dir: Path,
    url: RepositoryUrl,
    credentials: GitCredentials | None,
    branch: str,
    sha: str,
    *,
    limits: GitLimits = GitLimits(),
    resolve: Resolve = look_up,
) -> Delivery:
    """Push `sha` as a new branch, once. A branch that already stands there counts as pushed.

    Where the repository refuses, the delivery is a patch with the reason.

    Raises: RepositoryUnreachable: it may work later. RepositoryNotGit: the repository is gone.
    """
    _require_our_branch(branch)
    async with _reached(url, mirror_dir, credentials, resolve) as access:
        try:
            _, heads = await _list_heads(access, mirror_dir, limits)
        except RepositoryAuthRequired as closed:
            return Delivery("patch", closed.message)
        if heads.get(branch) == sha:
            return Delivery("branch")
        if branch in heads:
            return Delivery("patch", f"The branch {branch} exists already with other commits.")
        pushed = await _push(access, mirror_dir, limits, f"{sha}:refs/heads/{branch}")
        if pushed.exit_code == 0:
            return Delivery("branch")
        refusal = _refusal(pushed, access)
        if refusal is None:
            raise _failure(pushed, access, limits)
        return Delivery("patch", refusal)


async def delete_branch(
    mirror_dir: Path,
    url: RepositoryUrl,
    credentials: GitCredentials | None,
    branch: str,
    *,
    limits: GitLimits = GitLimits(),
    resolve: Resolve = look_up,
) -> bool:
    """Delete a branch of ours from the repository; False when it was not there any more.

    Raises: PushRefused: the repository keeps it. RepositoryUnreachable, RepositoryAuthRequired.
    """
    _require_our_branch(branch)
    async with _reached(url, mirror_dir, credentials, resolve) as access:
        _, heads = await _list_heads(access, mirror_dir, limits)
        if branch not in heads:
            return False
        pushed = await _push(access, mirror_dir, limits, f":refs/heads/{branch}")
        if pushed.exit_code == 0 or b"remote ref does not exist" in pushed.stderr:
            return True
        refusal = _refusal(pushed, access)
        raise PushRefused(refusal) if refusal else _failure(pushed, access, limits)


def _require_our_branch(branch: str) -> None:
    if not _BRANCH.fullmatch(branch) or ".." in branch or branch.endswith((".", ".lock")):
        raise ValueError(f"{branch!r} is not a branch of ours")


async def _init(path: Path) -> None:
    _make_folder(path)
    made = await run_git(
        ["init", "--quiet", "--bare", "--initial-branch=main", "--template="],
        repository=path,
        timeout_s=_LOCAL_S,
    )
    if made.exit_code != 0:
        raise RuntimeError(f"git init failed: {made.stderr.decode(errors='replace')}")


def _make_folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)


@asynccontextmanager
async def _reached(
    url: RepositoryUrl,
    mirror_dir: Path,
    credentials: GitCredentials | None,
    resolve: Resolve,
) -> AsyncIterator[Access]:
    try:
        resolved = await resolve_address(url, resolve)
    except OSError:
        message = f"The host {url.host} is not known. Check `repository_url`."
        raise RepositoryUnreachable(message) from None
    _make_folder(mirror_dir)
    # One file for all mirrors of a tenant: a host's key is trusted on first use, per tenant.
    known_hosts = mirror_dir.parent / "known_hosts"
    with opened(resolved, credentials, known_hosts=known_hosts) as access:
        yield access


async def _list_heads(
    access: Access, mirror_dir: Path, limits: GitLimits
) -> tuple[str | None, dict[str, str]]:
    """The remote's default branch, if it names one, and the commit of each branch."""
    listed = await _exchange(
        access,
        mirror_dir,
        limits,
        ["ls-remote", "--quiet", "--symref"],
        [*access.serving, "--", str(access.url), "HEAD", "refs/heads/*"],
    )
    if listed.exit_code != 0 or listed.stopped_by:
        raise _failure(listed, access, limits)
    default, heads = None, {}
    for line in listed.stdout.decode(errors="replace").splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: refs/heads/") and name == "HEAD":
            default = value.removeprefix("ref: refs/heads/")
        elif name.startswith("refs/heads/"):
            heads[name.removeprefix("refs/heads/")] = value
    return default, heads


def _likeliest(heads: dict[str, str], unborn: str | None) -> str:
    """The default branch of a remote whose own default has no commit yet."""
    theirs = [name for name in sorted(heads) if not name.startswith(_OUR_BRANCHES)]
    usual = [name for name in ("main", "master") if name in heads]
    return [*usual, *theirs, unborn or "main"][0]


async def _push(access: Access, mirror_dir: Path, limits: GitLimits, refspec: str) -> Finished:
    return await _exchange(
        access,
        mirror_dir,
        limits,
        ["push", "--porcelain", "--no-verify", "--no-signed"],
        [*access.receiving, "--", str(access.url), refspec],
    )


async def _exchange(
    access: Access,
    mirror_dir: Path,
    limits: GitLimits,
    command: list[str],
    rest: list[str],
) -> Finished:
    async def too_large(_pid: int) -> StopReason:
        size_mb = 0.0
        while size_mb <= limits.max_mb:
            await asyncio.sleep(_MEASURE_EVERY_S)
            size_mb = await asyncio.to_thread(_size_mb, mirror_dir)
        return "disk"

    return await run_git(
        [*command, *rest],
        repository=mirror_dir,
        timeout_s=limits.timeout_s,
        env=access.env,
        config=access.config,
        watch=too_large if command[0] == "fetch" else None,
    )


def _size_mb(folder: Path) -> float:
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total / (1024 * 1024)


def _too_large(limits: GitLimits) -> RepositoryTooLarge:
    message = f"The repository is larger than {limits.max_mb} MB. Use a smaller one."
    return RepositoryTooLarge(message, details={"max_mb": limits.max_mb})


def _failure(finished: Finished, access: Access, limits: GitLimits) -> AppError:
    if finished.stopped_by == "wall":
        message = f"The repository did not answer within {limits.timeout_s:.0f} s. Try again later."
        return RepositoryUnreachable(message)
    return diagnose(finished.stderr.decode(errors="replace"), secrets=access.secrets)


def _refusal(pushed: Finished, access: Access) -> str | None:
    """Why the repository does not take the push; None when it was not a refusal."""
    if pushed.stopped_by:
        return None
    for line in pushed.stdout.decode(errors="replace").splitlines():
        if line.startswith("!\t"):
            reason = conceal(line.split("\t")[-1], access.secrets)
            return f"The repository refused the branch: {reason}"
    said = pushed.stderr.decode(errors="replace")
    if "unable to migrate objects" in said or "insufficient permission" in said:
        return "The repository is read-only."
    problem = diagnose(said, secrets=access.secrets)
    return problem.message if isinstance(problem, RepositoryAuthRequired) else None


@asynccontextmanager
async def _locked(mirror_dir: Path) -> AsyncIterator[None]:
    """Hold the mirror for one writer, across processes; the system lets go if we die."""
    mirror_dir.parent.mkdir(parents=True, exist_ok=True)
    with mirror_dir.with_name(f"{mirror_dir.name}.lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_LOCK_EVERY_S)
        yield


def _sweep(mirror_dir: Path) -> None:
    """Remove what a killed git left. Only under the lock: then no other git is writing."""
    for pattern in _STALE:
        for path in [*mirror_dir.glob(pattern), *(mirror_dir / "refs").rglob("*.lock")]:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
