"""Pages of the organisation: plan and usage, roles, and moving to another organisation."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Response

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.identity import switching
from leanvibe_server.identity.administration import service as administration
from leanvibe_server.identity.sessions import WEB
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.ids import parse_id
from leanvibe_server.metering import service as metering
from leanvibe_server.tenancy.schemas import TenantUpdate
from leanvibe_server.web.forms import fill
from leanvibe_server.web.page import ScopedPage, page
from leanvibe_server.web.routes import PageRouter
from leanvibe_server.web.usage_view import meters

router = PageRouter()

SELF = page(Permission.SELF)
READ = page(Permission.TENANT_READ)
UPDATE = page(Permission.TENANT_UPDATE)
DELETE = page(Permission.TENANT_DELETE, fresh=True)
RESTORE = page(Permission.TENANT_DELETE)


@dataclass(frozen=True)
class Membership:
    """One organisation a person may work in."""

    tenant_id: UUID
    name: str
    role: str
    current: bool


@router.get("/settings/tenant")
async def show_tenant(opened: Annotated[ScopedPage, READ]) -> Response:
    """The plan, its limits and what is used of them."""
    return opened.show("settings/tenant.html", **await _tenant(opened), values=_look(opened))


def _look(opened: ScopedPage) -> dict[str, str]:
    """How the organisation is shown, as the form has it."""
    tenant = opened.shell["tenant"]
    branding = tenant.configuration.get("branding") or {}
    return {
        "display_name": tenant.display_name,
        "primary_color": branding.get("primary_color") or "",
        "logo_url": branding.get("logo_url") or "",
    }


async def _tenant(opened: ScopedPage) -> dict[str, Any]:
    return {
        "plan": plan_of(opened.scope.plan),
        "usage": await meters(opened.scope),
        "now": opened.scope.now,
        "grace_days": opened.scope.house.settings.tenant_grace_days,
    }


@router.post("/settings/tenant")
async def update_tenant(opened: Annotated[ScopedPage, UPDATE]) -> Response:
    """Change how the organisation is shown."""
    names = ("display_name", "primary_color", "logo_url")
    typed = {name: opened.form.text(name) for name in names}
    with opened.refusing("settings/tenant.html", **await _tenant(opened), values=typed):
        await metering.change_tenant(opened.scope, fill(TenantUpdate, _update(opened, typed)))
    return opened.go("/settings/tenant", toast="tenant-saved")


def _update(opened: ScopedPage, typed: dict[str, str]) -> dict[str, Any]:
    """The change a form asks for; what else the branding holds stays."""
    before = opened.shell["tenant"].configuration.get("branding")
    kept = dict(before or {})
    for name in ("primary_color", "logo_url"):
        kept.pop(name, None)
        if typed[name]:
            kept[name] = typed[name]
    branding = {"branding": kept} if kept or before else {}
    return {"display_name": typed["display_name"], "configuration": branding}


@router.post("/settings/tenant/delete")
async def delete_tenant(opened: Annotated[ScopedPage, DELETE]) -> Response:
    """Have the organisation deleted once its grace period is over."""
    with opened.refusing("settings/tenant.html", **await _tenant(opened), values=_look(opened)):
        await administration.delete_own(
            opened.scope, confirm=opened.form.text("confirm"), reason=opened.form.optional("why")
        )
    return opened.go("/settings/tenant", toast="tenant-deleting")


@router.post("/settings/tenant/restore")
async def restore_tenant(opened: Annotated[ScopedPage, RESTORE]) -> Response:
    """Take the deletion back."""
    await administration.restore(opened.scope, opened.scope.tenant_id)
    return opened.go("/settings/tenant", toast="tenant-restored")


@router.get("/tenants")
async def list_tenants(opened: Annotated[ScopedPage, SELF]) -> Response:
    """The organisations this person may move between."""
    looked = await switching.list_own_tenants(opened.scope)
    memberships = [
        Membership(
            tenant_id=candidate.user.tenant_id,
            name=candidate.tenant_name,
            role=candidate.user.role,
            current=candidate.user.tenant_id == opened.scope.tenant_id,
        )
        for candidate in looked.found
    ]
    return opened.show(
        "settings/tenants.html", memberships=memberships, unreachable=list(looked.silent)
    )


@router.post("/tenants")
async def switch_tenant(opened: Annotated[ScopedPage, SELF]) -> Response:
    """Move to another organisation, in a session of its own."""
    wanted = parse_id(opened.form.text("tenant_id"), "organisation")
    if wanted == opened.scope.tenant_id:
        raise NotFound("You are in this organisation already.")
    moved = await switching.move_session(opened.scope, wanted, kind=WEB)
    response = opened.go("/", toast="tenant-switched")
    opened.begin_session(response, moved.opened.secret)
    return response
