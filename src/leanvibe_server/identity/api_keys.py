"""API keys: made, listed, rotated, revoked. A key acts as its user, with at most its scopes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.identity import lineage, notices, opaque
from leanvibe_server.identity.events import ApiKeyCreated, ApiKeyRevoked, ApiKeyRotated
from leanvibe_server.identity.models import ApiKey, User
from leanvibe_server.identity.policy import parse_network
from leanvibe_server.identity.repository import api_keys as rows
from leanvibe_server.identity.repository import lineage as lineage_rows
from leanvibe_server.identity.repository.lineage import Maker
from leanvibe_server.identity.roles.service import permissions_of_roles, require_over
from leanvibe_server.identity.schemas import (
    ApiKeyQuery,
    ApiKeyView,
    CreatedApiKey,
    NewApiKey,
    Rotation,
)
from leanvibe_server.identity.users import require_user
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    invalid_field,
)
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.scope import Scope

ENVIRONMENTS = ("live", "test")
# A key gets these only when they are asked for by name: they could make more keys or users.
BY_NAME_ONLY = frozenset(
    {
        Permission.API_KEY_MANAGE,
        Permission.USER_CREATE,
        Permission.USER_UPDATE,
        Permission.USER_DELETE,
        Permission.ROLE_MANAGE,
        Permission.TENANT_DELETE,
        Permission.ORGANIZATION_MANAGE,
        Permission.SECURITY_MANAGE,
        Permission.PRIVACY_MANAGE,
        Permission.SCIM_MANAGE,
    }
)


@dataclass(frozen=True)
class Bounds:
    """How often, and from which networks, a key may be used; beside its scopes."""

    rate_limit_per_minute: int | None = None
    networks: tuple[str, ...] = ()


UNBOUND = Bounds()


async def create_key(scope: Scope, new: NewApiKey) -> CreatedApiKey:
    """Make a key. Its secret is in this answer and nowhere else.

    Raises: InvalidRequest: an unknown scope or a past expiry. Forbidden: more than the user or
        the caller may do, or longer, from elsewhere or more often than the key that asks.
        NotFound: no such user.
    """
    if scope.actor.id is None:
        raise Forbidden("Sign in as a user first.")
    maker = await lineage.maker_of(scope)
    user = await require_user(scope, new.user_id or scope.actor.id)
    await require_over(scope, *user.roles)
    wanted = await require_scopes(scope, new.scopes, user)
    key, secret = await issue(
        scope,
        user,
        name=new.name,
        scopes=wanted,
        expires_at=lineage.end_within(maker, _require_expiry(scope.now, new)),
        environment=_require_environment(scope, new.environment),
        bounds=_require_bounds(scope, new, maker),
        made_with=None if maker is None else maker.id,
    )
    await _tell_person(scope, user, key)
    return CreatedApiKey(**ApiKeyView.of(key).model_dump(), key=secret)


async def issue(
    scope: Scope,
    user: User,
    *,
    name: str,
    scopes: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    environment: str = "test",
    bounds: Bounds = UNBOUND,
    replaces: UUID | None = None,
    made_with: UUID | None = None,
) -> tuple[ApiKey, str]:
    """Keep a new key of the user; returns it with its secret."""
    if not user.active:
        raise Conflict("This user is not active.")
    secret = opaque.new_api_key(scope.tenant_id, environment)
    key = ApiKey(
        tenant_id=scope.tenant_id,
        id=scope.new_id(),
        user_id=user.id,
        name=name,
        prefix=opaque.shown_prefix(secret),
        scopes=sorted(await default_scopes(scope, user) if scopes is None else scopes),
        created_at=scope.now,
        last_used_at=None,
        expires_at=expires_at,
        revoked_at=None,
        rate_limit_per_minute=bounds.rate_limit_per_minute,
        allowed_networks=list(bounds.networks),
        replaces=replaces,
        created_by=lineage.author_of(scope),
        made_with=made_with,
    )
    await rows.insert(scope.conn, key, key_hash=hash_token(secret))
    await scope.emit(
        ApiKeyCreated(
            key_id=key.id,
            user_id=user.id,
            key_name=name,
            prefix=key.prefix,
            scopes=key.scopes,
            expires_at=expires_at,
        )
    )
    return key, secret


async def list_keys(
    scope: Scope, page: PageRequest, query: ApiKeyQuery | None = None
) -> list[ApiKey]:
    """The keys of the tenant, one more than the page shows."""
    query = query or ApiKeyQuery()
    return await rows.list_keys(
        scope.conn,
        scope.tenant_id,
        after=page.after,
        limit=page.limit + 1,
        user_id=query.user_id,
        status=query.status,
        prefix=query.prefix,
        orphaned=query.orphaned,
        now=scope.now,
    )


async def rotate_key(scope: Scope, key_id: UUID, rotation: Rotation) -> CreatedApiKey:
    """Give a key a successor with the same rights and the same length of life, or what is left of
    it where a key asks: only a person prolongs one. The old one holds for the overlap, so that a
    program can be moved without a gap; what it made belongs to its successor.

    Raises: NotFound. Forbidden: the key can do more than the caller, who would learn its
        successor. Conflict: it does not hold any more, or has a successor already.
    """
    maker = await lineage.maker_of(scope)
    key = await rows.lock(scope.conn, scope.tenant_id, key_id)
    if key is None:
        raise NotFound("No such API key.")
    user = await require_user(scope, key.user_id)
    await require_over(scope, *user.roles)
    await _require_covered(scope, key, user)
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= scope.now):
        raise Conflict("This key does not hold any more. Make a new one.")
    if await rows.has_successor(scope.conn, scope.tenant_id, key.id):
        raise Conflict("This key was rotated already. Rotate its successor.")
    # The end of a key that was rotated before is that of its overlap; its successor has its life.
    model = await rows.find_first_successor(scope.conn, scope.tenant_id, key.id) or key
    made, secret = await issue(
        scope,
        user,
        name=key.name,
        scopes=key.scopes,
        expires_at=_next_end(scope.now, model, maker),
        environment=opaque.environment_of(key.prefix),
        bounds=_next_bounds(key, maker),
        replaces=key.id,
        made_with=key.made_with if maker is None or maker.id == key.id else maker.id,
    )
    await lineage_rows.hand_over(scope.conn, scope.tenant_id, key.id, made.id)
    await _retire(scope, key, made, timedelta(hours=rotation.overlap_hours))
    await _tell_person(scope, user, made)
    return CreatedApiKey(**ApiKeyView.of(made).model_dump(), key=secret)


async def _tell_person(scope: Scope, user: User, key: ApiKey) -> None:
    """Mail whom the key acts as; but not each key that a program of theirs makes for itself."""
    by_own_program = scope.actor.kind != "user" and scope.actor.id == user.id
    if not user.is_service and not by_own_program:
        await notices.api_key_made(scope, user, key)


def _next_end(now: datetime, model: ApiKey, maker: Maker | None) -> datetime | None:
    """When the successor of a key ends."""
    life = None if model.expires_at is None else model.expires_at - model.created_at
    end = None if life is None else now + life
    if maker is None:
        return end
    ends = [one for one in (end, model.expires_at, maker.expires_at) if one is not None]
    return min(ends, default=None)


def _next_bounds(key: ApiKey, maker: Maker | None) -> Bounds:
    """Those of the key itself. Raises: Forbidden: wider than those of the key that asks."""
    rate = key.rate_limit_per_minute
    networks = lineage.networks_within(maker, key.allowed_networks)
    return Bounds(lineage.rate_within(maker, rate), networks)


async def _retire(scope: Scope, old: ApiKey, made: ApiKey, overlap: timedelta) -> None:
    ends_at = scope.now + overlap
    if old.expires_at is not None:
        ends_at = min(ends_at, old.expires_at)
    if overlap:
        await rows.end_at(scope.conn, scope.tenant_id, old.id, ends_at)
    else:
        await rows.revoke(scope.conn, scope.tenant_id, old.id, now=scope.now)
    await scope.emit(
        ApiKeyRotated(key_id=made.id, user_id=made.user_id, replaces=old.id, old_ends_at=ends_at)
    )


async def _require_covered(scope: Scope, key: ApiKey, user: User) -> None:
    usable = await permissions_of_roles(scope, *user.roles) & set(key.scopes)
    beyond = sorted(usable - scope.permissions)
    if beyond:
        raise Forbidden(f"The key may do more than you: {', '.join(beyond)}.")


async def revoke_key(scope: Scope, key_id: UUID) -> None:
    """End a key at once, and what was made with it; one's own, or one of somebody whose role is
    none above the caller's. What is ended already stays so.

    Raises: NotFound. Forbidden: its user's role may do more than the caller.
    """
    key = await rows.lock(scope.conn, scope.tenant_id, key_id)
    if key is None:
        raise NotFound("No such API key.")
    if key.revoked_at is not None:
        return
    if key.user_id != scope.actor.id:
        await require_over(scope, *(await require_user(scope, key.user_id)).roles)
    await rows.revoke(scope.conn, scope.tenant_id, key_id, now=scope.now)
    await scope.emit(ApiKeyRevoked(key_id=key.id, user_id=key.user_id, reason="revoked"))
    await lineage.end_made_with(scope, [key.id])


async def default_scopes(scope: Scope, user: User) -> frozenset[str]:
    """What a key may do when nobody said: all of its user's but making keys and users."""
    return await permissions_of_roles(scope, *user.roles) - BY_NAME_ONLY


async def require_scopes(scope: Scope, wanted: Sequence[str] | None, user: User) -> list[str]:
    if wanted is None:
        return sorted(await default_scopes(scope, user) & scope.permissions)
    known = {permission.value for permission in Permission}
    unknown = sorted(set(wanted) - known)
    if unknown:
        raise InvalidRequest(
            f"There is no scope {unknown[0]!r}. Scopes are {', '.join(sorted(known))}.",
            details={
                "field": "scopes",
                "validation_errors": [f"scopes: no scope {name!r}" for name in unknown],
            },
        )
    beyond = sorted(set(wanted) - await permissions_of_roles(scope, *user.roles))
    if beyond:
        raise Forbidden(f"The role {user.role} does not have {', '.join(beyond)}.")
    withheld = sorted(set(wanted) - scope.permissions)
    if withheld:
        raise Forbidden(f"Your own credentials do not have {', '.join(withheld)}.")
    return sorted(set(wanted))


def _require_bounds(scope: Scope, new: NewApiKey, maker: Maker | None) -> Bounds:
    most = plan_of(scope.plan).rate.per_minute
    if new.rate_limit_per_minute is not None and new.rate_limit_per_minute > most:
        raise invalid_field(
            "rate_limit_per_minute",
            f"at most {most}",
            f"rate_limit_per_minute can be at most {most}, the limit of the plan.",
        )
    networks = require_networks(new.allowed_addresses)
    return Bounds(
        lineage.rate_within(maker, new.rate_limit_per_minute),
        lineage.networks_within(maker, networks),
    )


def require_networks(texts: Sequence[str]) -> tuple[str, ...]:
    """Addresses and CIDR blocks in one form. Raises: InvalidRequest."""
    try:
        return tuple(str(parse_network(text)) for text in texts)
    except ValueError as error:
        raise invalid_field(
            "allowed_addresses", str(error), f"allowed_addresses: {error}."
        ) from None


def _require_expiry(now: datetime, new: NewApiKey) -> datetime | None:
    if new.expires_at is not None and new.expires_at <= now:
        raise invalid_field("expires_at", "must be in the future")
    if new.expires_at is None and new.expires_in_days is not None:
        return now + timedelta(days=new.expires_in_days)
    return new.expires_at


def _require_environment(scope: Scope, wanted: str | None) -> str:
    if wanted is None:
        return "live" if scope.house.settings.production else "test"
    if wanted not in ENVIRONMENTS:
        raise invalid_field("environment", "live or test", "environment must be live or test.")
    return wanted
