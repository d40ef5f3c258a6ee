"""Scopes for callers who come without credentials and are found out on the way."""

from uuid import UUID

from leanvibe_server.identity.models import User
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import TenantSuspended
from leanvibe_server.kernel.idempotency import begin_idempotent
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, begin_platform
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Actor, Scope
from leanvibe_server.tenancy.service import require_tenant


def actor_of(visit: Visit, user: User) -> Actor:
    """The user as the one who acts in this visit."""
    return Actor(
        kind="user",
        id=user.id,
        label=user.email,
        role=user.role,
        address=visit.address,
        user_agent=visit.user_agent,
        device=visit.device,
    )


def scope_in(
    visit: Visit,
    conn: Connection,
    tenant_id: UUID,
    *,
    actor: Actor | None = None,
    plan: str = "developer",
) -> Scope:
    """A Scope in a transaction the caller opened; nobody acts unless `actor` says who."""
    house = visit.house
    return Scope(
        conn,
        tenant_id,
        actor or visit.anonymous(),
        house.clock,
        house,
        request_id=visit.request_id,
        plan=plan,
    )


async def begin_visit(
    visit: Visit,
    reason: Reason,
    tenant_id: UUID = PLATFORM_TENANT,
    *,
    region: str | None = None,
) -> Scope:
    """Open the visit's transaction on the platform login; the route ends it with the answer.

    It is in the tenant's region, unless another is named.
    """
    transaction = await begin_platform(visit.house.database, reason, tenant_id, region=region)
    visit.transaction = transaction
    scope = scope_in(visit, transaction.conn, tenant_id)
    await begin_idempotent(visit, scope, visit.body)
    return scope


async def require_writable(scope: Scope) -> None:
    """A suspended organisation, or one that is being deleted, gets nobody new.

    Raises: TenantSuspended.
    """
    if (await require_tenant(scope)).status != "active":
        raise TenantSuspended(
            "The organisation is suspended: those it has may read, but nobody new comes in."
        )
