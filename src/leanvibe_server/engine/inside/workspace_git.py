"""Check out, patch and diff a work tree, with git inside the sandbox. A stand-alone program.

The repository's own directory is /git, outside the work tree and read-only to every other program,
so foreign code can neither plant a hook or filter nor bend the diff. Objects of the mirror are
borrowed from /mirror. Request: {"action": "open", "base", "patch"} or {"action": "snapshot",
"base"}; patches are base64.
"""

import base64
import json
import os
import subprocess
import sys

GIT = ["git", "--git-dir=/git", "--work-tree=/workspace", "-c", "core.fsmonitor=false"]
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
    with open("/git/objects/info/alternates", "w") as file:
        file.write("/mirror/objects\n")
    os.makedirs("/git/info", exist_ok=True)
    with open("/git/info/exclude", "w") as file:
        file.write("\n".join(EXCLUDED) + "\n")
    git("checkout", "--quiet", "--force", "--detach", request["base"])
    with open("/workspace/.git", "w") as file:
        file.write("gitdir: /git\n")
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
    for folder, names, files in os.walk("/workspace"):
        if folder != "/workspace" and (".git" in names or ".git" in files):
            found.append(os.path.relpath(folder, "/workspace"))
            names.clear()
    return found


def git(*arguments: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run([*GIT, *arguments], input=stdin, capture_output=True, cwd="/workspace")
    if done.returncode != 0:
        sys.exit(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


if __name__ == "__main__":
    main()
