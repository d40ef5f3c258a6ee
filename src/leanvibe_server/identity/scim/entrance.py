"""The way in for provisioning clients: a token of the tenant that the address names.

Another tenant's address answers like one that does not exist: the tenant is known by the token,
and the name in the address is only compared with it.
"""

from dataclasses import dataclass, replace
from typing import Any

from fastapi import Depends, Request

from leanvibe_server.entitlements.service import require_feature
from leanvibe_server.identity.refusals import invalid_token
from leanvibe_server.identity.roles.service import require_administrator
from leanvibe_server.identity.scim.tokens import FEATURE, base_url
from leanvibe_server.kernel.access import Admission, Gate, Permission, check_permission, scope_of
from leanvibe_server.kernel.errors import Forbidden, NotFound
from leanvibe_server.kernel.request import visit_of
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy.service import require_tenant

MACHINES = ("scim", "api_key", "oauth_client")


@dataclass(frozen=True)
class Provisioner:
    """A provisioning client at work: its scope, the address of its tenant, and the versions of a
    resource its request depends on."""

    scope: Scope
    base: str
    if_match: str | None
    if_none_match: str | None


def provisioner() -> Any:
    """The way into an endpoint of SCIM."""

    async def enter(request: Request) -> Provisioner:
        visit = visit_of(request.scope)
        gate: Gate = request.app.state.gate
        shown = replace(
            visit.credentials(cookie=False),
            named_tenant=None,
            named_slug=None,
            provisioning=True,
        )
        admission = await gate.admit(visit.house, shown)
        visit.transaction = admission.transaction
        scope = scope_of(visit.house, admission, visit.request_id)
        if admission.actor.kind not in MACHINES:
            raise invalid_token()
        slug = request.path_params["tenant_slug"]
        if (await require_tenant(scope)).slug != slug:
            raise NotFound("There is no such tenant.")
        _check(admission, writes=request.method != "GET")
        if admission.actor.kind != "scim":
            await require_administrator(scope, "provisions by a key of their own")
        require_feature(scope.plan, FEATURE)
        return Provisioner(
            scope,
            base_url(visit.house, slug),
            visit.headers.get("if-match"),
            visit.headers.get("if-none-match"),
        )

    enter.way_in = Permission.SCIM_MANAGE.value  # type: ignore[attr-defined]  # read by the route catalogue test
    return Depends(enter)


def _check(admission: Admission, *, writes: bool) -> None:
    """Raises: Forbidden: another key. TenantSuspended: a write of a suspended tenant."""
    if Permission.SCIM_MANAGE not in admission.permissions:
        raise Forbidden(f"This needs a key with the scope {Permission.SCIM_MANAGE.value}.")
    if writes:
        check_permission(admission, Permission.SCIM_MANAGE)
