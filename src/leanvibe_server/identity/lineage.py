"""What credentials make: never more than their maker may, and over when it is revoked.

A key of a person ends with the person. What belongs to the organisation goes on, and its owners
are told that its maker has left.
"""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from leanvibe_server.identity import mails
from leanvibe_server.identity.events import ApiKeyRevoked, CredentialsOrphaned
from leanvibe_server.identity.models import User
from leanvibe_server.identity.policy import parse_network
from leanvibe_server.identity.repository import api_keys as key_rows
from leanvibe_server.identity.repository import lineage as rows
from leanvibe_server.identity.repository import people
from leanvibe_server.identity.repository.lineage import Made, Maker
from leanvibe_server.identity.scim.events import ScimTokenRevoked
from leanvibe_server.identity.service_accounts.events import OAuthClientRevoked
from leanvibe_server.kernel.clock import rfc3339
from leanvibe_server.kernel.errors import Forbidden
from leanvibe_server.kernel.events import Event
from leanvibe_server.kernel.scope import Scope

MAKER_REVOKED = "its maker was revoked"
KINDS = {"key": "API key", "client": "OAuth client", "token": "SCIM token"}


async def maker_of(scope: Scope) -> Maker | None:
    """The key or client that acts; None for a person, whom only their role binds.

    Raises: Forbidden: it acts for an organisation below its own, where what it makes could not end
        with it.
    """
    kind, credential_id = scope.actor.kind, scope.actor.credential_id
    if kind not in ("api_key", "oauth_client"):
        return None
    find = rows.find_key if kind == "api_key" else rows.find_client_of_token
    maker = None
    if credential_id is not None and scope.home_tenant_id is None:
        maker = await find(scope.conn, scope.tenant_id, credential_id)
    if maker is None:
        raise Forbidden(
            "A key makes credentials in its own organisation only. Have a person make them there."
        )
    return maker


def author_of(scope: Scope) -> UUID | None:
    """Who makes something; None for somebody of another organisation, who is nobody here."""
    return None if scope.home_tenant_id is not None else scope.actor.id


def end_within(maker: Maker | None, wanted: datetime | None) -> datetime | None:
    """When what is made ends: as wanted, else with its maker. Raises: Forbidden: after it."""
    if maker is None or maker.expires_at is None:
        return wanted
    if wanted is not None and wanted > maker.expires_at:
        raise _beyond("expires_at", f"ends at {rfc3339(maker.expires_at)}")
    return wanted or maker.expires_at


def require_end_within(maker: Maker | None, end: datetime | None) -> None:
    """Refuse what ends later than its maker, or never. Raises: Forbidden."""
    if maker is not None and maker.expires_at is not None:
        end_within(maker, end or datetime.max.replace(tzinfo=UTC))


def rate_within(maker: Maker | None, wanted: int | None) -> int | None:
    """Calls a minute: as wanted, else those of the maker. Raises: Forbidden: more."""
    most = None if maker is None else maker.rate_limit_per_minute
    if most is not None and wanted is not None and wanted > most:
        raise _beyond("rate_limit_per_minute", f"has {most} calls a minute")
    return wanted or most


def networks_within(maker: Maker | None, wanted: Sequence[str]) -> tuple[str, ...]:
    """Networks: as wanted, else those of the maker. Raises: Forbidden: from beyond them."""
    bounds = [] if maker is None else [parse_network(text) for text in maker.allowed_networks]
    if bounds and not all(_is_inside(text, bounds) for text in wanted):
        raise _beyond("allowed_addresses", "is bound to " + ", ".join(map(str, bounds)))
    return tuple(wanted or map(str, bounds))


def require_unbound(maker: Maker | None, what: str) -> None:
    """Refuse a key of some networks or of a rate to make what knows no such bounds.

    Raises: Forbidden.
    """
    if maker is not None and (maker.allowed_networks or maker.rate_limit_per_minute is not None):
        raise Forbidden(f"A key with limits of address or rate cannot make {what}, which has none.")


async def end_made_with(scope: Scope, makers: Sequence[UUID]) -> None:
    """Revoke what these credentials made, directly or not, and tell it."""
    for made in await rows.end_made_with(scope.conn, scope.tenant_id, makers, now=scope.now):
        await scope.emit(_ended(made))


async def end_keys_of(scope: Scope, user: User, *, reason: str) -> None:
    """Revoke every key that acts as a user, with what those made."""
    ended = await key_rows.revoke_of_user(scope.conn, scope.tenant_id, user.id, now=scope.now)
    for key_id in ended:
        await scope.emit(ApiKeyRevoked(key_id=key_id, user_id=user.id, reason=reason))
    await end_made_with(scope, ended)


async def tell_owners(scope: Scope, leaver: User) -> None:
    """Tell the owners what somebody leaves behind that goes on, and whose secret they may know."""
    left = await rows.list_left_behind(scope.conn, scope.tenant_id, leaver.id, now=scope.now)
    if not left:
        return
    await scope.emit(
        CredentialsOrphaned(
            user_id=leaver.id,
            keys=[made.id for made in left if made.kind == "key"],
            clients=[made.id for made in left if made.kind == "client"],
            tokens=[made.id for made in left if made.kind == "token"],
        )
    )
    told = [f"{KINDS[made.kind]} “{made.name}”" for made in left]
    for address in await people.list_owner_addresses(scope.conn, scope.tenant_id):
        if address != leaver.email:
            await mails.credentials_left(scope, to=address, leaver=leaver.email, left=told)


def _ended(made: Made) -> Event:
    if made.kind == "token":
        return ScimTokenRevoked(token_id=made.id, reason=MAKER_REVOKED)
    user_id = made.user_id or made.id
    if made.kind == "client":
        return OAuthClientRevoked(client_id=made.id, user_id=user_id, reason=MAKER_REVOKED)
    return ApiKeyRevoked(key_id=made.id, user_id=user_id, reason=MAKER_REVOKED)


def _is_inside(text: str, bounds: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    network = parse_network(text)
    if isinstance(network, ipaddress.IPv4Network):
        return any(network.subnet_of(b) for b in bounds if isinstance(b, ipaddress.IPv4Network))
    return any(network.subnet_of(b) for b in bounds if isinstance(b, ipaddress.IPv6Network))


def _beyond(field: str, why: str) -> Forbidden:
    return Forbidden(
        f"Your own credential {why}: what it makes cannot go beyond that.",
        details={"reason": "beyond_own_credential", "field": field},
    )
