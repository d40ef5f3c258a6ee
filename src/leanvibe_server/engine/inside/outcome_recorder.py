"""A pytest plugin that writes every test's outcome to the file that LEANVIBE_OUTCOMES names."""

from __future__ import annotations

import json
import os
from typing import Any

_outcomes: dict[str, dict[str, str]] = {}
# A test may fork: what its children go on to do is not our run.
_PROCESS = os.getpid()
_RANK = {"passed": 0, "skipped": 1, "failed": 2, "error": 3}


def _note(name: str, outcome: str, message: str) -> None:
    known = _outcomes.get(name)
    if known is None or _RANK[outcome] > _RANK[known["outcome"]]:
        _outcomes[name] = {"outcome": outcome, "message": message[:500]}


def _message(report: Any) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr or "")
    return text if crash is not None else text[-500:]


def pytest_runtest_logreport(report: Any) -> None:
    """Keep the worst outcome of a test's three phases."""
    outcome = report.outcome
    if outcome == "failed" and report.when != "call":
        outcome = "error"
    if outcome == "passed" and report.when != "call":
        return
    _note(report.nodeid, outcome, "" if outcome == "passed" else _message(report))


def pytest_collectreport(report: Any) -> None:
    """Keep a file that could not be collected as an error of its own."""
    if report.failed:
        _note(report.nodeid or "collection", "error", _message(report))


def pytest_sessionfinish(session: Any) -> None:
    """Write the outcomes; a worker process of a parallel run leaves that to its controller."""
    path = os.environ.get("LEANVIBE_OUTCOMES")
    ours = os.getpid() == _PROCESS and not hasattr(session.config, "workerinput")
    if path and ours:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(_outcomes, file, sort_keys=True)
