"""Gates that compare a tool's findings before and after: lint, security, dead code."""

from __future__ import annotations

import ast
import json
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gate_change import Change, ChangedFile, verdict
from layout import is_test_file
from processes import run_tool
from syntax import parse
from wording import count_of
from worktree import Refused, read_text

TIMEOUT_S = 120.0
SEVERITIES = ("none", "low", "medium", "high", "critical")
DEAD_CODE_RULES = "F401,F811,F841,B018"
# Rules that concern test code by its nature: asserts, and made-up secrets.
TEST_EXEMPT = frozenset({"101", "105", "106", "107"})
LOW_RULES = frozenset({"101", "105", "106", "107", "110", "112", "311", "403", "404", "603", "607"})
HIGH_RULES = frozenset({"324", "501", "502", "507", "602", "605", "701"})

Finder = Callable[[Path, list[str]], list[dict[str, Any]]]


@dataclass(frozen=True)
class _Placed:
    """A finding, the path its file has after the change, and the text of its line."""

    finding: dict[str, Any]
    path: str
    text: str

    def by_text(self) -> tuple[str, str, str]:
        return (self.path, self.finding["rule"], self.text)

    def by_message(self) -> tuple[str, str, str]:
        return (self.path, self.finding["rule"], self.finding["message"])


def check_lint(change: Change) -> dict[str, Any]:
    """New ruff findings under the repository's own rules fail the gate. Where it has set none,
    ruff's own default rules hold.
    """
    new = _new_style_findings(change, lambda tree, paths: _ruff(tree, paths, ["--no-fix"]))
    return verdict(
        bool(new),
        f"{count_of(len(new), 'new lint finding', 'new lint findings')}.",
        findings=new,
        numbers={"new_findings": len(new), "files": len(change.python)},
    )


def check_dead_code(change: Change) -> dict[str, Any]:
    """New unused imports, names, redefinitions and private functions fail the gate."""
    options = ["--isolated", "--select", DEAD_CODE_RULES]
    new = _new_style_findings(change, lambda tree, paths: _ruff(tree, paths, options))
    new = [one for one in new if not one["path"].endswith("__init__.py")]
    for one in change.python:
        new += _unused_private(one)
    return verdict(
        bool(new),
        f"{count_of(len(new), 'new place', 'new places')} of dead code.",
        findings=new,
        numbers={"new_findings": len(new)},
    )


def check_security(change: Change) -> dict[str, Any]:
    """New findings of ruff's security rules and of bandit; medium and worse fail the gate."""
    # Their messages say little of the line: a call made worse must not pass for the old one.
    new = _sorted_findings(_new_by_text(change, _security_findings)[0])
    counts = Counter(one["severity"] for one in new)
    worst = max((one["severity"] for one in new), key=SEVERITIES.index, default="none")
    return verdict(
        SEVERITIES.index(worst) >= SEVERITIES.index("medium"),
        f"{count_of(len(new), 'new security finding', 'new security findings')}, "
        f"the worst is {worst}.",
        findings=new,
        numbers={"worst": worst, **{name: counts[name] for name in SEVERITIES[1:]}},
    )


def _new_style_findings(change: Change, find: Finder) -> list[dict[str, Any]]:
    """The findings after the change less those before: first by their lines' text, then the rest
    by message. A finding on a whole file is reported on its first line, whatever stands there.
    """
    new, gone = _new_by_text(change, find)
    return _sorted_findings(_cancel(new, gone, _Placed.by_message)[0])


def _new_by_text(change: Change, find: Finder) -> tuple[list[_Placed], list[_Placed]]:
    """The findings that came and those that went, matched by file, rule and line text."""
    files = change.python
    if not files:
        return [], []
    after = [
        _Placed(one, one["path"], _line(change.root, one))
        for one in find(change.root, [one.path for one in files])
    ]
    new_paths: dict[str, str] = {one.old_path: one.path for one in files if one.before is not None}
    before: list[_Placed] = []
    if change.base is not None and new_paths:
        before = [
            _Placed(one, new_paths.get(one["path"]) or one["path"], _line(change.base, one))
            for one in find(change.base, sorted(new_paths))
        ]
    return _cancel(after, before, _Placed.by_text)


def _cancel(
    after: list[_Placed], before: list[_Placed], key: Callable[[_Placed], tuple[str, str, str]]
) -> tuple[list[_Placed], list[_Placed]]:
    """What is left of both sides when findings of the same key cancel one to one."""
    waiting: defaultdict[tuple[str, str, str], list[_Placed]] = defaultdict(list)
    for one in before:
        waiting[key(one)].append(one)
    new = []
    for one in after:
        same = waiting[key(one)]
        if same:
            same.pop()
        else:
            new.append(one)
    return new, [one for left in waiting.values() for one in left]


def _sorted_findings(placed: list[_Placed]) -> list[dict[str, Any]]:
    findings = [one.finding for one in placed]
    return sorted(findings, key=lambda one: (one["path"], one["line"], one["rule"]))


def _line(tree: Path, finding: dict[str, Any]) -> str:
    lines = (read_text(tree, finding["path"]) or "").split("\n")
    number = finding["line"]
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""


def _ruff(tree: Path, paths: list[str], options: list[str]) -> list[dict[str, Any]]:
    ran = run_tool(
        "ruff",
        ["check", "--exit-zero", "--no-cache", "--force-exclude", "--quiet",
         "--output-format", "json", *options, "--", *paths],
        cwd=tree,
        timeout_s=TIMEOUT_S,
    )  # fmt: skip
    findings = _parsed("ruff", ran.stdout, ran.exit_code == 0, ran.stderr)
    return [
        {
            "path": _relative(tree, one["filename"]),
            "line": int((one.get("location") or {}).get("row") or 0),
            "rule": str(one.get("code") or "syntax-error"),
            "message": str(one.get("message"))[:300],
        }
        for one in findings
    ]


def _security_findings(tree: Path, paths: list[str]) -> list[dict[str, Any]]:
    found = _ruff(tree, paths, ["--isolated", "--select", "S", "--ignore-noqa"])
    for one in found:
        one["severity"] = _severity(one["rule"])
        one["tool"] = "ruff"
    seen = {(one["path"], one["line"], one["rule"][1:]) for one in found}
    for one in _bandit(tree, paths):
        if (one["path"], one["line"], one["rule"][1:]) not in seen:
            found.append(one)
    return [one for one in found if not _is_exempt(one)]


def _is_exempt(finding: dict[str, Any]) -> bool:
    return is_test_file(finding["path"]) and finding["rule"][1:] in TEST_EXEMPT


def _severity(rule: str) -> str:
    number = rule[1:]
    return "low" if number in LOW_RULES else "high" if number in HIGH_RULES else "medium"


def _bandit(tree: Path, paths: list[str]) -> list[dict[str, Any]]:
    ran = run_tool(
        "bandit",
        ["--format", "json", "--quiet", "--exit-zero", "--ini", "/dev/null", "--",
         *(f"./{one}" for one in paths)],
        cwd=tree,
        timeout_s=TIMEOUT_S,
    )  # fmt: skip
    report = _parsed("bandit", ran.stdout, ran.exit_code == 0, ran.stderr)
    return [
        {
            "path": _relative(tree, one["filename"]),
            "line": int(one.get("line_number") or 0),
            "rule": str(one.get("test_id")),
            "message": str(one.get("issue_text"))[:300],
            "severity": str(one.get("issue_severity")).lower(),
            "tool": "bandit",
        }
        for one in report
        if str(one.get("issue_severity")).lower() in SEVERITIES
    ]


def _parsed(tool: str, stdout: str, ended_well: bool, stderr: str) -> list[dict[str, Any]]:
    try:
        value = json.loads(stdout or "null")
    except json.JSONDecodeError:
        value = None
    if isinstance(value, dict):
        value = value.get("results")
    if not ended_well or not isinstance(value, list):
        raise Refused("tool_failed", f"{tool} could not run: {' '.join(stderr.split())[:300]}")
    return value


def _relative(tree: Path, filename: str) -> str:
    for place in (tree, tree.resolve()):
        if filename.startswith(f"{place}/"):
            filename = filename[len(str(place)) + 1 :]
    return posixpath.normpath(filename)


def _unused_private(one: ChangedFile) -> Iterable[dict[str, Any]]:
    """Private functions and classes the change adds and that the file never names again."""
    try:
        tree = parse(one.after or "")
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        private = node.name.startswith("_") and not node.name.startswith("__")
        if not private or node.decorator_list or not one.touches(node.lineno):
            continue
        if len(re.findall(rf"\b{re.escape(node.name)}\b", one.after or "")) == 1:
            message = f"{node.name} is never used."
            yield {"path": one.path, "line": node.lineno, "rule": "unused", "message": message}
