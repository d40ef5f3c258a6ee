"""The audit log."""

from __future__ import annotations

import click

from leanvibe.cli._app import App, takes_page
from leanvibe.models import AuditEntry


@click.group()
def audit() -> None:
    """What happened in your tenant."""


@audit.command("list")
@click.option("--auth", "area", flag_value="auth", help="Logins, keys and sessions only.")
@click.option("--event-type", help="One kind of event, such as task.created.")
@click.option("--since", "start_date", metavar="DATE", help="From this day on, as 2026-01-31.")
@takes_page
@click.pass_obj
def list_entries(
    app: App,
    *,
    area: str | None,
    event_type: str | None,
    start_date: str | None,
    limit: int,
    cursor: str | None,
) -> None:
    """List the log, newest first."""
    page = app.client().audit.list(
        area=area, event_type=event_type, start_date=start_date, limit=limit, cursor=cursor
    )
    app.show_page(
        page,
        {
            "TIME": _time,
            "EVENT": lambda entry: entry.get("event_type"),
            "ACTOR": _actor,
            "SUBJECT": lambda entry: entry.get("subject_id") or entry.get("resource_id"),
        },
    )


def _time(entry: AuditEntry) -> object:
    return entry.get("occurred_at") or entry.get("created_at") or entry.get("timestamp")


def _actor(entry: AuditEntry) -> object:
    actor = entry.get("actor")
    if isinstance(actor, str) or actor is None:
        return actor or entry.get("actor_id")
    return actor.get("email") or actor.get("id") or actor.get("kind")
