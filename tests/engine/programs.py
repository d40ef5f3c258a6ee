"""Run the sandbox's programs as the sandbox does, on a work tree of a test."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leanvibe_server.engine import gates
from leanvibe_server.engine.gates import Gate, GateSettings

# Our development plugins are no part of the projects, and pytest starts faster without them.
QUICK = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
INSIDE = Path(gates.__file__).with_name("inside")
STEPS = ("code", "tests", "docs")


def lay_out(place: Path, files: Mapping[str, str]) -> Path:
    """Write a work tree."""
    for path, text in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
    return place


def read_tree(place: Path) -> dict[str, bytes]:
    """Every file of a work tree that is no by-product of a tool."""
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in sorted(place.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def run_program(name: str, tree: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of one program. Anything but one JSON object on its output fails the test."""
    ran = subprocess.run(
        [sys.executable, "-s", "-B", str(INSIDE / f"{name}.py")],
        cwd=tree,
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env={**os.environ, **QUICK},
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    answer = json.loads(ran.stdout)
    assert isinstance(answer, dict)
    return answer


def run_recipe(
    name: str, tree: Path, parameters: dict[str, Any], steps: tuple[str, ...] = STEPS
) -> dict[str, dict[str, Any]]:
    """The answers of a recipe's steps; it stops at the first that refuses."""
    answers: dict[str, dict[str, Any]] = {}
    for step in steps:
        request = {"step": step, "parameters": parameters, "previous": dict(answers)}
        answers[step] = run_program(name, tree, request)
        if not answers[step]["ok"]:
            break
    return answers


def survey(tree: Path) -> dict[str, Any]:
    """The facts of a work tree."""
    found = run_program("survey", tree, {})["survey"]
    assert isinstance(found, dict)
    return found


def run_tests(tree: Path, *paths: str) -> subprocess.CompletedProcess[str]:
    """The tree's own tests, as its developers run them."""
    return subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths],
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env={**os.environ, **QUICK, "PYTHONPATH": f"{tree}/src"},
    )


def find_lint(tree: Path, *paths: str) -> str:
    """What ruff says under the tree's own rules."""
    ran = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "-q", *paths],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout + ran.stderr


def make_diff(base: Path, head: Path, scratch: Path) -> bytes:
    """The diff between two trees, as git writes it."""
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "core.autocrlf=no"]
    bare = scratch / "objects.git"
    subprocess.run([*git, "init", "-q", "--bare", str(bare)], check=True)

    def write(tree: Path) -> str:
        options = [f"--git-dir={bare}", f"--work-tree={tree}"]
        index = {**os.environ, "GIT_INDEX_FILE": str(scratch / f"index-{tree.name}")}
        subprocess.run([*git, *options, "add", "-A"], check=True, env=index, cwd=tree)
        made = subprocess.run(
            [*git, *options, "write-tree"], check=True, env=index, capture_output=True, text=True
        )
        return made.stdout.strip()

    compared = [*git, f"--git-dir={bare}", "diff", "--binary", write(base), write(head)]
    return subprocess.run(compared, check=True, capture_output=True).stdout


def run_gate(
    name: str,
    base: Path | None,
    head: Path,
    diff: bytes,
    *,
    earlier: dict[str, dict[str, Any]] | None = None,
    settings: GateSettings | None = None,
) -> Gate:
    """One gate on two trees. Its raw answer is kept in `earlier`."""
    request = gates.build_request(
        name,
        diff=diff,
        base_directory=None if base is None else str(base),
        settings=settings or GateSettings(timeout_s=60),
        earlier=earlier,
    )
    answer = run_program("gates", head, request)
    if earlier is not None:
        earlier[name] = answer
    return gates.read_answer(name, answer, required=True)
