"""What a whole tree of organisations uses: each below one's own, and all together.

Read as the platform, in the region of the tree, of nothing but the organisations that are below
the caller's own at that moment; and with as many statements for a thousand of them as for one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.pagination import PageRequest, page_of
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.metering import repository, service
from leanvibe_server.metering.periods import period_of
from leanvibe_server.metering.schemas import OrganizationUsage, SubtreeUsage, UsageSum
from leanvibe_server.tenancy.models import Tenant
from leanvibe_server.tenancy.service import require_tenant
from leanvibe_server.tenancy.tree import service as tree
from leanvibe_server.tenancy.tree.models import Node

# How each number is called in answers, by the quota that counts it.
NUMBERS = {
    "users": "users_count",
    "projects": "projects_count",
    "api_calls": "api_calls_this_month",
    "storage": "storage_used_mb",
    "ai_requests": "ai_requests_today",
    "concurrent_sessions": "concurrent_sessions",
}
Counts = Mapping[str, Mapping[UUID, int]]


@dataclass(frozen=True)
class _Used:
    """What each of several organisations uses, by the name of the number."""

    counts: Counts

    def of(self, tenant_id: UUID) -> dict[str, int]:
        return {name: counts.get(tenant_id, 0) for name, counts in self.counts.items()}

    def total(self) -> UsageSum:
        return UsageSum(**{name: sum(counts.values()) for name, counts in self.counts.items()})


async def describe_subtree(scope: Scope, page: PageRequest) -> SubtreeUsage:
    """The scope's own organisation, one page of those below it, and the sum of all of them."""
    own = await require_tenant(scope)
    rows = await tree.list_below(scope, page)
    async with tree.across_subtree(scope) as (conn, below):
        used = await _count(scope, conn, [scope.tenant_id, *below])
    listed = page_of(rows, page, lambda node: _of_node(node, used), lambda node: node.id)
    return SubtreeUsage(
        **vars(listed),
        own=_of_tenant(own, used),
        total=used.total(),
        organizations_count=len(below),
        last_updated=scope.now,
    )


async def describe_one(scope: Scope, node: Node) -> OrganizationUsage:
    """What one organisation uses that is below the scope's own."""
    async with tree.across_subtree(scope) as (conn, below):
        used = await _count(scope, conn, [node.id] if node.id in below else [])
    return _of_node(node, used)


async def describe_alone(scope: Scope, tenant: Tenant) -> OrganizationUsage:
    """What one tenant uses, of which the caller knows already that this scope may see it."""
    async with tree.across_subtree(replace(scope, tenant_id=tenant.id)) as (conn, _):
        used = await _count(scope, conn, [tenant.id])
    return _of_tenant(tenant, used)


async def _count(scope: Scope, conn: Connection, tenant_ids: Sequence[UUID]) -> _Used:
    counts: dict[str, Mapping[UUID, int]] = {}
    for quota, name in NUMBERS.items():
        if quota in service.COUNTED:
            period = period_of(quota, scope.now)
            counts[name] = await repository.used_by_each(
                conn, tenant_ids, metric=quota, period=period
            )
        elif (tally := scope.house.tallies.get(quota)) is not None:
            counts[name] = await tally(conn, tenant_ids, scope.now)
        else:
            counts[name] = {}
    return _Used(counts)


def _of_node(node: Node, used: _Used) -> OrganizationUsage:
    return OrganizationUsage(
        tenant_id=node.id,
        slug=node.slug,
        display_name=node.display_name,
        parent_tenant_id=node.parent_tenant_id,
        depth=node.depth,
        status=node.status,
        plan=node.plan,
        quotas=plan_of(node.plan).limits.quotas(),
        **used.of(node.id),
    )


def _of_tenant(own: Tenant, used: _Used) -> OrganizationUsage:
    return OrganizationUsage(
        tenant_id=own.id,
        slug=own.slug,
        display_name=own.display_name,
        parent_tenant_id=own.parent_tenant_id,
        depth=0,
        status=own.status,
        plan=own.plan,
        quotas=plan_of(own.plan).limits.quotas(),
        **used.of(own.id),
    )
