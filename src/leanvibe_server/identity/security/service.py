"""Reading and setting the security policy of the own tenant."""

from typing import Any

import msgspec

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.entitlements.service import require_feature
from leanvibe_server.identity.policy import (
    DEFAULT,
    SecurityPolicy,
    differing,
    policy_from,
    policy_of,
)
from leanvibe_server.identity.repository import security as rows
from leanvibe_server.identity.security.events import SecurityPolicyChanged
from leanvibe_server.identity.security.schemas import SecurityChange, SecurityView
from leanvibe_server.kernel.errors import Conflict, NotFound, invalid_field
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.tenancy import service as tenancy


async def describe_policy(scope: Scope) -> SecurityView:
    """The policy in force."""
    return SecurityView.of(await policy_of(scope), address=scope.actor.address)


async def change_policy(scope: Scope, change: SecurityChange) -> SecurityView:
    """Set the policy. What is tighter than before holds for sessions and keys that exist, from
    their next request on.

    Raises: InvalidRequest: a limit is looser than the product's. Conflict: it would shut the
        caller out, or nobody could sign in. Forbidden: the plan has no single sign-on.
    """
    before = policy_from(await rows.lock_security(scope.conn, scope.tenant_id))
    after = merged(before, change)
    if change.password_min_length is not None:
        _check_length(after)
    _check_sessions(scope, after)
    if not change.force:
        _check_own_address(scope, before, after)
    if after.sso_required and not before.sso_required:
        await _check_provider(scope)
    if after != before:
        await tenancy.set_security(scope, differing(after))
        await scope.emit(SecurityPolicyChanged(changed=_changes(before, after)))
    return SecurityView.of(after, address=scope.actor.address)


async def lift_networks(house: House, slug: str) -> bool:
    """Let the people of a tenant come from any address again: for an operator, where its admins
    have shut themselves out. False: no networks were named.

    Raises: NotFound.
    """
    async with across_tenants(house.database, Reason.TENANT_ADMIN) as conn:
        platform = Scope(conn, PLATFORM_TENANT, SYSTEM, house.clock, house)
        tenant = await tenancy.find_tenant_by_slug(platform, slug)
    if tenant is None:
        raise NotFound(f"There is no tenant {slug!r}.")
    async with house.database.tenant(tenant.id) as conn:
        scope = Scope(conn, tenant.id, SYSTEM, house.clock, house)
        before = policy_from(await rows.lock_security(conn, tenant.id))
        after = msgspec.structs.replace(before, allowed_networks=())
        if after == before:
            return False
        await tenancy.set_security(scope, differing(after))
        await scope.emit(SecurityPolicyChanged(changed=_changes(before, after)))
    return True


def merged(policy: SecurityPolicy, change: SecurityChange) -> SecurityPolicy:
    """The policy with what the change names; null is the product's own rule."""
    named = change.model_fields_set - {"force"}
    values: dict[str, Any] = {
        name: getattr(DEFAULT, name) if (value := getattr(change, name)) is None else value
        for name in named
    }
    if "allowed_networks" in values:
        values["allowed_networks"] = tuple(dict.fromkeys(values["allowed_networks"]))
    if "mfa_methods" in values:
        # In one order, so that naming them in another is no change.
        wanted = values["mfa_methods"]
        values["mfa_methods"] = tuple(one for one in DEFAULT.mfa_methods if one in wanted)
    return msgspec.structs.replace(policy, **values)


def _check_length(policy: SecurityPolicy) -> None:
    if policy.password_min_length < policy.shortest_password:
        raise invalid_field(
            "password_min_length",
            f"must be at least {policy.shortest_password}, unless everybody needs a second factor",
        )


def _check_sessions(scope: Scope, policy: SecurityPolicy) -> None:
    most = plan_of(scope.plan).limits.max_concurrent_sessions
    if policy.max_sessions is not None and policy.max_sessions > most:
        raise invalid_field("max_sessions", f"must be at most {most}, the limit of your plan")
    if policy.idle is not None and policy.absolute is not None and policy.idle > policy.absolute:
        raise invalid_field(
            "session_idle_minutes", "must not be longer than the whole session may last"
        )


def _check_own_address(scope: Scope, before: SecurityPolicy, after: SecurityPolicy) -> None:
    address = scope.actor.address
    if after.allowed_networks == before.allowed_networks or after.allows(address):
        return
    raise Conflict(
        f"Your own address {address} is not in these networks: you would be shut out. Add it, or "
        "apply it by force if you are sure.",
        details={"field": "allowed_networks", "reason": "own_address", "address": address},
    )


async def _check_provider(scope: Scope) -> None:
    require_feature(scope.plan, "oidc")
    if not await rows.has_enabled_provider(scope.conn, scope.tenant_id):
        raise Conflict(
            "Nobody could sign in: add and enable an identity provider first.",
            details={"field": "sso_required", "reason": "no_provider"},
        )


def _changes(before: SecurityPolicy, after: SecurityPolicy) -> dict[str, tuple[str, str]]:
    return {
        name: (_text(getattr(before, name)), _text(getattr(after, name)))
        for name in before.__struct_fields__
        if getattr(before, name) != getattr(after, name)
    }


def _text(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
