"""Mirrors: fetched from real remotes, committed to without a work tree, pushed from once."""

import asyncio
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leanvibe_server.kernel.errors import AppError, InvalidRequest
from leanvibe_server.projects.git import (
    Delivery,
    GitLimits,
    MirrorHead,
    create_hosted_repository,
    delete_branch,
    fetch_mirror,
    publish_branch,
)
from leanvibe_server.projects.git_commands import GitCredentials
from leanvibe_server.projects.git_commits import Author, build_commit
from leanvibe_server.projects.git_errors import (
    PatchRefused,
    PushRefused,
    RepositoryAuthRequired,
    RepositoryEmpty,
    RepositoryNotGit,
    RepositoryUnreachable,
)
from leanvibe_server.projects.remote_urls import (
    RepositoryUrl,
    check_repository_url,
    hosted_repository_url,
)
from tests.engine.repositories import Repository, make_repository
from tests.projects.git_server import GitServer, git_server

TOKEN = "token-canary-4711"
ADA = Author("Ada", "ada@example.com")
AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LIMITS = GitLimits(timeout_s=20)


@pytest.fixture
def theirs(tmp_path: Path) -> Repository:
    return make_repository(tmp_path / "theirs", {"a.py": "x = 1\n"})


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "mirrors" / "project.git"


@pytest.fixture
def served(tmp_path: Path, theirs: Repository) -> Iterator[GitServer]:
    """The repository behind HTTP and a token, as `private.git`."""
    root = tmp_path / "served"
    theirs.git("clone", "--quiet", "--bare", str(theirs.path), str(root / "private.git"))
    with git_server(root, token=TOKEN) as server:
        yield server


def address(url: str, tmp_path: Path) -> RepositoryUrl:
    return check_repository_url(url, production=False, home=tmp_path / "home")


def patch_of(theirs: Repository, files: dict[str, str | bytes]) -> bytes:
    """The patch that adds or changes these files, as git itself writes it."""
    theirs.write(files)
    theirs.git("add", "--all")
    patch = theirs.git("diff", "--cached", "--binary", "--full-index", "--no-renames")
    theirs.git("reset", "--quiet", "--hard")
    return os.fsencode(patch) + b"\n"


async def commit(mirror: Path, base: str, patch: bytes) -> str:
    return await build_commit(mirror, base, patch, message="Add b", author=ADA, committed_at=AT)


async def test_a_mirror_follows_its_remote(
    theirs: Repository, mirror: Path, tmp_path: Path
) -> None:
    url = address(theirs.url, tmp_path)
    first = theirs.git("rev-parse", "HEAD")
    assert await fetch_mirror(url, mirror, None, LIMITS) == MirrorHead("main", first)
    second = theirs.commit({"b.py": "y = 2\n"})
    assert await fetch_mirror(url, mirror, None, LIMITS) == MirrorHead("main", second)


async def test_a_chosen_branch_stands_where_the_remote_has_it(
    theirs: Repository, mirror: Path, tmp_path: Path
) -> None:
    url = address(theirs.url, tmp_path)
    first = theirs.git("rev-parse", "HEAD")
    theirs.git("branch", "stable")
    theirs.commit({"b.py": "y = 2\n"})
    head = await fetch_mirror(url, mirror, None, LIMITS, branch="stable")
    assert head == MirrorHead("stable", first)
    missing = await fetch_mirror(url, mirror, None, LIMITS, branch="no-such")
    assert missing.commit is None


async def test_an_empty_repository_has_no_commit_to_start_from(
    mirror: Path, tmp_path: Path
) -> None:
    empty = make_repository(tmp_path / "empty")
    head = await fetch_mirror(address(empty.url, tmp_path), mirror, None, LIMITS)
    with pytest.raises(RepositoryEmpty, match="Push a first commit"):
        head.require_commit()


async def test_a_mirror_survives_a_git_killed_while_it_wrote(
    theirs: Repository, mirror: Path, tmp_path: Path
) -> None:
    url = address(theirs.url, tmp_path)
    await fetch_mirror(url, mirror, None, LIMITS)
    for left in ("packed-refs.lock", "refs/heads/main.lock", "objects/pack/tmp_pack_x"):
        (mirror / left).parent.mkdir(parents=True, exist_ok=True)
        (mirror / left).write_text("")
    second = theirs.commit({"b.py": "y = 2\n"})
    assert (await fetch_mirror(url, mirror, None, LIMITS)).commit == second


async def test_two_tasks_fetch_one_mirror_at_once(
    theirs: Repository, mirror: Path, tmp_path: Path
) -> None:
    url = address(theirs.url, tmp_path)
    heads = await asyncio.gather(*(fetch_mirror(url, mirror, None, LIMITS) for _ in range(4)))
    assert len(set(heads)) == 1


async def test_a_mirror_is_readable_whatever_the_umask(
    theirs: Repository, mirror: Path, tmp_path: Path
) -> None:
    before = os.umask(0o077)
    try:
        await fetch_mirror(address(theirs.url, tmp_path), mirror, None, LIMITS)
    finally:
        os.umask(before)
    modes = [path.stat().st_mode for path in mirror.rglob("*")]
    assert all(mode & stat.S_IROTH for mode in modes)


async def test_the_same_patch_becomes_the_same_commit(
    theirs: Repository, mirror: Path, tmp_path: Path
) -> None:
    head = await fetch_mirror(address(theirs.url, tmp_path), mirror, None, LIMITS)
    base = head.require_commit()
    patch = patch_of(theirs, {"b.py": "y = 2\n", "bin": b"\0\xff", "in/new\nline": "z\n"})
    assert await commit(mirror, base, patch) == await commit(mirror, base, patch)


@pytest.mark.parametrize(
    "patch",
    [
        b"",
        b"not a patch",
        b"diff --git a/.git/config b/.git/config\nnew file mode 100644\n"
        b"--- /dev/null\n+++ b/.git/config\n@@ -0,0 +1 @@\n+x\n",
        b"diff --git a/d/.GIT/hooks/x b/d/.GIT/hooks/x\nnew file mode 100755\n"
        b"--- /dev/null\n+++ b/d/.GIT/hooks/x\n@@ -0,0 +1 @@\n+x\n",
        b"diff --git a/../out b/../out\nnew file mode 100644\n"
        b"--- /dev/null\n+++ b/../out\n@@ -0,0 +1 @@\n+x\n",
        b"diff --git a//etc/x b//etc/x\nnew file mode 100644\n"
        b"--- /dev/null\n+++ b//etc/x\n@@ -0,0 +1 @@\n+x\n",
        b"diff --git a/link b/link\nnew file mode 120000\n"
        b"--- /dev/null\n+++ b/link\n@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n",
        b"diff --git a/d/link b/d/link\nnew file mode 120000\n"
        b"--- /dev/null\n+++ b/d/link\n@@ -0,0 +1 @@\n+../../x\n\\ No newline at end of file\n",
        b"diff --git a/sub b/sub\nnew file mode 160000\n"
        b"--- /dev/null\n+++ b/sub\n@@ -0,0 +1 @@\n"
        b"+Subproject commit 6d0c4ecdc91593e1a5f85846424ef57385ab44c7\n",
    ],
    ids=["empty", "nonsense", "git", "GIT", "above", "absolute", "link", "link-up", "submodule"],
)
async def test_a_patch_that_writes_where_nothing_may_is_refused(
    theirs: Repository, mirror: Path, tmp_path: Path, patch: bytes
) -> None:
    head = await fetch_mirror(address(theirs.url, tmp_path), mirror, None, LIMITS)
    with pytest.raises(PatchRefused):
        await commit(mirror, head.require_commit(), patch)


async def test_a_link_within_the_repository_is_welcome(
    theirs: Repository, mirror: Path, tmp_path: Path
) -> None:
    head = await fetch_mirror(address(theirs.url, tmp_path), mirror, None, LIMITS)
    patch = (
        b"diff --git a/d/link b/d/link\nnew file mode 120000\n"
        b"--- /dev/null\n+++ b/d/link\n@@ -0,0 +1 @@\n+../a.py\n\\ No newline at end of file\n"
    )
    assert await commit(mirror, head.require_commit(), patch)


async def test_a_branch_is_pushed_once_and_deleted_once(
    theirs: Repository, mirror: Path, tmp_path: Path
) -> None:
    url = address(theirs.url, tmp_path)
    base = (await fetch_mirror(url, mirror, None, LIMITS)).require_commit()
    sha = await commit(mirror, base, patch_of(theirs, {"b.py": "y = 2\n"}))
    for _ in range(2):
        assert await publish_branch(mirror, url, None, "leanvibe/task-1", sha) == Delivery("branch")
    assert theirs.git("rev-parse", "leanvibe/task-1") == sha
    assert await delete_branch(mirror, url, None, "leanvibe/task-1")
    assert not await delete_branch(mirror, url, None, "leanvibe/task-1")
    assert theirs.git("branch", "--list", "leanvibe/*") == ""


async def test_a_branch_that_holds_other_work_is_left_alone(
    theirs: Repository, mirror: Path, tmp_path: Path
) -> None:
    url = address(theirs.url, tmp_path)
    base = (await fetch_mirror(url, mirror, None, LIMITS)).require_commit()
    theirs.git("branch", "leanvibe/task-1")
    sha = await commit(mirror, base, patch_of(theirs, {"b.py": "y = 2\n"}))
    delivery = await publish_branch(mirror, url, None, "leanvibe/task-1", sha)
    assert delivery.kind == "patch"
    assert "exists already" in (delivery.reason or "")
    assert theirs.git("rev-parse", "leanvibe/task-1") == base


@pytest.mark.parametrize("branch", ["main", "leanvibe/../main", "leanvibe/-f", "leanvibe/a:main"])
async def test_only_our_own_branches_are_touched(
    branch: str, theirs: Repository, mirror: Path, tmp_path: Path
) -> None:
    url = address(theirs.url, tmp_path)
    with pytest.raises(ValueError, match="not a branch of ours"):
        await publish_branch(mirror, url, None, branch, "0" * 40)
    with pytest.raises(ValueError, match="not a branch of ours"):
        await delete_branch(mirror, url, None, branch)


async def test_a_hosted_repository_takes_branches_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "hosted.git"
    await create_hosted_repository(path)
    await create_hosted_repository(path)
    url = hosted_repository_url(path)
    assert (await fetch_mirror(url, tmp_path / "m.git", None, LIMITS)).commit is None


async def test_a_repository_behind_a_password_asks_for_credentials(
    served: GitServer, mirror: Path, tmp_path: Path
) -> None:
    url = address(served.url("private.git"), tmp_path)
    with pytest.raises(RepositoryAuthRequired, match="Add `credentials`"):
        await fetch_mirror(url, mirror, None, LIMITS)
    with pytest.raises(RepositoryAuthRequired, match="wrong, expired") as caught:
        await fetch_mirror(url, mirror, GitCredentials(token="wrong-canary"), LIMITS)
    assert "wrong-canary" not in str(caught.value.details)


async def test_a_token_opens_the_repository_and_shows_up_nowhere(
    served: GitServer, mirror: Path, tmp_path: Path, theirs: Repository
) -> None:
    url = address(served.url("private.git"), tmp_path)
    credentials = GitCredentials(token=TOKEN)
    base = (await fetch_mirror(url, mirror, credentials, LIMITS)).require_commit()
    sha = await commit(mirror, base, patch_of(theirs, {"b.py": "y = 2\n"}))
    published = await publish_branch(mirror, url, credentials, "leanvibe/task-1", sha)
    assert published == Delivery("branch")
    assert await delete_branch(mirror, url, credentials, "leanvibe/task-1")
    assert not served.seen_in_process_list
    assert not any(TOKEN in request for request in served.requests)
    assert TOKEN not in repr(credentials)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert TOKEN.encode() not in file.read_bytes(), file


async def test_where_pushing_is_refused_the_delivery_is_a_patch(
    served: GitServer, mirror: Path, tmp_path: Path, theirs: Repository
) -> None:
    served.may_push = False
    url = address(served.url("private.git"), tmp_path)
    credentials = GitCredentials(token=TOKEN)
    base = (await fetch_mirror(url, mirror, credentials, LIMITS)).require_commit()
    sha = await commit(mirror, base, patch_of(theirs, {"b.py": "y = 2\n"}))
    delivery = await publish_branch(mirror, url, credentials, "leanvibe/task-1", sha)
    assert delivery.kind == "patch"
    assert "credentials" in (delivery.reason or "")
    unnamed = await publish_branch(mirror, url, None, "leanvibe/task-1", sha)
    assert unnamed.kind == "patch"


async def test_a_branch_the_repository_protects_is_delivered_as_a_patch(
    tmp_path: Path, served: GitServer, mirror: Path, theirs: Repository
) -> None:
    guard = served.root / "private.git" / "hooks" / "pre-receive"
    guard.parent.mkdir(exist_ok=True)
    guard.write_text("#!/bin/sh\nexit 1\n")
    guard.chmod(0o755)
    url = address(served.url("private.git"), tmp_path)
    credentials = GitCredentials(token=TOKEN)
    base = (await fetch_mirror(url, mirror, credentials, LIMITS)).require_commit()
    sha = await commit(mirror, base, patch_of(theirs, {"b.py": "y = 2\n"}))
    delivery = await publish_branch(mirror, url, credentials, "leanvibe/task-1", sha)
    assert delivery.kind == "patch"
    assert "pre-receive hook declined" in (delivery.reason or "")


async def test_a_branch_the_repository_keeps_can_not_be_deleted(
    tmp_path: Path, served: GitServer, mirror: Path, theirs: Repository
) -> None:
    url = address(served.url("private.git"), tmp_path)
    credentials = GitCredentials(token=TOKEN)
    base = (await fetch_mirror(url, mirror, credentials, LIMITS)).require_commit()
    await publish_branch(mirror, url, credentials, "leanvibe/task-1", base)
    served.may_push = False
    with pytest.raises(PushRefused):
        await delete_branch(mirror, url, credentials, "leanvibe/task-1")


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("fault/page", RepositoryNotGit),
        ("fault/gone", RepositoryNotGit),
        ("fault/moved", RepositoryNotGit),
        ("fault/down", RepositoryUnreachable),
    ],
)
async def test_a_wrong_address_gets_a_clear_error(
    path: str, error: type[AppError], served: GitServer, mirror: Path, tmp_path: Path
) -> None:
    with pytest.raises(error):
        await fetch_mirror(address(served.url(path), tmp_path), mirror, None, LIMITS)


async def test_a_closed_port_and_a_folder_without_git_get_clear_errors(
    mirror: Path, tmp_path: Path
) -> None:
    with pytest.raises(RepositoryUnreachable):
        await fetch_mirror(address("http://127.0.0.1:9999/x", tmp_path), mirror, None, LIMITS)
    (tmp_path / "plain").mkdir()
    plain = address(f"file://{tmp_path}/plain", tmp_path)
    with pytest.raises(RepositoryNotGit):
        await fetch_mirror(plain, mirror, None, LIMITS)


async def test_a_server_that_never_answers_is_given_up(mirror: Path, tmp_path: Path) -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        url = address(f"http://127.0.0.1:{port}/x", tmp_path)
        with pytest.raises(RepositoryUnreachable, match="did not answer"):
            await fetch_mirror(url, mirror, None, GitLimits(timeout_s=0.5))


async def test_a_name_that_leads_into_a_private_network_is_not_called(mirror: Path) -> None:
    async def rebound(host: str) -> list[str]:
        return ["93.184.216.34", "10.0.0.7"]

    url = check_repository_url("https://example.com/x", production=True, home=Path("/nonexistent"))
    with pytest.raises(InvalidRequest) as caught:
        await fetch_mirror(url, mirror, None, LIMITS, resolve=rebound)
    assert "10.0.0.7" in caught.value.details["validation_errors"][0]


async def test_an_ssh_key_is_only_ours_to_read_and_gone_afterwards(
    theirs: Repository, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in for ssh notes how it was called, then serves the repository by itself."""
    tools = tmp_path / "tools"
    tools.mkdir()
    stand_in = tools / "ssh"
    stand_in.write_text(
        "#!/bin/sh\n"
        f'echo "$@" > {tmp_path}/called\n'
        'for word; do case "$word" in -oIdentityFile=*)'
        f' key="${{word#-oIdentityFile=}}"; stat -c %a "$key" > {tmp_path}/mode;'
        f' cp "$key" {tmp_path}/copy; echo "$key" > {tmp_path}/where;; esac; last="$word"; done\n'
        f"exec git upload-pack {theirs.path}\n"
    )
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    url = address("git@example.com:ada/project.git", tmp_path)
    head = await fetch_mirror(url, mirror, GitCredentials(private_key="KEY CANARY"), LIMITS)
    assert head.commit == theirs.git("rev-parse", "HEAD")
    called = (tmp_path / "called").read_text()
    assert "-oBatchMode=yes" in called
    assert "-oStrictHostKeyChecking=accept-new" in called
    assert f"-oUserKnownHostsFile={mirror.parent}/known_hosts" in called
    assert "CANARY" not in called
    assert (tmp_path / "mode").read_text().strip() == "600"
    assert (tmp_path / "copy").read_text() == "KEY CANARY\n"
    assert not Path((tmp_path / "where").read_text().strip()).exists()
