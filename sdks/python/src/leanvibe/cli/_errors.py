"""Errors in one line: what happened, what to do next, and the id to report."""

from __future__ import annotations

import json
from typing import Any

import click

from leanvibe import exceptions as errors
from leanvibe.cli._app import App, plain

# The narrower kind comes first.
_STEPS: tuple[tuple[type[errors.LeanVibeError], str], ...] = (
    (errors.AuthenticationError, "Run: leanvibe login"),
    (
        errors.TenantSuspendedError,
        "Reading still works; settle the open invoice or write to the support.",
    ),
    (errors.PermissionDeniedError, "Ask an administrator of your tenant for a role that may."),
    (errors.NotFoundError, "Check the id."),
    (
        errors.ConnectionFailedError,
        "Is the server running? Its address comes from --base-url or LEANVIBE_BASE_URL.",
    ),
    (errors.ServerError, "Try again, and report the id if it stays."),
)


def report(error: errors.LeanVibeError, app: App) -> None:
    """Print the error on the standard error, as JSON when that was asked for."""
    if app.json:
        click.echo(json.dumps(error.to_dict(), ensure_ascii=False), err=True)
        return
    message = error.message.rstrip()
    if message and message[-1] not in ".!?":
        message += "."
    parts = [message, _next_step(error, app)]
    if error.request_id is not None:
        parts.append(f"[{error.request_id}]")
    text = " ".join(plain(part) for part in parts if part)
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {' '.join(text.split())}", err=True)


def _next_step(error: errors.LeanVibeError, app: App) -> str:
    """What the caller can do now."""
    match error:
        case errors.QuotaExceededError():
            return _until_reset(error)
        case errors.RateLimitError():
            return f"Try again in {error.retry_after or 60:.0f} s."
        case errors.InvalidRequestError() if error.details.get("tenants"):
            return _choices(error.details["tenants"])
        case errors.InvalidRequestError():
            return _wrong_fields(error)
        case errors.SandboxUnavailableError() if error.details.get("command"):
            return f"Run on the server: {error.details['command']}"
        case errors.MfaRequiredError():
            return "Log in again with --mfa-code."
        case errors.AuthenticationError() if app.logging_in:
            return ""
        case errors.AuthenticationError() if app.api_key:
            return "Check LEANVIBE_API_KEY."
    return next((step for kind, step in _STEPS if isinstance(error, kind)), "")


def _until_reset(error: errors.QuotaExceededError) -> str:
    parts = []
    if error.reset_date is not None:
        parts.append(f"It starts again at {error.reset_date:%Y-%m-%d %H:%M} UTC.")
    if error.upgrade_options:
        plans = ", ".join(str(option.get("plan")) for option in error.upgrade_options)
        parts.append(f"Plans that lift it: {plans}.")
    return " ".join(parts)


def _choices(tenants: list[dict[str, Any]]) -> str:
    """The tenants a login may be for."""
    names = ", ".join(f"{tenant.get('slug')} ({tenant.get('id')})" for tenant in tenants)
    return f"Add --tenant-id with the slug or id of one: {names}."


def _wrong_fields(error: errors.InvalidRequestError) -> str:
    """The wrong fields the message does not name already."""
    problems = [str(problem) for problem in error.details.get("validation_errors") or []]
    return "; ".join(problem for problem in problems if problem not in error.message)
