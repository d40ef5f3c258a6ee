"""Linked accounts: a signed-in user adds and removes ways in by an identity provider."""

from dataclasses import replace
from uuid import UUID

from leanvibe_server.identity.federation import repository as rows
from leanvibe_server.identity.federation.models import FederatedIdentity, SsoProvider
from leanvibe_server.identity.federation.people import Assertion, link_to, require_enabled
from leanvibe_server.identity.federation.schemas import LinkedIdentities, LinkedIdentity
from leanvibe_server.identity.federation.service import cut_link, require_provider
from leanvibe_server.identity.models import User
from leanvibe_server.identity.policy import policy_of
from leanvibe_server.identity.repository import people
from leanvibe_server.identity.repository import sessions as session_rows
from leanvibe_server.identity.sessions import still_holds
from leanvibe_server.kernel.access import require_signed_in
from leanvibe_server.kernel.errors import Conflict, InvalidRequest, NotFound
from leanvibe_server.kernel.scope import Scope


async def link_own(scope: Scope, assertion: Assertion, *, user_id: UUID, session_id: UUID) -> None:
    """Let the user who began this in that session sign in by the provider's subject from now on.

    Raises: InvalidRequest: the provider is off, or the session has ended since. Conflict: the
        subject is somebody else's here.
    """
    provider = await require_enabled(scope, assertion.provider)
    await rows.lock_subject(scope.conn, provider.id, assertion.subject)
    session = await session_rows.find_session(scope.conn, scope.tenant_id, session_id)
    user = await people.lock_user(scope.conn, scope.tenant_id, user_id)
    policy = await policy_of(scope)
    if (
        session is None
        or user is None
        or not user.may_sign_in(scope.now)
        or not still_holds(session, policy, scope.now, role=user.role)
    ):
        raise InvalidRequest(
            "Your session has ended meanwhile, so nothing was linked. Sign in and try again.",
            details={"reason": "session_ended"},
        )
    known = await rows.find_by_subject(scope.conn, scope.tenant_id, provider.id, assertion.subject)
    if known is not None and known.user_id != user_id:
        raise Conflict(
            "That account at the identity provider is linked to somebody else here.",
            details={"reason": "linked_elsewhere"},
        )
    if known is None:
        actor = replace(scope.actor, kind="user", id=user.id, label=user.email, role=user.role)
        await link_to(replace(scope, actor=actor), user, assertion, how="user")


async def list_own(scope: Scope) -> LinkedIdentities:
    """The accounts by which the caller may sign in."""
    user_id, _ = require_signed_in(scope.actor)
    return LinkedIdentities(
        data=[LinkedIdentity.of(*linked) for linked in await links_of(scope, user_id)]
    )


async def links_of(scope: Scope, user_id: UUID) -> list[tuple[FederatedIdentity, SsoProvider]]:
    """The accounts by which somebody may sign in, each with its provider."""
    found = await rows.list_identities(scope.conn, scope.tenant_id, user_id)
    ids = [identity.provider_id for identity in found]
    known = {one.id: one for one in await rows.find_many(scope.conn, scope.tenant_id, ids)}
    # A provider that is deleted in this moment takes its links along.
    return [(one, known[one.provider_id]) for one in found if one.provider_id in known]


async def unlink_own(scope: Scope, identity_id: UUID) -> None:
    """Have an account at a provider open this user's account no more; sessions it opened end.

    Raises: NotFound: none of the caller's. Conflict: nothing else would let the user in.
    """
    user = await _require_own_user(scope)
    identity = await rows.find_identity(scope.conn, scope.tenant_id, identity_id)
    if identity is None or identity.user_id != user.id:
        raise NotFound("No such linked account.")
    others = await rows.list_identities(scope.conn, scope.tenant_id, user.id)
    if len(others) == 1 and user.password_hash is None:
        raise Conflict(
            "This is your only way in. Set a password or link another account first.",
            details={"reason": "last_way_in"},
        )
    provider = await require_provider(scope, identity.provider_id)
    await cut_link(scope, user, provider, identity_id, reason="account unlinked")


async def _require_own_user(scope: Scope) -> User:
    user_id, _ = require_signed_in(scope.actor)
    user = await people.lock_user(scope.conn, scope.tenant_id, user_id)
    if user is None:
        raise NotFound("No such user.")
    return user
