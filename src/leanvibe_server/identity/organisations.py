"""New tenants with an owner who is invited."""

from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta

from leanvibe_server.entitlements.plans import plan_named, plan_of, upgrade_options
from leanvibe_server.entitlements.service import require_region as require_region_of_plan
from leanvibe_server.identity import addresses, invitations, users
from leanvibe_server.identity.schemas import CreatedTenant, NewTenant
from leanvibe_server.identity.signup import require_open
from leanvibe_server.identity.visits import begin_visit
from leanvibe_server.kernel.access import Permission, Role
from leanvibe_server.kernel.errors import Forbidden, NotFound, invalid_field
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import Reason, across_tenants
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy.directory import require_region
from leanvibe_server.tenancy.models import Tenant
from leanvibe_server.tenancy.schemas import facts
from leanvibe_server.tenancy.service import create_tenant, enter_tenant, show_tenant
from leanvibe_server.tenancy.tree import service as tree


async def found(caller: Scope | Visit, new: NewTenant) -> CreatedTenant:
    """Create a tenant and invite its owner: by a platform admin, or by anyone while sign-up is
    open.

    Raises: Forbidden: sign-up is closed. InvalidRequest, Conflict: the slug is taken.
    """
    if isinstance(caller, Visit):
        require_open(caller)
        if new.parent_tenant_id is not None:
            raise Forbidden("Sign in to create an organisation below another.")
        region = _region(caller.house, new)
        tenant = await _found(await begin_visit(caller, Reason.SIGN_UP, region=region), new)
    elif Permission.TENANT_ADMIN in caller.permissions:
        if new.parent_tenant_id is not None:
            parent = await _require_parent(show_tenant(caller, new.parent_tenant_id))
            new = _in_region_of(parent, new)
        database, region = caller.house.database, _region(caller.house, new)
        async with across_tenants(database, Reason.TENANT_ADMIN, region=region) as conn:
            tenant = await _found(replace(caller, conn=conn), new)
    else:
        tenant = await _found_below(caller, new)
    # The owner counts once the invitation is accepted.
    return CreatedTenant(**facts(tenant), user_count=0)


async def _found_below(caller: Scope, new: NewTenant) -> Tenant:
    """Create an organisation below the caller's own, or below one that is below it.

    It lives in the region of its parent, and its plan is that of the parent unless it is to have
    a smaller one.
    """
    if new.parent_tenant_id is None:
        raise Forbidden(
            "Only the platform's administrators create an organisation that stands alone. Name "
            "your own, or one below it, in parent_tenant_id.",
            details={
                "field": "parent_tenant_id",
                "required_permission": Permission.TENANT_ADMIN.value,
            },
        )
    parent = await _require_parent(tree.require_within(caller, new.parent_tenant_id))
    new = _in_region_of(parent, new)
    plan = plan_named(new.plan).slug if "plan" in new.model_fields_set else parent.plan
    if plan_of(plan).monthly_price > plan_of(parent.plan).monthly_price:
        raise Forbidden(
            f"An organisation cannot have a larger plan than the one above it, which is on "
            f"{parent.plan}.",
            details={"field": "plan"},
            upgrade_options=upgrade_options(parent.plan),
        )
    settled = new.model_copy(update={"plan": plan})
    async with across_tenants(caller.house.database, Reason.ORGANIZATIONS, parent.id) as conn:
        platform = replace(caller, conn=conn)
        await tree.lock_within(platform, parent.id)
        return await _found(platform, settled)


async def _require_parent(asked: Awaitable[Tenant]) -> Tenant:
    """The organisation above, as it was asked for, if it takes more below it.

    Raises: NotFound, with the field that names it. Conflict: it is not open.
    """
    try:
        parent = await asked
    except NotFound:
        raise NotFound("No such parent organisation.", details=tree.AT_PARENT) from None
    tree.require_open(parent)
    return parent


def _in_region_of(parent: Tenant, new: NewTenant) -> NewTenant:
    """What is to be made, in the region of its parent.

    Raises: InvalidRequest: another region was asked for.
    """
    region = parent.data_residency
    if new.data_residency not in (None, region):
        raise invalid_field("data_residency", f"must be {region}, the region of its parent")
    return new.model_copy(update={"data_residency": region})


def _region(house: House, new: NewTenant) -> str:
    """Where the tenant is to live.

    Raises: InvalidRequest: its plan does not hold the region, or this installation has none.
    """
    region = require_region(house, new.data_residency)
    require_region_of_plan(plan_named(new.plan).slug, region, home=house.database.home)
    return region


async def _found(scope: Scope, new: NewTenant) -> Tenant:
    email = new.admin_email or new.billing_email
    if email is None:
        raise invalid_field("admin_email", "Field required", "admin_email is missing.")
    address = addresses.require_address(email, field="admin_email")
    plan = plan_named(new.plan)
    if scope.actor.kind == "anonymous":
        await invitations.require_patience(scope, address)
    tenant = await create_tenant(
        scope,
        organization_name=new.organization_name,
        slug=new.slug or new.subdomain,
        admin_email=address,
        plan=plan.slug,
        trial=timedelta(days=plan.trial_days),
        data_residency=new.data_residency,
        parent_tenant_id=new.parent_tenant_id,
        configuration=new.configuration,
    )
    inside = await enter_tenant(scope, tenant.id)
    owner = await users.insert_user(
        inside, email=address, username=None, password_hash=None, role=Role.OWNER, verified=False
    )
    await invitations.invite(inside, owner)
    return tenant
