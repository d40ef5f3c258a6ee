"""What pages say, worked out without a page."""

from datetime import UTC, datetime

import pytest

from leanvibe_server.engine.schemas import TaskProblem, TaskView
from leanvibe_server.web.diff_view import view_diff
from leanvibe_server.web.formats import duration, initials, time_tag, words
from leanvibe_server.web.problem_view import problem_of
from leanvibe_server.web.quality_view import gate_lines, score_parts
from leanvibe_server.web.reference import read_reference
from leanvibe_server.web.task_view import plan_lists

DIFF = b"""\
diff --git a/app/main.py b/app/main.py
index 4f2a9c0..9ab34f0 100644
--- a/app/main.py
+++ b/app/main.py
@@ -1,3 +1,4 @@
 import os
-from app import old
+from app import new
+from app import newer
 app = 1
@@ -10,2 +11,2 @@ def main():
--- a/looks like a header
+++ b/looks like a header
 end
diff --git a/logo.png b/logo.png
new file mode 100644
index 0000000..9ab34f0
Binary files /dev/null and b/logo.png differ
"""


def test_a_diff_is_read_into_files_and_numbered_lines() -> None:
    main, logo = view_diff(DIFF)
    assert (main.path, main.change, main.added, main.removed) == ("app/main.py", "modified", 3, 2)
    assert [(line.kind, line.old, line.new, line.text) for line in main.lines] == [
        ("hunk", None, None, "@@ line 1 @@"),
        ("same", 1, 1, "import os"),
        ("del", 2, None, "from app import old"),
        ("add", None, 2, "from app import new"),
        ("add", None, 3, "from app import newer"),
        ("same", 3, 4, "app = 1"),
        ("hunk", None, None, "@@ line 11 @@ def main():"),
        ("del", 10, None, "-- a/looks like a header"),
        ("add", None, 11, "++ b/looks like a header"),
        ("same", 11, 12, "end"),
    ]
    assert (logo.path, logo.change, logo.binary, logo.lines) == ("logo.png", "added", True, [])


def test_no_diff_has_no_files() -> None:
    assert view_diff(b"") == []
    assert view_diff(b"no diff at all\n") == []


def test_a_long_file_is_cut_and_a_long_diff_folded() -> None:
    body = b"".join(b"+line %d\n" % number for number in range(700))
    one = b"diff --git a/%s b/%s\nnew file mode 100644\n--- /dev/null\n+++ b/%s\n@@ -0,0 +1,%d @@\n"
    small = one % (b"a", b"a", b"a", 1) + b"+line\n"
    large = one % (b"b", b"b", b"b", 700) + body
    first, second = view_diff(small + large)
    assert (first.open, first.cut) == (True, False)
    assert (second.open, second.cut, len(second.lines), second.added) == (False, True, 600, 700)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.0004, "0 ms"),
        (0.82, "820 ms"),
        (4.21, "4.2 s"),
        (31.4, "31 s"),
        (59.7, "1 min"),
        (79, "1 min 19 s"),
        (3600, "1 h 0 min"),
        (9000, "2 h 30 min"),
    ],
)
def test_a_duration_is_told_in_the_units_that_matter(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_a_time_is_told_for_machines_and_people() -> None:
    at = datetime(2026, 3, 2, 9, 5, 7, tzinfo=UTC)
    assert str(time_tag(at)) == (
        '<time datetime="2026-03-02T09:05:07.000Z" data-style="minute">2 Mar 2026, 09:05 UTC</time>'
    )
    assert "09:05:07" in time_tag("2026-03-02T10:05:07+01:00", "clock")


def test_names_of_machines_read_like_words() -> None:
    assert words("test_generation") == "Test generation"
    assert initials("olivia.owner@acme.example") == "OO"
    assert initials("") == "?"


def test_every_gate_says_what_it_measured_and_an_unknown_one_nothing() -> None:
    quality = {
        "components": {"tests": 0.5, "security": 1.0},
        "weights": {"tests": 0.35, "security": 0.25},
        "gates": [
            _gate("lint", numbers={"files": 1, "new_findings": 2}),
            _gate(
                "tests", numbers={"base": {"passed": 6}, "head": {"passed": 23}, "new_tests": 17}
            ),
            _gate("coverage", numbers={"diff_coverage": 0.99, "executable_lines": 105}),
            _gate("tampering", status="not_run", reason="No base to compare with."),
            _gate("tests", numbers={"of": "an older engine"}),
            _gate("astrology", numbers={"stars": 5}),
        ],
    }
    assert [line.note for line in gate_lines(quality)] == [
        "2 new findings in 1 file",
        "23 pass, 6 did before, 17 are new",
        "99 % of 105 changed lines",
        "No base to compare with.",
        "",
        "",
    ]
    assert [(part.label, part.value) for part in score_parts(quality)] == [
        ("Tests", 0.5),
        ("Security", 1.0),
    ]
    assert (gate_lines(None), score_parts(None)) == ([], [])


@pytest.mark.parametrize(
    ("gate", "told"),
    [
        (
            {
                "name": "lint",
                "reason": None,
                "findings": [
                    {"path": "app/a.py", "line": 3, "rule": "F401", "message": "os is unused"},
                    {"path": "app/b.py", "line": 0, "rule": "D100", "message": "no docstring"},
                ],
            },
            (
                "Lint: 2 new findings",
                ["app/a.py:3 F401 os is unused", "app/b.py D100 no docstring"],
            ),
        ),
        (
            {"name": "dead_code", "findings": [{"path": "a.py", "line": 1, "rule": "unused"}]},
            ("Dead code: 1 new finding", ["a.py:1 unused"]),
        ),
        (
            {"name": "tests", "reason": "They ran too long.", "findings": []},
            ("Tests", ["They ran too long."]),
        ),
    ],
)
def test_a_gate_in_the_way_is_told_finding_by_finding(
    gate: dict[str, object], told: tuple[str, list[str]]
) -> None:
    error = TaskProblem(code="gates_failed", message="No.", details={"gates": [gate]})
    problem = problem_of(TaskView.model_construct(error=error))
    assert problem is not None
    assert problem.lists == [told]


def _gate(name: str, **facts: object) -> dict[str, object]:
    return {
        "name": name, "status": "passed", "required": True, "reason": None, "findings": [],
        "numbers": {}, **facts,
    }  # fmt: skip


def test_a_plan_is_told_list_by_list() -> None:
    plan = {
        "assumptions": ["Anyone may call the routes."],
        "matched": [],
        "parameters": {"methods": ["GET", "POST"], "database": None},
    }
    assert plan_lists(plan) == [
        ("Assumed", ["Anyone may call the routes."]),
        ("Settings", ["methods: GET, POST"]),
    ]
    assert plan_lists(None) == []


def test_the_reference_follows_references_and_nests_fields() -> None:
    document = {
        "tags": [{"name": "Tasks", "description": "Work."}],
        "components": {
            "schemas": {
                "Inner": {"properties": {"size": {"type": "integer"}}, "required": ["size"]},
                "Loop": {"properties": {"next": {"$ref": "#/components/schemas/Loop"}}},
            }
        },
        "paths": {
            "/v1/tasks": {
                "post": {
                    "tags": ["Tasks"],
                    "description": "Queue a task.\n\nMore\nof it.",
                    "security": [{"bearer": []}],
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/json": {
                                "schema": {
                                    "required": ["items"],
                                    "properties": {
                                        "items": {
                                            "type": "array",
                                            "items": {"$ref": "#/components/schemas/Inner"},
                                        },
                                        "loop": {"$ref": "#/components/schemas/Loop"},
                                        "kind": {"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]},
                                    },
                                }
                            }
                        },
                    },
                    "responses": {"201": {"description": "Successful Response"}, "default": {}},
                }
            }
        },
    }
    (section,) = read_reference(document, "http://localhost:8765")
    (operation,) = section.operations
    assert (section.name, operation.title, operation.paragraphs) == (
        "Tasks",
        "Queue a task",
        ["More of it."],
    )
    assert [(line.name, line.kind, line.required) for line in operation.body][:2] == [
        ("items", "list of any", True),
        ("items[].size", "integer", True),
    ]
    assert ("kind", '"a" | "b" or null', False) in [
        (line.name, line.kind, line.required) for line in operation.body
    ]
    assert [(line.status, line.text) for line in operation.answers] == [("201", "Created")]
    assert operation.example.startswith("curl -X POST http://localhost:8765/v1/tasks")
