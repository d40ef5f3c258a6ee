"""Tokens of provisioning clients: made, listed, revoked. They open /scim and nothing else."""

from datetime import datetime, timedelta
from uuid import UUID

from leanvibe_server.entitlements.service import require_feature
from leanvibe_server.identity import lineage, opaque
from leanvibe_server.identity.repository.lineage import Maker
from leanvibe_server.identity.roles.service import require_administrator
from leanvibe_server.identity.scim import repository as rows
from leanvibe_server.identity.scim.events import ScimTokenCreated, ScimTokenRevoked
from leanvibe_server.identity.scim.models import ScimToken
from leanvibe_server.identity.scim.schemas import (
    CreatedScimToken,
    NewScimToken,
    ScimStatus,
)
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.errors import Conflict, NotFound
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy.service import require_tenant

FEATURE = "scim"
MAX_TOKENS = 10


def base_url(house: House, slug: str) -> str:
    """Where provisioning clients find a tenant."""
    return f"{house.settings.base_url}/scim/v2/{slug}"


async def create(scope: Scope, new: NewScimToken) -> CreatedScimToken:
    """Make a token. Its secret is in this answer and nowhere else.

    Raises: Forbidden: the plan holds no provisioning, or the caller is less than an administrator,
        whom the token could make one. Conflict: there are enough of them.
    """
    require_feature(scope.plan, FEATURE)
    await require_administrator(scope, "gives out provisioning tokens")
    maker = await lineage.maker_of(scope)
    lineage.require_unbound(maker, "a SCIM token")
    if await rows.count_tokens(scope.conn, scope.tenant_id, now=scope.now) >= MAX_TOKENS:
        raise Conflict(f"There are {MAX_TOKENS} tokens already. Revoke one first.")
    secret = opaque.new_scim_token(scope.tenant_id)
    token = ScimToken(
        tenant_id=scope.tenant_id,
        id=scope.new_id(),
        name=new.name,
        prefix=opaque.shown_prefix(secret),
        created_by=lineage.author_of(scope),
        created_at=scope.now,
        expires_at=_end_of(scope.now, new, maker),
        revoked_at=None,
        last_used_at=None,
        last_used_address=None,
        made_with=None if maker is None else maker.id,
    )
    await rows.insert_token(scope.conn, token, hash_token(secret))
    await scope.emit(
        ScimTokenCreated(token_id=token.id, token_name=token.name, expires_at=token.expires_at)
    )
    tenant = await require_tenant(scope)
    return CreatedScimToken.from_row(
        token,
        token=secret,
        base_url=base_url(scope.house, tenant.slug),
    )


def _end_of(now: datetime, new: NewScimToken, maker: Maker | None) -> datetime:
    """When the token ends: with what makes it, if that is earlier."""
    end = now + timedelta(days=new.expires_in_days)
    return end if maker is None or maker.expires_at is None else min(end, maker.expires_at)


async def list_tokens(
    scope: Scope, page: PageRequest, *, orphaned: bool | None = None
) -> list[ScimToken]:
    """The tokens of the tenant, one more than the page shows; `orphaned`: those only, or not,
    that go on though their maker is here no more."""
    return await rows.list_tokens(
        scope.conn, scope.tenant_id, after=page.after, limit=page.limit + 1, orphaned=orphaned
    )


async def revoke(scope: Scope, token_id: UUID) -> None:
    """End a token at once. Raises: NotFound."""
    token = await rows.revoke_token(scope.conn, scope.tenant_id, token_id, now=scope.now)
    if token is None:
        raise NotFound("No such SCIM token.")
    await scope.emit(ScimTokenRevoked(token_id=token.id, reason="revoked"))


async def describe(scope: Scope) -> ScimStatus:
    """Where clients find the tenant, and when they were last here."""
    used_at, changed_at, people = await rows.last_sync(scope.conn, scope.tenant_id)
    tenant = await require_tenant(scope)
    return ScimStatus(
        base_url=base_url(scope.house, tenant.slug),
        last_used_at=used_at,
        last_change_at=changed_at,
        provisioned_users=people,
    )
