"""The audit log."""

from __future__ import annotations

import click

from leanvibe.cli._app import App, takes_page
from leanvibe.models import AuditEntry

_DETAILS_WIDTH = 80


@click.group()
def audit() -> None:
    """What happened in your tenant."""


@audit.command("list")
@click.option("--auth", "area", flag_value="auth", help="Logins, keys and sessions only.")
@click.option("--event-type", help="One kind of event, such as task.created.")
@click.option(
    "--since", "start_date", metavar="DATE", help="From this day (UTC) on, as 2026-01-31."
)
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
            "TIME": lambda entry: entry.timestamp,
            "EVENT": lambda entry: entry.event_type,
            "ACTOR": lambda entry: entry.actor.label or entry.actor.id or entry.actor.kind,
            "FROM": lambda entry: entry.ip_address,
            "DETAILS": _details,
        },
    )


def _details(entry: AuditEntry) -> str:
    """The plain details that fit on a line; `--json` shows all of them."""
    told = (
        f"{name}={value}"
        for name, value in entry.details.items()
        if isinstance(value, str | int | float)
    )
    text = " ".join(told)
    return text if len(text) <= _DETAILS_WIDTH else text[: _DETAILS_WIDTH - 1] + "…"
