"""Gates that read the changed code itself: complexity, documentation, duplication, suppressions."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections import Counter
from typing import Any

from gate_change import Change, ChangedFile, verdict
from layout import is_test_file
from syntax import parse
from wording import count_of
from worktree import list_python_files, read_text

MAX_COGNITIVE = 15
MAX_CYCLOMATIC = 10
# Development of a line is taken as 30 minutes and debt as the minutes to repay it, as the SQALE
# method does.
MINUTES_PER_LINE = 30
REPAY_FUNCTION_MINUTES = 10
REPAY_MODULE_MINUTES = {"A": 0, "B": 20, "C": 60}
MAX_DEBT_PERCENT = 50.0
MIN_DOCUMENTED_SHARE = 0.8
MAX_DUPLICATION_PERCENT = 3.0
WINDOW_LINES = 6
SUPPRESSION = re.compile(
    r"#\s*(?:ruff:\s*|flake8:\s*)?noqa\b|#\s*type:\s*ignore|#\s*nosec\b|#\s*pragma:\s*no\s*cover"
    r"|#\s*pylint:\s*disable|#\s*pyright:\s*ignore|#\s*mypy:\s*ignore-errors",
    re.IGNORECASE,
)


def check_complexity(change: Change) -> dict[str, Any]:
    """New functions of cognitive complexity over 15, or a debt of half the cost, fail the gate."""
    findings: list[dict[str, Any]] = []
    minutes = 0
    lines = 0
    for one in change.python:
        lines += sum(
            1 for _, text in one.added if text.strip() and not text.strip().startswith("#")
        )
        minutes += _module_debt(one)
        before = _cognitive(one.before)
        for name, (complexity, first, last) in _cognitive(one.after).items():
            grew = complexity > before.get(name, (0, 0, 0))[0]
            if complexity > MAX_COGNITIVE and grew and one.touches_any(first, last):
                minutes += REPAY_FUNCTION_MINUTES + complexity - MAX_COGNITIVE
                message = f"{name} has a cognitive complexity of {complexity}."
                findings.append(
                    {"path": one.path, "line": first, "rule": "cognitive", "message": message}
                )
        minutes += _cyclomatic_debt(one)
    debt = round(100 * minutes / (MINUTES_PER_LINE * lines), 4) if lines else 0.0
    return verdict(
        bool(findings) or debt >= MAX_DEBT_PERCENT,
        f"{count_of(len(findings), 'new function is', 'new functions are')} too complex; "
        f"the debt is {debt} %.",
        findings=findings,
        numbers={
            "new_complex_functions": len(findings),
            "debt_percent": debt,
            "debt_minutes": minutes,
            "added_code_lines": lines,
        },
    )


def _cognitive(text: str | None) -> dict[str, tuple[int, int, int]]:
    import complexipy

    if text is None:
        return {}
    try:
        functions = complexipy.code_complexity(text).functions
    except Exception:
        # The library has no error of its own for what it can't read; the lint gate names the fault.
        return {}
    return {one.name: (one.complexity, one.line_start, one.line_end) for one in functions}


def _cyclomatic_debt(one: ChangedFile) -> int:
    before = {name: complexity for name, complexity, _, _ in _cyclomatic(one.before)}
    return sum(
        REPAY_FUNCTION_MINUTES + complexity - MAX_CYCLOMATIC
        for name, complexity, first, last in _cyclomatic(one.after)
        if complexity > max(MAX_CYCLOMATIC, before.get(name, 0)) and one.touches_any(first, last)
    )


def _cyclomatic(text: str | None) -> list[tuple[str, int, int, int]]:
    from radon.complexity import cc_visit

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            blocks = cc_visit(text or "")
    except (SyntaxError, ValueError, RecursionError):
        return []
    return [
        (block.fullname, block.complexity, block.lineno, block.endline)
        for block in blocks
        if type(block).__name__ == "Function"
    ]


def _module_debt(one: ChangedFile) -> int:
    """Minutes for a module whose maintainability rank falls."""
    before, after = _maintainability_rank(one.before), _maintainability_rank(one.after)
    return max(0, REPAY_MODULE_MINUTES[after] - REPAY_MODULE_MINUTES[before])


def _maintainability_rank(text: str | None) -> str:
    from radon.metrics import mi_rank, mi_visit

    if not text:
        return "A"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rank: str = mi_rank(mi_visit(text, multi=True))
    except (SyntaxError, ValueError, RecursionError, ZeroDivisionError):
        return "A"
    return rank


def check_documentation(change: Change) -> dict[str, Any]:
    """Less than four fifths of the new public symbols documented fails the gate."""
    findings: list[dict[str, Any]] = []
    public = 0
    for one in change.python:
        if one.is_test:
            continue
        known = set(_public_symbols(one.before))
        for name, (line, documented) in _public_symbols(one.after).items():
            if name in known:
                continue
            public += 1
            if not documented:
                findings.append(
                    {
                        "path": one.path,
                        "line": line,
                        "rule": "undocumented",
                        "message": f"{name} has no docstring.",
                    }
                )
    documented_count = public - len(findings)
    share = documented_count / public if public else 1.0
    return verdict(
        share < MIN_DOCUMENTED_SHARE,
        f"{len(findings)} of {count_of(public, 'new public symbol', 'new public symbols')} "
        f"{'has' if len(findings) == 1 else 'have'} no docstring.",
        findings=findings,
        numbers={"new_public": public, "documented": documented_count},
    )


def _public_symbols(text: str | None) -> dict[str, tuple[int, bool]]:
    try:
        tree = parse(text or "")
    except SyntaxError:
        return {}
    found: dict[str, tuple[int, bool]] = {}
    pending: list[tuple[str, ast.stmt]] = [("", node) for node in tree.body]
    while pending:
        prefix, node = pending.pop(0)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if node.name.startswith("_"):
            continue
        found[prefix + node.name] = (node.lineno, ast.get_docstring(node) is not None)
        if isinstance(node, ast.ClassDef):
            pending += [(f"{prefix}{node.name}.", inner) for inner in node.body]
    return found


def check_duplication(change: Change) -> dict[str, Any]:
    """More than 3 % of the added lines repeating six lines from elsewhere fails the gate."""
    changed = {one.path: one for one in change.python if not is_test_file(one.path)}
    windows: dict[tuple[str, ...], list[tuple[str, list[int]]]] = {}
    paths, _ = list_python_files(change.root)
    for path in paths:
        if is_test_file(path):
            continue
        lines = _significant_lines(read_text(change.root, path))
        for start in range(len(lines) - WINDOW_LINES + 1):
            part = lines[start : start + WINDOW_LINES]
            key = tuple(text for _, text in part)
            windows.setdefault(key, []).append((path, [number for number, _ in part]))
    duplicated: set[tuple[str, int]] = set()
    for places in windows.values():
        if len(places) > 1:
            for path, numbers in places:
                if path in changed:
                    duplicated.update((path, n) for n in numbers if changed[path].touches(n))
    added = sum(
        changed[path].touches(number)
        for path in changed
        for number, _ in _significant_lines(changed[path].after)
    )
    percent = round(100 * len(duplicated) / added, 4) if added else 0.0
    per_file = Counter(path for path, _ in duplicated)
    return verdict(
        percent > MAX_DUPLICATION_PERCENT,
        f"{percent} % of the added lines repeat other code.",
        findings=[
            {
                "path": path,
                "line": 0,
                "rule": "duplication",
                "message": f"{count_of(count, 'repeated line', 'repeated lines')}.",
            }
            for path, count in sorted(per_file.items())
        ],
        numbers={
            "duplicated_lines": len(duplicated),
            "added_lines": added,
            "duplication_percent": percent,
        },
    )


def _significant_lines(text: str | None) -> list[tuple[int, str]]:
    """Lines that carry meaning: no blanks, comments, imports or lone brackets."""
    found = []
    for number, line in enumerate((text or "").split("\n"), start=1):
        stripped = line.strip()
        if stripped.strip("()[]{},:") and not stripped.startswith(("#", "import ", "from ", '"""')):
            found.append((number, stripped))
    return found


def check_suppressions(change: Change) -> dict[str, Any]:
    """A new comment that silences a tool fails the gate."""
    findings: list[dict[str, Any]] = []
    for one in change.python:
        known = Counter(text for _, text in _suppressions(one.before))
        for line, text in _suppressions(one.after):
            if known[text] > 0:
                known[text] -= 1
                continue
            findings.append(
                {"path": one.path, "line": line, "rule": "suppression", "message": text[:200]}
            )
    return verdict(
        bool(findings),
        f"{count_of(len(findings), 'new comment silences', 'new comments silence')} a tool.",
        findings=findings,
        numbers={"new_suppressions": len(findings)},
    )


def _suppressions(text: str | None) -> list[tuple[int, str]]:
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text or "").readline):
            if token.type == tokenize.COMMENT and SUPPRESSION.search(token.string):
                found.append((token.start[0], token.string.strip()))
    except (tokenize.TokenError, SyntaxError, IndentationError):
        return found
    return found
