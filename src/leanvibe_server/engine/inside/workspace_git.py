"""Check out, patch and diff a work tree, with git inside the sandbox. A stand-alone program.

The repository's own directory ($LEANVIBE_GIT) is outside the work tree and read-only to every other
program, so foreign code can neither plant a hook or filter nor bend the diff. Objects are borrowed
from the mirror ($LEANVIBE_MIRROR). Request: {"action": "open", "base", "patch"} or
{"action": "snapshot", "base"}; patches are base64.
"""

import base64
import json
import os
import subprocess
import sys

GIT_DIR = os.environ["LEANVIBE_GIT"]
MIRROR = os.environ["LEANVIBE_MIRROR"]
TREE = os.getcwd()
GIT = ["git", f"--git-dir={GIT_DIR}", f"--work-tree={TREE}", "-c", "core.fsmonitor=false"]
EXCLUDED = (
    "__pycache__/",
    "*.py[cod]",
    ".pytest_cache/",
    ".mypy_cache/",
    ".ruff_cache/",
    ".hypothesis/",
    ".coverage",
    ".coverage.*",
    ".benchmarks/",
    ".venv/",
    "node_modules/",
    "*.egg-info/",
)


def main() -> None:
    request = json.load(sys.stdin)
    actions = {"open": open_tree, "snapshot": take_snapshot}
    json.dump(actions[request["action"]](request), sys.stdout)


def open_tree(request: dict[str, str]) -> dict[str, object]:
    git("init", "--quiet")
    with open(f"{GIT_DIR}/objects/info/alternates", "w") as file:
        file.write(f"{MIRROR}/objects\n")
    os.makedirs(f"{GIT_DIR}/info", exist_ok=True)
    with open(f"{GIT_DIR}/info/exclude", "w") as file:
        file.write("\n".join(EXCLUDED) + "\n")
    git("checkout", "--quiet", "--force", "--detach", request["base"])
    with open(f"{TREE}/.git", "w") as file:
        file.write(f"gitdir: {GIT_DIR}\n")
    patch = base64.b64decode(request["patch"])
    if patch:
        git("apply", "--whitespace=nowarn", "--unidiff-zero", "-", stdin=patch)
    return {"files": git("ls-files", "-z").count(b"\0")}


def take_snapshot(request: dict[str, str]) -> dict[str, object]:
    # A repository inside the repository would be recorded as a commit id nobody has.
    nested = [f":(exclude,literal){path}" for path in nested_repositories()]
    git("add", "--all", "--", ".", *nested)
    diff = git(
        "diff",
        "--cached",
        "--binary",
        "--full-index",
        "--no-renames",
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        "--diff-algorithm=myers",
        "--unified=3",
        "--src-prefix=a/",
        "--dst-prefix=b/",
        request["base"],
        "--",
    )
    return {"patch": base64.b64encode(diff).decode()}


def nested_repositories() -> list[str]:
    found = []
    for folder, names, files in os.walk(TREE):
        if folder != TREE and (".git" in names or ".git" in files):
            found.append(os.path.relpath(folder, TREE))
            names.clear()
    return found


def git(*arguments: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run([*GIT, *arguments], input=stdin, capture_output=True, cwd=TREE)
    if done.returncode != 0:
        sys.exit(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


if __name__ == "__main__":
    main()
