"""Moving between the tenants one person belongs to."""

from dataclasses import replace
from uuid import UUID

from leanvibe_server.identity import login, lookup
from leanvibe_server.identity.arrival import arrive
from leanvibe_server.identity.events import TenantSwitched
from leanvibe_server.identity.login import SignedIn
from leanvibe_server.identity.models import MOVED, PASSWORD, Proof
from leanvibe_server.identity.moving import MAX_TENANTS, moved_from
from leanvibe_server.identity.repository import people
from leanvibe_server.identity.repository.sessions import find_session
from leanvibe_server.identity.schemas import SwitchRequest, TokenAnswer
from leanvibe_server.identity.sessions import TOKEN, end_session
from leanvibe_server.identity.users import require_user
from leanvibe_server.kernel.access import require_signed_in
from leanvibe_server.kernel.errors import Forbidden, NotFound
from leanvibe_server.kernel.platform import Reason, across_tenants
from leanvibe_server.kernel.scope import Scope


async def switch_tenant(scope: Scope, request: SwitchRequest) -> TokenAnswer:
    """Move an API session to another tenant of the same person.

    Raises: NotFound: the person has no active user there. Forbidden: an API key cannot move, nor
        a session that was opened without the password.
    """
    return login.answer(scope.house, await move_session(scope, request.tenant_id, kind=TOKEN))


async def move_session(scope: Scope, tenant_id: UUID, *, kind: str) -> SignedIn:
    """End this session and open one of `kind` in the other tenant, under a new identifier."""
    user_id, session_id = require_signed_in(scope.actor)
    user = await require_user(scope, user_id)
    if tenant_id == scope.tenant_id:
        raise NotFound("You are in this tenant already.")
    proof = await _proof_of(scope, user_id, session_id)
    async with across_tenants(scope.house.database, Reason.SWITCH_TENANT, tenant_id) as conn:
        found = await people.find_candidate(conn, user.account_id, tenant_id)
        if found is None or not found.user.may_sign_in(scope.now):
            raise NotFound("You do not belong to such a tenant.")
        await people.lock_user(conn, tenant_id, found.user.id)
        inside = replace(
            scope,
            conn=conn,
            tenant_id=tenant_id,
            actor=replace(scope.actor, id=found.user.id, label=found.user.email, session_id=None),
            plan=found.plan,
        )
        moved = SignedIn(found.user, await arrive(inside, found.user, proof, kind=kind))
    # Only now: where the other tenant's policy refuses, this session goes on.
    await scope.emit(TenantSwitched(user_id=user.id, session_id=session_id, to_tenant_id=tenant_id))
    await end_session(scope, session_id, reason="moved to another tenant")
    return moved


async def list_own_tenants(scope: Scope) -> lookup.Looked:
    """The tenants the caller may move between, this one included."""
    user_id, _ = require_signed_in(scope.actor)
    user = await require_user(scope, user_id)
    looked = await lookup.list_of_account(scope.house, user.account_id, limit=MAX_TENANTS)
    open_ones = [one for one in looked.found if one.user.may_sign_in(scope.now)]
    return lookup.Looked(open_ones, looked.silent)


async def _proof_of(scope: Scope, user_id: UUID, session_id: UUID) -> Proof:
    """How the session that moves was proved: what follows it keeps.

    Only the password is surely the person's own. What a provider says, and second factors that
    whoever it let in has added, are in the hands of this organisation, which has no say in the
    other: there they count as nothing.
    """
    session = await find_session(scope.conn, scope.tenant_id, session_id)
    if session is None:
        raise NotFound("No such session.")
    if session.provider_id is not None or "pwd" not in session.amr:
        raise Forbidden(
            "You signed in here without your password. Sign in to the other organisation itself.",
            details={"reason": "password_needed"},
        )
    came_from = session.remote_session or moved_from(user_id)
    return Proof(
        method=MOVED,
        amr=PASSWORD.amr,
        remote_session=came_from,
        not_after=session.expires_at,
        proved_at=session.authenticated_at,
    )
