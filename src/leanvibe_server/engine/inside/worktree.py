"""The repository's files, read and written without leaving the tree.

Every program of this directory runs inside the sandbox with the work tree as its current directory.
The tree is hostile: links may point out of it, names may be binary, files may be huge. Walks are
sorted, so the same tree always gives the same answer.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# A project's dependencies come by PYTHONPATH, for its tests. Our own imports must not find them:
# they may
# hold another version of a library, or a module that only has its name.
DEPENDENCY_PATH = [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
sys.path[:] = [one for one in sys.path if one not in DEPENDENCY_PATH]

MAX_FILES = 20_000
MAX_FILE_BYTES = 1_000_000
SKIPPED_DIRECTORIES = frozenset(
    {
        "__pycache__",
        "build",
        "dist",
        "env",
        "htmlcov",
        "node_modules",
        "site-packages",
        "venv",
        "vendor",
    }
)


class Refused(Exception):
    """The program can't do what was asked; the answer says why and what would make it possible."""

    def __init__(self, code: str, message: str, unmet: list[dict[str, str]] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.unmet = unmet or []


def read_request() -> dict[str, Any]:
    """The one JSON object on standard input."""
    request = json.loads(sys.stdin.buffer.read() or b"{}")
    if not isinstance(request, dict):
        raise Refused("bad_request", "The request must be a JSON object.")
    return request


def print_answer(answer: dict[str, Any]) -> None:
    """Print the one JSON answer on standard output, as ASCII so that any name survives."""
    sys.stdout.write(json.dumps(answer, sort_keys=True, ensure_ascii=True) + "\n")
    sys.stdout.flush()


def refusal(refused: Refused) -> dict[str, Any]:
    """The answer of a program that refused."""
    return {
        "ok": False,
        "changed": False,
        "code": refused.code,
        "message": str(refused),
        "unmet": refused.unmet,
        "files": [],
        "notes": [],
        "numbers": {},
    }


def walk_files(root: Path) -> Iterator[str]:
    """Relative posix paths of the regular files below `root`, sorted, links and tool directories
    left out.
    """
    pending = [""]
    while pending:
        directory = pending.pop()
        try:
            entries = sorted(os.scandir(root / directory), key=lambda entry: entry.name)
        except OSError:
            continue
        below: list[str] = []
        for entry in entries:
            path = f"{directory}{entry.name}"
            if not _is_plain(entry.name):
                continue
            if entry.is_symlink():
                continue
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith(".") and entry.name not in SKIPPED_DIRECTORIES:
                    below.append(path + "/")
            elif entry.is_file(follow_symlinks=False):
                yield path
        pending.extend(reversed(below))


def list_python_files(root: Path) -> tuple[list[str], bool]:
    """The Python files of the tree, sorted, and whether the list was cut at `MAX_FILES`."""
    found: list[str] = []
    for path in walk_files(root):
        if path.endswith(".py"):
            if len(found) >= MAX_FILES:
                return sorted(found), True
            found.append(path)
    return sorted(found), False


def read_text(root: Path, path: str) -> str | None:
    """The file's text; None where it is missing, linked, larger than `MAX_FILE_BYTES` or not
    UTF-8.
    """
    try:
        target = resolve_inside(root, path)
        info = target.lstat()
        if not stat.S_ISREG(info.st_mode) or info.st_size > MAX_FILE_BYTES:
            return None
        text = target.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError, Refused):
        return None
    return None if "\0" in text else text


def write_text(root: Path, path: str, text: str) -> None:
    """Write one file of the tree, making its directories.

    Raises: Refused: the path leaves the tree or passes through a link.
    """
    target = resolve_inside(root, path)
    if target.is_symlink():
        raise Refused("outside", f"{path} is a link.")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text.encode("utf-8"))


def resolve_inside(root: Path, path: str) -> Path:
    """The file's place below `root`.

    Raises: Refused: the path is absolute, climbs, or a directory on the way is a link.
    """
    parts = path.split("/")
    if not path or path.startswith("/") or any(part in {"", ".", "..", ".git"} for part in parts):
        raise Refused("outside", f"{path!r} is not a path of the repository.")
    place = root
    for part in parts[:-1]:
        place = place / part
        if place.is_symlink():
            raise Refused("outside", f"{path} passes through a link.")
    return place / parts[-1]


def _is_plain(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\n" not in name
