"""Fix what ruff can fix safely, by the repository's own rules, and nothing else.

Request: `{"step": "check"|"code"|"tests"|"docs", "parameters": {"paths": [str]?, "rules":
[str]?}}`. Without `rules` the repository's own selection holds.
Answer: `{"ok", "changed", "files", "notes", "numbers": {"found", "fixed", "remaining"}, "fixed":
{rule: n}, "remaining": {rule: n}, "summary"}`.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from processes import run_tool
from suite import copy_tree
from wording import count_of
from worktree import (
    Refused,
    list_python_files,
    print_answer,
    read_request,
    read_text,
    refusal,
    resolve_inside,
)

TIMEOUT_S = 120.0


def fix_findings(root: Path, parameters: dict[str, Any]) -> dict[str, Any]:
    """Apply ruff's safe fixes and count, by rule, what went and what stays.

    Raises: Refused: ruff can't read the repository's settings, or a named path is missing.
    """
    paths = _require_paths(root, parameters.get("paths"))
    files, _ = list_python_files(root)
    rules = [one for one in parameters.get("rules") or [] if isinstance(one, str)]
    before = _digests(root, files)
    found = _check(root, paths, rules, fix=False)
    _check(root, paths, rules, fix=True)
    left = _check(root, paths, rules, fix=False)
    after = _digests(root, files)
    changed = sorted(path for path in files if before[path] != after[path])
    fixed = found - left
    return {
        "ok": True,
        "changed": bool(changed),
        "code": None if changed else "nothing_to_do",
        "files": [{"path": path, "action": "changed"} for path in changed],
        "fixed": dict(sorted(fixed.items())),
        "remaining": dict(sorted(left.items())),
        "numbers": {
            "found": found.total(),
            "fixed": fixed.total(),
            "remaining": left.total(),
        },
        "notes": _notes(found, fixed, left),
        "summary": _summary(found, fixed, left, len(changed)),
    }


def check_findings(root: Path, parameters: dict[str, Any]) -> dict[str, Any]:
    """Whether there is anything to fix, without touching it.

    Raises: Refused: as `fix_findings`, or there is nothing to fix.
    """
    with tempfile.TemporaryDirectory(prefix="lint-") as scratch:
        place = Path(scratch) / "tree"
        copy_tree(root, place)
        answer = fix_findings(place, parameters)
    if not answer["changed"]:
        raise Refused("nothing_to_do", answer["summary"])
    return {**answer, "changed": False, "files": [], "summary": "There are findings to fix."}


def _require_paths(root: Path, wanted: Any) -> list[str]:
    paths = [one.strip("/") for one in wanted or [] if isinstance(one, str) and one.strip("/")]
    for path in paths:
        place = resolve_inside(root, path)
        if place.is_symlink() or not place.exists():
            raise Refused("unmet", f"There is no {path} in the repository.")
    return [f"./{path}" for path in paths] or ["."]


def _check(root: Path, paths: list[str], rules: list[str], *, fix: bool) -> Counter[str]:
    """The findings by rule, after fixing when `fix` is set."""
    mode = ["--fix", "--no-unsafe-fixes"] if fix else ["--no-fix"]
    mode += ["--select", ",".join(rules)] if rules else []
    ran = run_tool(
        "ruff",
        ["check", *mode, "--exit-zero", "--no-cache", "--force-exclude", "--quiet",
         "--output-format", "json", "--", *paths],
        cwd=root,
        timeout_s=TIMEOUT_S,
    )  # fmt: skip
    if ran.timed_out:
        raise Refused("timeout", f"ruff did not finish within {TIMEOUT_S:.0f} s.")
    try:
        findings = json.loads(ran.stdout or "null")
    except json.JSONDecodeError:
        findings = None
    if ran.exit_code != 0 or not isinstance(findings, list):
        lines = [line for line in ran.stderr.strip().splitlines() if line.strip()]
        raise Refused("tool_failed", f"ruff could not run: {' '.join(lines)[:400]}")
    return Counter(str(one.get("code") or "syntax-error") for one in findings)


def _digests(root: Path, files: list[str]) -> dict[str, str]:
    digests = {}
    for path in files:
        text = read_text(root, path)
        digests[path] = hashlib.sha256((text or "").encode()).hexdigest()
    return digests


def _notes(found: Counter[str], fixed: Counter[str], left: Counter[str]) -> list[str]:
    if not found:
        return ["ruff finds nothing under the repository's rules."]
    notes = [f"Fixed {rule}: {count}." for rule, count in sorted(fixed.items())]
    notes += [f"Left {rule}: {count}, no safe fix." for rule, count in sorted(left.items())]
    return notes


def _summary(found: Counter[str], fixed: Counter[str], left: Counter[str], files: int) -> str:
    if not found:
        return "There is nothing to fix: ruff finds nothing under the repository's rules."
    if not files:
        unfixed = count_of(found.total(), "finding has", "findings have")
        return f"There is nothing to fix: {unfixed} no safe fix."
    findings = count_of(found.total(), "finding", "findings")
    done = f"Fixed {fixed.total()} of {findings} in {count_of(files, 'file', 'files')}"
    return f"{done}; {count_of(left.total(), 'remains', 'remain')}."


def main() -> None:
    try:
        request = read_request()
        step = request.get("step", "code")
        if step == "check":
            answer = check_findings(Path.cwd(), request.get("parameters") or {})
        elif step != "code":
            answer = {
                "ok": True, "changed": False, "code": None, "files": [], "numbers": {},
                "notes": ["This recipe only fixes findings."], "summary": "Nothing to write.",
            }  # fmt: skip
        else:
            answer = fix_findings(Path.cwd(), request.get("parameters") or {})
    except Refused as refused:
        answer = refusal(refused)
    print_answer(answer)


if __name__ == "__main__":
    main()
