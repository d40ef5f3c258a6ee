"""The programs printed in the guides run as printed, with addresses and ids replaced."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from datetime import UTC, timedelta
from datetime import datetime as moment
from pathlib import Path
from typing import Any

import pytest
from loopback import PROJECT, TASK, TENANT, LoopbackApi, Reply, refusal, task_shape

from leanvibe import LeanVibeClient, exceptions

PROGRAMS = Path(__file__).parent / "programs"


def printed(name: str, **replaced: str) -> str:
    """The program as printed, with what depends on the installation replaced."""
    text = (PROGRAMS / f"{name}.py.txt").read_text()
    for before, after in replaced.items():
        assert before in text
        text = text.replace(before, after)
    return text


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_async_program_of_the_integration_guide(api: LoopbackApi) -> None:
    usage = {
        "usage_metrics": {"api_calls": 85000},
        "projected_cost": 20000,
        "currency": "USD",
    }
    completion = {"status": "success", "response": "    return state == session_state"}
    api.answer("POST", "/v1/auth/login", Reply(200, api.login_shape()))
    api.answer("POST", "/v1/tasks", Reply(201, task_shape()))
    api.answer("GET", "/v1/billing/usage", Reply(200, usage))
    api.answer("POST", "/v1/code-completion", Reply(200, completion | {"confidence": 0.94}))

    said = run(
        printed(
            "integration_guide",
            **{
                "https://api.leanvibe.ai/v1": api.base_url,
                "550e8400-e29b-41d4-a716-446655440001": TENANT,
                "550e8400-e29b-41d4-a716-446655440003": PROJECT,
            },
        )
    ).splitlines()

    assert said[0] == "Logged in as: dev@acme.test"
    assert said[1] == f"Task created: {TASK}"
    assert said[2] == f"Tracking URL: http://localhost:8765/tasks/{TASK}"
    assert "Progress: 60%" in said
    assert "Current step: test_generation" in said
    assert "Deliverables: Deliverables(files_created=2, tests_written=5)" in said
    assert "This month's usage: 85000 API calls" in said
    assert "Projected cost: $200.00" in said
    assert said[-2:] == ["AI Suggestion (confidence: 0.94):", completion["response"]]
    assert all(seen.headers["x-tenant-id"] == TENANT for seen in api.seen)


def test_the_blocking_program_of_the_api_reference(api: LoopbackApi) -> None:
    api.answer("POST", "/v1/tasks", Reply(201, task_shape()))

    said = run(
        printed(
            "api_reference",
            **{
                "LeanVibeClient": "LeanVibeClientSync",
                "https://api.leanvibe.ai/v1": api.base_url,
                "project-uuid": PROJECT,
            },
        )
    )

    assert said == f"Task created: {TASK}\n"


class AwareDatetime:
    """The print compares with a naive time, which no aware one can be compared with."""

    @staticmethod
    def now() -> moment:
        return moment(2026, 1, 31, 23, 30, tzinfo=UTC)


def error_handling(client: LeanVibeClient) -> dict[str, Any]:
    """The names the error handling of the integration guide defines."""

    async def send_error_notification(error: Exception) -> None:
        names["notified"].append(error)

    names: dict[str, Any] = {
        "asyncio": asyncio,
        "client": client,
        "datetime": AwareDatetime,
        "logger": logging.getLogger(__name__),
        "notified": [],
        "send_error_notification": send_error_notification,
        "timedelta": timedelta,
    }
    exec(printed("error_handling", **{"max_retries=3)": "max_retries=3, base_delay=0.01)"}), names)
    return names


async def test_the_error_handling_of_the_guide_gets_over_what_passes(
    api: LoopbackApi, aclient: LeanVibeClient, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answer("POST", "/v1/tasks", Reply(201, task_shape()))
    # More refusals than the client itself gets over.
    api.script.extend([refusal(429, "rate_limited", "Slow.", headers={"Retry-After": "0.01"})] * 5)
    api.script.append(refusal(500, "server_error", "Crash."))
    api.script.append(refusal(401, "unauthorized", "Expired."))

    task = await error_handling(aclient)["robust_api_call"]()

    assert task.id == TASK
    said = capsys.readouterr().out
    assert "Rate limited. Retrying in 0.01s (attempt 1/4)" in said
    assert "Server error. Retrying" in said


async def test_the_error_handling_of_the_guide_reads_a_spent_quota(
    api: LoopbackApi, aclient: LeanVibeClient, capsys: pytest.CaptureFixture[str]
) -> None:
    details = {"quota_type": "api_calls", "reset_date": "2026-02-01T00:00:00Z"}
    offer = [{"plan": "enterprise", "monthly_price": 80000, "benefits": []}]
    spent = refusal(
        429, "quota_exceeded", "Monthly API quota exceeded", details=details, upgrade_options=offer
    )
    api.answer("POST", "/v1/tasks", spent)
    names = error_handling(aclient)

    with pytest.raises(exceptions.QuotaExceededError):
        await names["robust_api_call"]()

    said = capsys.readouterr().out
    assert "Quota exceeded: Monthly API quota exceeded" in said
    assert "Quota resets in less than 1 hour" in said
    assert "  - enterprise: $800.0/month" in said
    assert len(names["notified"]) == 1
