"""Pages of the platform's administrators: every organisation, and one of them."""

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Response

from leanvibe_server.entitlements.plans import PLANS
from leanvibe_server.identity import organisations
from leanvibe_server.identity.administration import service
from leanvibe_server.identity.administration.schemas import TenantChange
from leanvibe_server.identity.schemas import NewTenant
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import InvalidRequest, NotFound
from leanvibe_server.kernel.http import PathId
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.tenancy import service as tenancy
from leanvibe_server.tenancy.schemas import Suspension, TenantQuery, TenantView
from leanvibe_server.tenancy.tree import service as tree
from leanvibe_server.web.forms import Faults, day_of, end_of_day, fill, misfilled
from leanvibe_server.web.page import ScopedPage, page
from leanvibe_server.web.paging import PAGE_SIZE
from leanvibe_server.web.routes import PageRouter

router = PageRouter()

ADMIN = page(Permission.TENANT_ADMIN)
FRESH = page(Permission.TENANT_ADMIN, fresh=True)
LIST = "/platform/tenants"
NEW = (
    "organization_name", "slug", "admin_email", "plan", "data_residency", "parent_tenant_id",
)  # fmt: skip
FILTERS = ("q", "status", "plan", "region")
STATUSES = (("", "Any status"), ("active", "Active"), ("suspended", "Suspended"),
            ("deleting", "Being deleted"))  # fmt: skip


@router.get(LIST)
async def list_tenants(opened: Annotated[ScopedPage, ADMIN]) -> Response:
    """Every organisation that fits the filters, newest first."""
    asked = opened.request.query_params
    kept = {name: asked.get(name, "").strip() for name in FILTERS}
    faults, listed, offset = Faults(), None, _offset(asked.get("offset", ""))
    try:
        wanted = {name: value for name, value in kept.items() if value}
        query = fill(TenantQuery, {**wanted, "offset": offset})
        listed = await service.list_tenants(opened.scope, query, PageRequest(limit=PAGE_SIZE))
    except InvalidRequest as error:
        faults = Faults.of(error)
    return opened.show(
        "platform/tenants.html",
        http_status=400 if faults else 200,
        tenants=[] if listed is None else listed.data,
        total=0 if listed is None else listed.total,
        first=offset + 1,
        unreachable=[] if listed is None else listed.unreachable_regions,
        older=_link(kept, offset + PAGE_SIZE) if listed is not None and listed.has_more else "",
        newer=_link(kept, offset - PAGE_SIZE) if offset else "",
        kept=kept,
        status_choices=STATUSES,
        **_choices(opened),
        faults=faults,
    )


def _offset(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def _link(kept: dict[str, str], offset: int) -> str:
    asked = {name: value for name, value in kept.items() if value}
    if offset > 0:
        asked["offset"] = str(offset)
    return f"{LIST}?{urlencode(asked)}" if asked else LIST


def _choices(opened: ScopedPage) -> dict[str, Any]:
    return {
        "plans": [(plan.slug, plan.name) for plan in PLANS.values()],
        "regions": [(name, name.upper()) for name in opened.scope.house.database.regions],
    }


@router.get(f"{LIST}/new")
async def new_tenant(opened: Annotated[ScopedPage, ADMIN]) -> Response:
    """The form for a new organisation."""
    above = opened.request.query_params.get("below", "").strip()[:63]
    values = dict.fromkeys(NEW, "") | {"plan": "team", "parent_tenant_id": above}
    return opened.show("platform/new_tenant.html", values=values, **_choices(opened))


@router.post(f"{LIST}/new")
async def create_tenant(opened: Annotated[ScopedPage, ADMIN]) -> Response:
    """Make an organisation and invite its owner."""
    typed = {name: opened.form.text(name) for name in NEW}
    with opened.refusing("platform/new_tenant.html", values=typed, **_choices(opened)):
        above = {"parent_tenant_id": await _named(opened, typed["parent_tenant_id"])}
        new = fill(NewTenant, {name: value or None for name, value in typed.items()} | above)
        made = await organisations.found(opened.scope, new)
    return opened.go(f"{LIST}/{made.id}", toast="tenant-created")


@router.get(LIST + "/{tenant_id}")
async def show_tenant(tenant_id: PathId, opened: Annotated[ScopedPage, ADMIN]) -> Response:
    """One organisation: what it is, and what can be done to it."""
    return opened.show("platform/tenant.html", **await _tenant(opened, tenant_id))


async def _named(opened: ScopedPage, name: str) -> UUID | None:
    """The organisation that was typed, by slug or id; None for none.

    Raises: InvalidRequest: there is none.
    """
    if not name:
        return None
    try:
        return (await tenancy.require_named(opened.scope, name)).id
    except NotFound:
        why = "names no organisation: type its slug or its id"
        raise misfilled("parent_tenant_id", why) from None


async def _tenant(opened: ScopedPage, tenant_id: UUID) -> dict[str, Any]:
    shown = await tenancy.show_tenant(opened.scope, tenant_id)
    above = shown.parent_tenant_id
    parent = None if above is None else await tenancy.show_tenant(opened.scope, above)
    return {
        "organisation": TenantView.of(shown),
        "above": parent,
        "admin_email": shown.admin_email,
        "suspended_reason": shown.suspended_reason,
        "grace_days": opened.scope.house.settings.tenant_grace_days,
        "values": {
            "plan": shown.plan,
            "trial_ends_at": day_of(shown.trial_ends_at),
            "parent_tenant_id": "" if parent is None else parent.slug,
            "reason": "",
            "confirm": "",
        },
        **_choices(opened),
    }


@router.post(LIST + "/{tenant_id}/plan")
async def change_plan(tenant_id: PathId, opened: Annotated[ScopedPage, ADMIN]) -> Response:
    """Put it on another plan, or move the end of its trial."""
    shown = await _tenant(opened, tenant_id)
    typed = {name: opened.form.text(name) for name in ("plan", "trial_ends_at")}
    with opened.refusing("platform/tenant.html", **shown | {"values": shown["values"] | typed}):
        change: dict[str, Any] = {"plan": typed["plan"]}
        # A form without the field leaves the end as it is, as does one that shows the same day.
        before = shown["values"]["trial_ends_at"]
        if opened.form.values.get("trial_ends_at", before) != before:
            until = end_of_day(typed["trial_ends_at"], field="trial_ends_at")
            change |= {"trial_ends_at": until, "end_trial": until is None}
        wanted = fill(TenantChange, change)
        await service.change_tenant(opened.scope, tenant_id, wanted)
    return opened.go(f"{LIST}/{tenant_id}", toast="tenant-saved")


@router.post(LIST + "/{tenant_id}/move")
async def move_tenant(tenant_id: PathId, opened: Annotated[ScopedPage, FRESH]) -> Response:
    """Put it, with all below it, under another organisation, or let it stand alone."""
    shown = await _tenant(opened, tenant_id)
    typed = {"parent_tenant_id": opened.form.text("parent_tenant_id")}
    with opened.refusing("platform/tenant.html", **shown | {"values": shown["values"] | typed}):
        above = await _named(opened, typed["parent_tenant_id"])
        await tree.move(opened.scope, tenant_id, above)
    return opened.go(f"{LIST}/{tenant_id}", toast="organisation-moved")


@router.post(LIST + "/{tenant_id}/suspend")
async def suspend_tenant(tenant_id: PathId, opened: Annotated[ScopedPage, ADMIN]) -> Response:
    """Stop its writes."""
    shown = await _tenant(opened, tenant_id)
    with opened.refusing("platform/tenant.html", **shown):
        why = fill(Suspension, {"reason": opened.form.text("reason")})
        await tenancy.suspend(opened.scope, tenant_id, reason=why.reason)
    return opened.go(f"{LIST}/{tenant_id}", toast="tenant-suspended")


@router.post(LIST + "/{tenant_id}/reactivate")
async def reactivate_tenant(tenant_id: PathId, opened: Annotated[ScopedPage, ADMIN]) -> Response:
    """End its suspension."""
    with opened.refusing("platform/tenant.html", **await _tenant(opened, tenant_id)):
        await tenancy.reactivate(opened.scope, tenant_id)
    return opened.go(f"{LIST}/{tenant_id}", toast="tenant-reactivated")


@router.post(LIST + "/{tenant_id}/delete")
async def delete_tenant(tenant_id: PathId, opened: Annotated[ScopedPage, FRESH]) -> Response:
    """Have it deleted once its grace period is over."""
    shown = await _tenant(opened, tenant_id)
    with opened.refusing("platform/tenant.html", **shown):
        await service.delete_any(
            opened.scope,
            tenant_id,
            confirm=opened.form.text("confirm"),
            reason=opened.form.optional("reason"),
        )
    return opened.go(f"{LIST}/{tenant_id}", toast="tenant-deleting")


@router.post(LIST + "/{tenant_id}/restore")
async def restore_tenant(tenant_id: PathId, opened: Annotated[ScopedPage, ADMIN]) -> Response:
    """Take its deletion back."""
    with opened.refusing("platform/tenant.html", **await _tenant(opened, tenant_id)):
        await service.restore(opened.scope, tenant_id)
    return opened.go(f"{LIST}/{tenant_id}", toast="tenant-restored")
