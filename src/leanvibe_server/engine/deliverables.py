"""What a task delivered, counted from its final diff and from nothing else."""

from __future__ import annotations

import re
from collections import Counter

import msgspec

from leanvibe_server.engine.diffs import FileDiff, parse_diff

_TEST_FILE = re.compile(r"(^|/)(test_[^/]*|[^/]*_test|conftest|tests)\.py$|(^|/)tests?/.*\.py$")
_TEST_FUNCTION = re.compile(rb"^\s*(?:async\s+)?def\s+(test\w*)\s*\(")
_ROUTE = re.compile(rb"^\s*@(\w+(?:\.\w+)*)\.(?:get|post|put|patch|delete)\(\s*([\"']|$|path\s*=)")


class Deliverables(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one diff. Renamed files count as changed; binary files count as files without
    lines.
    """

    files_created: int
    files_changed: int
    files_deleted: int
    lines_added: int
    lines_removed: int
    tests_written: int
    api_endpoints: int


def count_deliverables(diff: bytes) -> Deliverables:
    """Count what a unified diff delivers."""
    files = parse_diff(diff)
    statuses = Counter(one.status for one in files)
    return Deliverables(
        files_created=statuses["added"],
        files_changed=statuses["modified"] + statuses["renamed"],
        files_deleted=statuses["deleted"],
        lines_added=sum(len(one.added) for one in files),
        lines_removed=sum(len(one.removed) for one in files),
        tests_written=_count_new(files, _TEST_FUNCTION, in_tests=True),
        api_endpoints=_count_new(files, _ROUTE, in_tests=False),
    )


def is_test_file(path: str) -> bool:
    """Whether a Python file holds tests or serves them."""
    return _TEST_FILE.search(path) is not None


def _count_new(files: list[FileDiff], pattern: re.Pattern[bytes], *, in_tests: bool) -> int:
    """Added matches less the removed ones, so that a moved or edited definition isn't new."""
    added: Counter[bytes] = Counter()
    removed: Counter[bytes] = Counter()
    for one in files:
        if not one.path.endswith(".py") or is_test_file(one.path) is not in_tests:
            continue
        added.update(_matches(pattern, [line for _, line in one.added]))
        removed.update(_matches(pattern, list(one.removed)))
    if in_tests:
        return (added - removed).total()
    return max(0, added.total() - removed.total())


def _matches(pattern: re.Pattern[bytes], lines: list[bytes]) -> list[bytes]:
    found = (pattern.match(line) for line in lines)
    return [match[1] for match in found if match and match[1] not in {b"mock", b"monkeypatch"}]
