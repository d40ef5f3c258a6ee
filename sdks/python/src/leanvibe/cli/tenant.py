"""The tenant and its quotas."""

from __future__ import annotations

import click

from leanvibe.cli._app import App, takes_json

# A limit from here on stands for "unlimited".
_UNLIMITED = 999_999
_METERS = (
    ("users", "users_count", "max_users"),
    ("projects", "projects_count", "max_projects"),
    ("API calls this month", "api_calls_this_month", "max_api_calls_per_month"),
    ("AI requests today", "ai_requests_today", "max_ai_requests_per_day"),
    ("storage, MB", "storage_used_mb", "max_storage_mb"),
    ("sessions", "concurrent_sessions", "max_concurrent_sessions"),
)


@click.group()
def tenant() -> None:
    """Your tenant."""


@tenant.command()
@takes_json
@click.pass_obj
def usage(app: App) -> None:
    """Show what is used of what the plan allows."""
    used = app.client().tenants.usage()
    if app.json:
        app.print_json(used.to_dict())
        return
    rows = []
    for label, use, limit in _METERS:
        amount, most = used.get(use), used.quotas.get(limit)
        rows.append([label, _number(amount), _limit(limit, most), _share(amount, limit, most)])
    app.show_table(["METER", "USED", "LIMIT", "SHARE"], rows)


def _unlimited(name: str, most: object) -> bool:
    return name != "max_storage_mb" and isinstance(most, int) and most >= _UNLIMITED


def _number(amount: object) -> str:
    return f"{amount:,}" if isinstance(amount, int | float) else "-"


def _limit(name: str, most: object) -> str:
    return "unlimited" if _unlimited(name, most) else _number(most)


def _share(amount: object, name: str, most: object) -> str:
    if not isinstance(amount, int | float) or not isinstance(most, int | float):
        return "-"
    return "-" if _unlimited(name, most) or not most else f"{amount / most:.0%}"
