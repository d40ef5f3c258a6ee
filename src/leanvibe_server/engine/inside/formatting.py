"""New Python files laid out by the repository's own rules, or by ruff's where it has none."""

from __future__ import annotations

from pathlib import Path

from processes import run_tool
from worktree import Refused

TIMEOUT_S = 60.0


def format_files(root: Path, paths: list[str]) -> None:
    """Sort the imports, apply safe fixes and lay out the files.

    Raises: Refused: ruff can't read them.
    """
    python = [path for path in paths if path.endswith(".py")]
    error = ""
    for isolated in ([], ["--isolated"]):
        common = ["--no-cache", "--quiet", *isolated]
        fix = ["check", "--fix", "--no-unsafe-fixes", "--exit-zero", *common]
        sort = [*fix, "--select", "I", "--", *python]
        run_tool("ruff", [*fix, "--", *python], cwd=root, timeout_s=TIMEOUT_S)
        if run_tool("ruff", sort, cwd=root, timeout_s=TIMEOUT_S).exit_code == 0:
            layout = ["format", *common, "--", *python]
            ran = run_tool("ruff", layout, cwd=root, timeout_s=TIMEOUT_S)
            if ran.exit_code == 0:
                return
            error = ran.stderr.strip()[:400]
    raise Refused("failed", f"ruff could not format the new code: {error}")
