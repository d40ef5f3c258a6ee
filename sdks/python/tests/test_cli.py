"""The command line, run as a program."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from loopback import (
    DIFF,
    PROJECT,
    REQUEST_ID,
    TASK,
    TENANT,
    LoopbackApi,
    Reply,
    Seen,
    refusal,
    task_events,
    task_shape,
)

from conftest import PROGRAM, Run

DONE = task_shape(
    status="completed",
    progress_percentage=100,
    branch="leanvibe/task-1",
    deliverables={"files_created": 2, "tests_written": 5},
    quality_score=0.91,
)


def test_an_error_is_one_line_with_the_next_step_and_the_id(
    api: LoopbackApi, leanvibe: Run
) -> None:
    done = leanvibe("tasks", "show", TASK)

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == f"Error: No /v1/tasks/{TASK} here. Check the id. [{REQUEST_ID}]\n"


def test_an_error_is_json_where_that_was_asked_for(api: LoopbackApi, leanvibe: Run) -> None:
    done = leanvibe("tasks", "show", TASK, "--json")

    assert done.returncode == 1
    assert json.loads(done.stderr)["error"] == "not_found"


def test_a_server_that_is_not_there_is_named(leanvibe: Run) -> None:
    done = leanvibe("whoami", LEANVIBE_BASE_URL="http://127.0.0.1:9")

    assert done.returncode == 1
    assert done.stderr.startswith("Error: http://127.0.0.1:9/v1 could not be reached")
    assert done.stderr.count("\n") == 1


def test_a_text_from_the_server_cannot_command_the_terminal(
    api: LoopbackApi, leanvibe: Run
) -> None:
    title = "\x1b]0;owned\x07[red]x[/red]"
    api.answer("GET", f"/v1/tasks/{TASK}", Reply(200, task_shape(title=title)))

    done = leanvibe("tasks", "show", TASK)

    assert "\x1b" not in done.stdout
    assert "[red]x[/red]" in done.stdout


def test_a_task_is_run_in_the_project_of_that_name_with_its_requirements(
    api: LoopbackApi, leanvibe: Run, tmp_path: Path
) -> None:
    row = {"id": PROJECT, "name": "Shop", "repository_url": None}
    api.answer("GET", "/v1/projects", Reply(200, {"data": [row], "has_more": False}))
    api.answer("POST", "/v1/tasks", Reply(201, task_shape()))
    file = tmp_path / "requirements.json"
    file.write_text('{"specification": {"methods": ["GET"]}}')

    done = leanvibe(
        *("tasks", "run", "--project", "shop", "--title", "Add users"),
        *("--recipe", "crud_endpoint", "--requirements-json", str(file)),
        *("--requirement", "specification.endpoint=/api/users", "--requirement", "strict=true"),
    )

    assert done.returncode == 0, done.stderr
    assert api.seen[-1].body == {
        "title": "Add users",
        "project_id": PROJECT,
        "requirements": {
            "specification": {"methods": ["GET"], "endpoint": "/api/users"},
            "strict": True,
            "recipe": "crud_endpoint",
        },
    }
    assert f"leanvibe tasks watch {TASK}" in done.stdout


def test_requirements_may_come_from_a_pipe(api: LoopbackApi, leanvibe: Run) -> None:
    api.answer("POST", "/v1/tasks", Reply(201, task_shape()))

    leanvibe(
        *("tasks", "run", "--title", "Tests", "--requirements-json", "-"),
        stdin='{"module": "app.tax"}',
    )

    assert api.seen[-1].body["requirements"] == {"module": "app.tax"}


@pytest.mark.parametrize("pair", ["novalue", "=1", "a..b=1"])
def test_a_requirement_that_does_not_read_is_refused_before_anything_is_sent(
    api: LoopbackApi, leanvibe: Run, pair: str
) -> None:
    done = leanvibe("tasks", "run", "--title", "x", "--requirement", pair)

    assert done.returncode == 2
    assert "key=value" in done.stderr
    assert api.seen == []


def test_a_watched_task_shows_its_steps_and_its_outcome(api: LoopbackApi, leanvibe: Run) -> None:
    api.answer("POST", "/v1/tasks", Reply(201, task_shape()))
    api.answer("GET", f"/v1/tasks/{TASK}", Reply(200, DONE))
    api.drop_after.append(3)

    done = leanvibe("tasks", "run", "--title", "Add an endpoint", "--watch")

    assert done.returncode == 0, done.stderr
    steps = [line for line in done.stdout.splitlines() if line.startswith("[")]
    assert steps[1:] == [
        "[ 20%] requirements analysis",
        "[ 40%] code generation",
        "[ 60%] test generation",
        "[ 80%] documentation",
        "[100%] completed",
    ]
    assert "Branch: leanvibe/task-1" in done.stdout
    assert "Deliverables: files created: 2, tests written: 5" in done.stdout


def test_a_failed_task_ends_the_watch_with_one_and_its_reason(
    api: LoopbackApi, leanvibe: Run
) -> None:
    problem = {
        "code": "no_recipe",
        "message": "No recipe fits.",
        "details": {
            "unmet": [
                {
                    "requirement": "Payment with Stripe",
                    "reason": "No recipe does this.",
                    "would_make_possible": "Configure a model.",
                }
            ]
        },
    }
    failed = task_shape(status="failed", error=problem)
    api.events = task_events(last="error")
    api.answer("GET", f"/v1/tasks/{TASK}", Reply(200, failed))

    done = leanvibe("tasks", "watch", TASK)

    assert done.returncode == 1
    assert "Reason: No recipe fits. (no_recipe)" in done.stdout
    assert "unmet: Payment with Stripe. No recipe does this. Configure a model." in done.stdout


def test_what_the_steps_print_is_shown_where_asked_for(api: LoopbackApi, leanvibe: Run) -> None:
    api.answer("GET", f"/v1/tasks/{TASK}", Reply(200, DONE))
    words = {"event_id": "e3a", "log": "ruff: 3 findings\nfixed 3\x1b[2J\n", "step": "validation"}
    api.events.insert(3, task_events()[2] | words)

    told = leanvibe("tasks", "watch", TASK, "--log").stdout
    silent = leanvibe("tasks", "watch", TASK).stdout

    assert "       ruff: 3 findings\n       fixed 3\N{REPLACEMENT CHARACTER}[2J\n" in told
    assert "ruff" not in silent


def test_a_watch_in_json_is_one_object_a_line(api: LoopbackApi, leanvibe: Run) -> None:
    api.answer("GET", f"/v1/tasks/{TASK}", Reply(200, DONE))

    done = leanvibe("tasks", "watch", TASK, "--json")

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["type"] for line in lines][-2:] == ["completion", "task"]
    assert lines[-1]["branch"] == "leanvibe/task-1"


def test_ctrl_c_leaves_the_task_running_and_says_how_to_stop_it(
    api: LoopbackApi, environment: dict[str, str]
) -> None:
    api.events = task_events()[:2]
    api.hold_stream = True
    watching = subprocess.Popen(
        [*PROGRAM, "tasks", "watch", TASK],
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background has it ignore Ctrl-C, and their children too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert watching.stdout is not None
    while "40%" not in watching.stdout.readline():
        pass

    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=15)

    assert watching.returncode == 130
    assert f"leanvibe tasks cancel {TASK}" in said
    assert "Traceback" not in said
    assert not [path for path in api.paths() if path.startswith("POST")]


def test_a_terminal_gets_a_progress_bar(api: LoopbackApi, environment: dict[str, str]) -> None:
    api.answer("GET", f"/v1/tasks/{TASK}", Reply(200, DONE))
    api.events[1]["message"] = "Fixed 3 of 3 findings."

    shown, code = on_a_terminal(["tasks", "watch", TASK], environment)

    assert code == 0
    assert "━" in shown
    assert "100%" in shown
    assert "  code generation: Fixed 3 of 3 findings." in shown


def diff_reply(text: str) -> Callable[[Seen], Reply]:
    """The diff as JSON, or as bare text where that is asked for."""

    def reply(seen: Seen) -> Reply:
        if seen.headers["accept"] == "text/x-diff":
            return Reply(200, text=text)
        shown = text.encode(errors="surrogateescape").decode(errors="replace")
        return Reply(200, {"task_id": TASK, "diff": shown, "branch": "leanvibe/task-1"})

    return reply


def test_a_terminal_gets_a_coloured_diff(api: LoopbackApi, environment: dict[str, str]) -> None:
    api.routes["GET", f"/v1/tasks/{TASK}/diff"] = diff_reply(DIFF)

    shown, code = on_a_terminal(["tasks", "diff", TASK], environment)

    assert code == 0
    assert "\x1b[32m+new" in shown


def test_a_pipe_gets_the_diff_byte_for_byte(api: LoopbackApi, environment: dict[str, str]) -> None:
    latin_1 = b"-old\r\n+caf\xe9\n"
    text = latin_1.decode(errors="surrogateescape")
    api.routes["GET", f"/v1/tasks/{TASK}/diff"] = diff_reply(text)

    done = subprocess.run(
        [*PROGRAM, "tasks", "diff", TASK], env=environment, capture_output=True, timeout=30
    )

    assert done.stdout == latin_1


def test_a_reader_that_leaves_early_causes_no_traceback(
    api: LoopbackApi, environment: dict[str, str]
) -> None:
    api.routes["GET", f"/v1/tasks/{TASK}/diff"] = diff_reply(DIFF * 20000)
    command = " ".join([*PROGRAM, "tasks", "diff", TASK, "| head -1"])

    done = subprocess.run(
        ["sh", "-c", command], env=environment, capture_output=True, text=True, timeout=30
    )

    assert done.stdout == DIFF.splitlines()[0] + "\n"
    assert done.stderr == ""


def test_lists_are_tab_separated_in_a_pipe_and_json_where_asked_for(
    api: LoopbackApi, leanvibe: Run
) -> None:
    rows = [task_shape(title="One"), task_shape(title="Two")]
    page = {"data": rows, "has_more": True, "next_cursor": "two"}
    api.answer("GET", "/v1/tasks", Reply(200, page))

    done = leanvibe("tasks", "list", "--status", "queued", "--limit", "2")

    assert done.stdout.splitlines() == [
        "ID\tSTATUS\tPROGRESS\tTITLE",
        f"{TASK}\tqueued\t0%\tOne",
        f"{TASK}\tqueued\t0%\tTwo",
    ]
    assert "--cursor two" in done.stderr
    assert set(api.seen[0].query.split("&")) == {"status=queued", "limit=2"}
    assert json.loads(leanvibe("tasks", "list", "--json").stdout) == page


def test_the_use_of_the_tenant_is_shown_against_its_quotas(api: LoopbackApi, leanvibe: Run) -> None:
    usage = {
        "tenant_id": TENANT,
        "users_count": 45,
        "api_calls_this_month": 85000,
        "ai_requests_today": 750,
        "storage_used_mb": 8500,
        "quotas": {
            "max_users": 999999,
            "max_api_calls_per_month": 100000,
            "max_ai_requests_per_day": 1000,
            "max_storage_mb": 1048576,
        },
    }
    api.answer("GET", "/v1/tenants/me/usage", Reply(200, usage))

    lines = leanvibe("tenant", "usage").stdout.splitlines()

    assert "users\t45\tunlimited\t-" in lines
    assert "API calls this month\t85,000\t100,000\t85%" in lines
    assert "storage, MB\t8,500\t1,048,576\t1%" in lines


def test_the_other_task_commands_reach_their_endpoints(api: LoopbackApi, leanvibe: Run) -> None:
    api.answer("POST", f"/v1/tasks/{TASK}/cancel", Reply(200, task_shape(status="cancelled")))
    api.answer("POST", f"/v1/tasks/{TASK}/retry", Reply(201, task_shape()))
    api.answer("DELETE", f"/v1/tasks/{TASK}/branch", Reply(204))

    assert "cancelled" in leanvibe("tasks", "cancel", TASK).stdout
    assert "queued" in leanvibe("tasks", "retry", TASK).stdout
    assert "deleted" in leanvibe("tasks", "delete-branch", TASK).stdout


def test_a_project_is_created_with_a_token_that_is_not_an_argument(
    api: LoopbackApi, leanvibe: Run
) -> None:
    made = {"id": PROJECT, "name": "Shop", "has_credentials": True, "tech_stack": ["Python"]}
    api.answer("POST", "/v1/projects", Reply(201, made))

    done = leanvibe(
        *("projects", "create", "--name", "Shop", "--repository-url", "https://git.test/shop"),
        *("--tech", "Python", "--token-stdin"),
        stdin="secret-token\n",
    )

    assert done.returncode == 0, done.stderr
    assert api.seen[-1].body["credentials"] == {"type": "token", "token": "secret-token"}
    assert api.seen[-1].body["tech_stack"] == ["Python"]
    assert re.search(r"has_credentials: +yes", done.stdout)


def test_the_audit_log_is_listed(api: LoopbackApi, leanvibe: Run) -> None:
    entry = {
        "id": "a1",
        "event_type": "user.login",
        "timestamp": "2026-01-09T10:30:00Z",
        "actor": {"kind": "user", "id": "u1", "label": "dev@acme.test"},
        "details": {"provider": "local", "reason": None, "error": {"code": "x"}},
        "ip_address": "192.0.2.7",
    }
    api.answer("GET", "/v1/admin/audit/auth", Reply(200, {"data": [entry], "has_more": False}))

    done = leanvibe("audit", "list", "--auth", "--since", "2026-01-01")

    row = "2026-01-09 10:30:00Z\tuser.login\tdev@acme.test\t192.0.2.7\tprovider=local"
    assert row in done.stdout
    assert "start_date=2026-01-01" in api.seen[0].query


def test_a_quota_that_is_spent_names_the_plans_that_lift_it(
    api: LoopbackApi, leanvibe: Run
) -> None:
    details = {"quota_type": "ai_requests", "reset_date": "2026-02-01T00:00:00Z"}
    offer = [{"plan": "team", "monthly_price": 20000, "benefits": []}]
    spent = refusal(429, "quota_exceeded", "Spent.", details=details, upgrade_options=offer)
    api.answer("POST", "/v1/tasks", spent)

    said = leanvibe("tasks", "run", "--title", "x").stderr

    assert "starts again at 2026-02-01 00:00 UTC" in said
    assert "Plans that lift it: team" in said


def on_a_terminal(arguments: list[str], environment: dict[str, str]) -> tuple[str, int]:
    """Run the program with a terminal as its output; what it showed, and its exit code."""
    ours, theirs = pty.openpty()
    program = subprocess.Popen(
        [*PROGRAM, *arguments],
        env=environment | {"TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    )
    os.close(theirs)
    shown = b""
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s and select.select([ours], [], [], 5)[0]:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return shown.decode(), program.wait(timeout=10)
