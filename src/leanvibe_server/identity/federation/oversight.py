"""Linked accounts of the people one looks after."""

from uuid import UUID

from leanvibe_server.identity.federation import repository as rows
from leanvibe_server.identity.federation.linking import links_of
from leanvibe_server.identity.federation.schemas import PersonIdentities, PersonIdentity
from leanvibe_server.identity.federation.service import cut_link, require_provider
from leanvibe_server.identity.roles.service import require_over
from leanvibe_server.identity.users import lock_person, require_user
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.scope import Scope


async def list_of_person(scope: Scope, user_id: UUID) -> PersonIdentities:
    """The accounts at providers by which somebody may sign in. Raises: NotFound."""
    user = await require_user(scope, user_id)
    return PersonIdentities(
        data=[PersonIdentity.seen(*linked) for linked in await links_of(scope, user.id)]
    )


async def unlink(scope: Scope, user_id: UUID, identity_id: UUID) -> None:
    """Have an account at a provider open somebody's account no more; sessions it opened end.

    Unlike one's own it may be their last way in: an administrator can invite them or let them
    link another.
    Raises: NotFound. Forbidden: their role is above one's own.
    """
    user = await lock_person(scope, user_id)
    identity = await rows.find_identity(scope.conn, scope.tenant_id, identity_id)
    if identity is None or identity.user_id != user.id:
        raise NotFound("No such linked account.")
    await require_over(scope, *user.roles)
    provider = await require_provider(scope, identity.provider_id)
    why = "account unlinked by an administrator"
    await cut_link(scope, user, provider, identity.id, reason=why)
