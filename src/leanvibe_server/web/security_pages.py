"""The security policy of the organisation."""

from typing import Annotated, Any

from fastapi import Response

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.identity.security import service
from leanvibe_server.identity.security.schemas import SecurityChange, SecurityView
from leanvibe_server.kernel.access import Permission
from leanvibe_server.web.forms import Form, fill
from leanvibe_server.web.page import ScopedPage, page
from leanvibe_server.web.routes import PageRouter

router = PageRouter()

READ = page(Permission.SECURITY_READ)
MANAGE = page(Permission.SECURITY_MANAGE, fresh=True)

NUMBERS = (
    "password_min_length",
    "password_history",
    "session_idle_minutes",
    "session_absolute_hours",
    "max_sessions",
)
SWITCHES = ("mfa_required", "sso_required")
METHODS = (
    ("totp", "Authenticator app"),
    ("webauthn", "Passkey or security key"),
    ("email", "Code by e-mail"),
    ("sms", "Code by text message"),
)


@router.get("/settings/security")
async def show_security(opened: Annotated[ScopedPage, READ]) -> Response:
    """The policy in force."""
    view = await service.describe_policy(opened.scope)
    return opened.show("settings/security.html", **_frame(opened, view), values=_shown(view))


@router.post("/settings/security")
async def set_security(opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Set it."""
    view = await service.describe_policy(opened.scope)
    typed = _typed(opened.form)
    frame = {**_frame(opened, view), "shut_out": True}
    with opened.refusing("settings/security.html", **frame, values=typed):
        await service.change_policy(opened.scope, fill(SecurityChange, _change(typed)))
    return opened.go("/settings/security", toast="security-saved")


def _frame(opened: ScopedPage, view: SecurityView) -> dict[str, Any]:
    return {
        "methods": METHODS,
        "your_address": view.your_address,
        "most_sessions": plan_of(opened.scope.plan).limits.max_concurrent_sessions,
        "shut_out": False,
    }


def _shown(view: SecurityView) -> dict[str, Any]:
    """The policy as the form's fields show it."""
    texts = {name: _text(getattr(view, name)) for name in NUMBERS}
    return {
        **texts,
        "allowed_networks": "\n".join(view.allowed_networks),
        "mfa_methods": view.mfa_methods,
        "mfa_required": view.mfa_required,
        "sso_required": view.sso_required,
        "force": False,
    }


def _typed(form: Form) -> dict[str, Any]:
    return {
        **{name: form.text(name) for name in NUMBERS},
        "allowed_networks": form.text("allowed_networks"),
        "mfa_methods": form.all("mfa_methods"),
        **{name: form.checked(name) for name in (*SWITCHES, "force")},
    }


def _change(typed: dict[str, Any]) -> dict[str, Any]:
    """What was typed as the service takes it: an empty number is the product's own."""
    networks = [line.strip() for line in typed["allowed_networks"].replace(",", "\n").split("\n")]
    return {
        **typed,
        **{name: typed[name] or None for name in NUMBERS},
        "allowed_networks": [line for line in networks if line],
    }


def _text(value: int | None) -> str:
    return "" if value is None else str(value)
