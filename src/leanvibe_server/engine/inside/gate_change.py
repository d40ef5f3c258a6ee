"""The change a gate looks at: the tree before, the tree after, and the lines between them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layout import is_test_file
from worktree import read_text

MAX_FINDINGS = 200


@dataclass(frozen=True)
class ChangedFile:
    """One file of the change. `before` and `after` are its text, None where none can be read."""

    path: str
    old_path: str
    status: str
    lines: tuple[tuple[int, int], ...]
    before: str | None
    after: str | None

    @property
    def is_test(self) -> bool:
        return is_test_file(self.path)

    def touches(self, line: int) -> bool:
        """Whether the change added this line of the new file."""
        return any(first <= line <= last for first, last in self.lines)

    def touches_any(self, first: int, last: int) -> bool:
        """Whether the change added a line within these."""
        return any(begin <= last and end >= first for begin, end in self.lines)

    @property
    def added(self) -> list[tuple[int, str]]:
        """The added lines with their numbers."""
        texts = (self.after or "").split("\n")
        return [(number, texts[number - 1]) for number in self.line_numbers if number <= len(texts)]

    @property
    def line_numbers(self) -> list[int]:
        return [number for first, last in self.lines for number in range(first, last + 1)]


@dataclass(frozen=True)
class Change:
    """The whole change. `base` is None where there was no tree before."""

    root: Path
    base: Path | None
    files: tuple[ChangedFile, ...]
    coverage_target: float
    timeout_s: float
    earlier: dict[str, Any]

    @property
    def python(self) -> list[ChangedFile]:
        """The Python files that are there after the change."""
        return [one for one in self.files if one.path.endswith(".py") and one.after is not None]


def read_change(root: Path, request: dict[str, Any]) -> Change:
    """The change the request describes."""
    base = Path(request["base"]) if request.get("base") else None
    if base is not None and not base.is_dir():
        base = None
    settings = request.get("settings") or {}
    return Change(
        root=root,
        base=base,
        files=tuple(_read_file(root, base, one) for one in request.get("changed") or []),
        coverage_target=float(settings.get("coverage_target", 0.8)),
        timeout_s=float(settings.get("timeout_s", 300.0)),
        earlier=request.get("earlier") or {},
    )


def _read_file(root: Path, base: Path | None, one: dict[str, Any]) -> ChangedFile:
    path = str(one["path"])
    old = str(one.get("old_path") or path)
    status = str(one.get("status", "modified"))
    return ChangedFile(
        path=path,
        old_path=old,
        status=status,
        lines=tuple((int(first), int(last)) for first, last in one.get("lines") or []),
        before=None if base is None or status == "added" else read_text(base, old),
        after=None if status == "deleted" else read_text(root, path),
    )


def verdict(
    failed: bool,
    reason: str | None,
    *,
    findings: list[dict[str, Any]] | None = None,
    numbers: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The answer of a gate that ran."""
    return {
        "status": "failed" if failed else "passed",
        "reason": reason if failed else None,
        "findings": (findings or [])[:MAX_FINDINGS],
        "numbers": numbers or {},
    }


def not_run(reason: str, cause: str | None = None) -> dict[str, Any]:
    """The answer of a gate that could not run. `cause` is the reason in one word, where known."""
    answer = {"status": "not_run", "reason": reason, "findings": [], "numbers": {}}
    return {**answer, "cause": cause} if cause else answer
