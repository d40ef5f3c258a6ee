"""The directory of tenants in the home region: which slugs are taken, and who lives where.

A tenant's rows and its entry here may be in two databases, so no transaction covers both. The
entry is made first: a slug that is claimed and never settled is given back by the sweep.
"""

import re
import unicodedata
from datetime import timedelta
from functools import partial
from itertools import chain
from uuid import UUID

from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import Conflict, InvalidRequest, at_field, invalid_field
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import Reason, across_tenants, ask_reachable
from leanvibe_server.kernel.regions import REGIONS
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy import repository

RESERVED_SLUGS = frozenset(
    {"platform", "api", "app", "www", "admin", "docs", "health", "login", "scim", "static"}
)
MAX_SLUG_LENGTH = 30
SLUG = re.compile(r"[a-z0-9](-?[a-z0-9]){1,62}")
# How long the rows of a claimed tenant may take to appear; far longer than any request lives.
SETTLE_WITHIN = timedelta(hours=1)
AT_ONCE = 500


def make_slug(organization_name: str) -> str:
    """A name for addresses, such as `acme-corporation` for Acme Corporation."""
    plain = unicodedata.normalize("NFKD", organization_name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower())[:MAX_SLUG_LENGTH].strip("-")
    return slug if len(slug) >= 2 and slug not in RESERVED_SLUGS else f"org-{slug}".strip("-")


def require_region(house: House, wanted: str | None) -> str:
    """The region a tenant is to live in: the one named, else the home region.

    Raises: InvalidRequest: there is no such region, or it has no database here.
    """
    available = house.database.regions
    if wanted is None:
        return house.database.home
    if wanted not in available:
        named = f"must be one of {', '.join(available)}"
        why = f"{named}: {_why_not(wanted, production=house.settings.production)}"
        raise InvalidRequest(
            f"data_residency {why}.",
            details=at_field("data_residency", why) | {"available_regions": list(available)},
        )
    return wanted


def _why_not(region: str, *, production: bool) -> str:
    """Why nobody can live in a region here, and what to do about it."""
    if region not in REGIONS:
        return "there is no other region"
    if production:
        return f"the region {region} has no database here, which only its operator can change"
    return (
        f"the region {region} has no database here yet. In development, DEV_REGIONS=all ./start.sh "
        "makes one for every region"
    )


async def claim(
    scope: Scope, tenant_id: UUID, *, wanted: str | None, organization_name: str, region: str
) -> str:
    """Enter a tenant that is about to be made, under the slug wanted or one made of its name.

    In the home region the entry is part of the scope's transaction. For another region it is
    committed at once, and whoever does not get to make the tenant calls `release`.

    Raises: Conflict: the slug is taken. InvalidRequest: it cannot be one.
    """
    database = scope.house.database
    if wanted is not None:
        _check_slug(wanted)
    if region == database.home:
        slug = await _enter(scope, scope.conn, tenant_id, wanted, organization_name, None)
    else:
        async with across_tenants(database, Reason.DIRECTORY) as conn:
            slug = await _enter(scope, conn, tenant_id, wanted, organization_name, region)
    database.learn(tenant_id, region)
    return slug


def _check_slug(wanted: str) -> None:
    if not SLUG.fullmatch(wanted):
        raise invalid_field("slug", "must be 2 to 63 lower-case letters, digits and single hyphens")
    if wanted in RESERVED_SLUGS:
        raise invalid_field("slug", f"{wanted} is reserved: choose another")


async def release(house: House, tenant_id: UUID) -> None:
    """Take back the entry of a tenant that was not made."""
    async with across_tenants(house.database, Reason.DIRECTORY) as conn:
        await repository.delete_entry(conn, tenant_id)


async def region_of_slug(house: House, slug: str) -> str | None:
    """The region of the tenant of that slug; None when there is none."""
    async with across_tenants(house.database, Reason.DIRECTORY) as conn:
        return await repository.find_region(conn, slug, home=house.database.home)


async def sweep(house: House) -> None:
    """Settle the claims whose tenants are there, and give back those whose tenants never came.

    Claims on a region that does not answer wait for the next time.
    """
    before = house.clock.now() - SETTLE_WITHIN
    async with across_tenants(house.database, Reason.WORKER) as conn:
        claims = await repository.list_unsettled(conn, before=before, limit=AT_ONCE)
    if not claims:
        return
    ask = partial(repository.list_present, tenant_ids=list(claims))
    answers, unreachable = await ask_reachable(house.database, Reason.WORKER, ask)
    present = list(chain(*answers))
    reached = set(house.database.regions) - set(unreachable)
    known = {tenant_id for tenant_id, region in claims.items() if region in reached}
    async with across_tenants(house.database, Reason.WORKER) as conn:
        await repository.settle(conn, present, now=house.clock.now())
        for tenant_id in known - set(present):
            await repository.delete_entry(conn, tenant_id)


async def _enter(
    scope: Scope,
    conn: Connection,
    tenant_id: UUID,
    wanted: str | None,
    organization_name: str,
    region: str | None,
) -> str:
    if wanted is not None:
        if await repository.enter(conn, tenant_id, wanted, region=region, now=scope.now):
            return wanted
        raise Conflict(f"The slug {wanted} is taken.", details={"field": "slug"})
    stem = make_slug(organization_name)
    taken = await repository.list_taken_slugs(conn, stem)
    number, slug = 1, stem
    # Somebody may take a free one in the same moment: then the next.
    while slug in taken or not await repository.enter(
        conn, tenant_id, slug, region=region, now=scope.now
    ):
        slug = f"{stem}-{number}"
        number += 1
    return slug
