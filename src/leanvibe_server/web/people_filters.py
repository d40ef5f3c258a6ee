"""The search over the people of an organisation: its fields, and what they ask of the service."""

from datetime import datetime, timedelta
from typing import Any

from leanvibe_server.identity.people.schemas import UserQuery
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import InvalidRequest
from leanvibe_server.web.forms import fill
from leanvibe_server.web.page import ScopedPage

CHOICES: dict[str, tuple[tuple[str, str], ...]] = {
    "status": (
        ("", "Any status"), ("active", "Active"), ("invited", "Invited"), ("disabled", "Disabled"),
    ),
    "mfa": (("", "With or without"), ("enrolled", "Set up"), ("none", "None")),
    "guest": (("", "Any"), ("true", "Ends by itself"), ("false", "Without end")),
    "seen": (
        ("", "Any time"), ("within-7", "In the last 7 days"), ("within-30", "In the last 30 days"),
        ("before-30", "Not for 30 days"), ("before-90", "Not for 90 days"),
    ),
    "sort": (
        ("", "Oldest first"), ("-created_at", "Newest first"), ("email", "E-mail"),
        ("username", "Name"), ("-last_login_at", "Last signed in first"),
        ("last_login_at", "Longest away first"),
    ),
}  # fmt: skip
NAMES = ("q", "role", *CHOICES)


def read_filters(opened: ScopedPage) -> tuple[dict[str, str], UserQuery]:
    """What the address asks for, and the question to the service; anything else asks for all."""
    asked = opened.request.query_params
    named = {name: asked.get(name, "").strip() for name in NAMES}
    for name, choices in CHOICES.items():
        if named[name] not in dict(choices):
            named[name] = ""
    if not opened.may(Permission.USER_UPDATE):
        named["mfa"] = ""
    try:
        return named, fill(UserQuery, _question(named, opened.scope.now))
    except InvalidRequest:
        return dict.fromkeys(named, ""), UserQuery.model_validate({})


def _question(named: dict[str, str], now: datetime) -> dict[str, Any]:
    question: dict[str, Any] = {name: value for name, value in named.items() if value}
    side, _, days = question.pop("seen", "").partition("-")
    if side:
        at = now - timedelta(days=int(days))
        question["last_login_after" if side == "within" else "last_login_before"] = at
    return question
