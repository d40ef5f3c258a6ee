"""The gate against tests made weaker: removed tests, fewer checks, new skips, collection switched
off.
"""

from __future__ import annotations

import ast
import re
from typing import Any, TypeGuard

from gate_change import Change, ChangedFile, verdict
from layout import is_test_file
from syntax import call_name, parse
from wording import count_of

SKIPS = frozenset({"skip", "skipif", "skipIf", "skipUnless", "skipTest", "xfail", "expectedFailure",
                   "importorskip"})  # fmt: skip
SETTINGS_FILES = ("pyproject.toml", "pytest.ini", "tox.ini", "setup.cfg", "conftest.py")
SWITCHED_OFF = re.compile(r"--ignore|--deselect|collect_ignore|norecursedirs|-k\s|addopts")


def check_tampering(change: Change) -> dict[str, Any]:
    """Anything that weakens a test that stood fails the gate: it needs a person's approval."""
    findings: list[dict[str, Any]] = []
    for one in change.files:
        name = one.path.rpartition("/")[2]
        if one.old_path.endswith(".py") and is_test_file(one.old_path) and one.before is not None:
            findings += _weakened(one)
        if name in SETTINGS_FILES and one.status != "added":
            findings += _switched_off(one)
    return verdict(
        bool(findings),
        f"{count_of(len(findings), 'test that stood is', 'tests that stood are')} weaker now.",
        findings=findings,
        numbers={"weakened": len(findings)},
    )


def _weakened(one: ChangedFile) -> list[dict[str, Any]]:
    before, after = _tests_of(one.before), _tests_of(one.after)
    findings = []
    for name, old in sorted(before.items()):
        new = after.get(name)
        if new is None:
            findings.append(_finding(one, 0, "removed_test", f"{name} is gone."))
            continue
        if new["checks"] < old["checks"]:
            message = f"{name} checks {new['checks']} things, {old['checks']} before."
            findings.append(_finding(one, new["line"], "fewer_checks", message))
        if new["skips"] > old["skips"]:
            findings.append(_finding(one, new["line"], "new_skip", f"{name} is skipped now."))
        if new["empty"] > old["empty"]:
            message = f"{name} has a check that can't fail."
            findings.append(_finding(one, new["line"], "empty_check", message))
    return findings


def _tests_of(text: str | None) -> dict[str, dict[str, int]]:
    try:
        tree = parse(text or "")
    except SyntaxError:
        return {}
    module_skips = sum(
        _mentions_skip(node) for node in tree.body if isinstance(node, ast.Assign | ast.Expr)
    )
    found: dict[str, dict[str, int]] = {}
    pending: list[tuple[str, int, ast.stmt]] = [("", module_skips, node) for node in tree.body]
    while pending:
        prefix, skips, node = pending.pop(0)
        if isinstance(node, ast.ClassDef):
            own = skips + sum(_mentions_skip(one) for one in node.decorator_list)
            pending += [(f"{prefix}{node.name}.", own, inner) for inner in node.body]
        elif _is_test(node):
            found[prefix + node.name] = _counts(node, skips)
    return found


def _is_test(node: ast.stmt) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")


def _counts(node: ast.FunctionDef | ast.AsyncFunctionDef, skips: int) -> dict[str, int]:
    checks = empty = 0
    for inner in ast.walk(node):
        if isinstance(inner, ast.Assert):
            checks += 1
            empty += isinstance(inner.test, ast.Constant)
        elif isinstance(inner, ast.Call):
            name = call_name(inner)
            checks += name.startswith("assert") or name in {"raises", "warns", "fail"}
    skips += sum(_mentions_skip(one) for one in node.decorator_list)
    skips += sum(
        call_name(inner) in SKIPS for inner in ast.walk(node) if isinstance(inner, ast.Call)
    )
    return {"checks": checks - empty, "empty": empty, "skips": skips, "line": node.lineno}


def _mentions_skip(node: ast.AST) -> bool:
    return any(
        (isinstance(inner, ast.Attribute) and inner.attr in SKIPS)
        or (isinstance(inner, ast.Name) and inner.id in SKIPS)
        for inner in ast.walk(node)
    )


def _switched_off(one: ChangedFile) -> list[dict[str, Any]]:
    known = {line.strip() for line in (one.before or "").split("\n")}
    return [
        _finding(one, number, "collection_switched_off", line.strip()[:200])
        for number, line in one.added
        if line.strip() not in known and SWITCHED_OFF.search(line)
    ]


def _finding(one: ChangedFile, line: int, rule: str, message: str) -> dict[str, Any]:
    return {"path": one.path, "line": line, "rule": rule, "message": message}
