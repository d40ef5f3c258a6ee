"""Arrival: the one way from a proof of who somebody is to a session.

Every sign-in ends here, whatever it began with, so that no way in goes around a policy.
"""

from leanvibe_server.identity.events import LoginRefused
from leanvibe_server.identity.mfa.demand import require_second_factor
from leanvibe_server.identity.models import Proof, User
from leanvibe_server.identity.policy import SecurityPolicy, check_address, policy_from
from leanvibe_server.identity.refusals import invalid_credentials
from leanvibe_server.identity.repository import people
from leanvibe_server.identity.sessions import OpenedSession, open_session
from leanvibe_server.identity.sso_only import check_method, note_bypass
from leanvibe_server.kernel.errors import AppError, Forbidden
from leanvibe_server.kernel.scope import Scope


async def arrive(scope: Scope, user: User, proof: Proof, *, kind: str) -> OpenedSession:
    """Open a session of `kind` for a user who gave `proof`, if the tenant's policy lets them in.

    The caller holds the user's row lock, and the scope's actor is the user. What follows is read
    after that lock, so that a factor set up a moment ago is asked for.
    Raises: Unauthorized: the account is closed. Forbidden: the policy keeps them out, which is
        noted in the log. MfaRequired: a second factor is missing; the sign-in waits for it.
    """
    if user.is_service or not user.may_sign_in(scope.now):
        raise invalid_credentials()
    terms = await people.require_terms(scope.conn, scope.tenant_id, user.id)
    policy = policy_from(terms.security)
    await check_door(scope, policy, user, proof)
    if terms.has_factors or policy.mfa_required:
        try:
            await require_second_factor(scope, policy, user, proof, kind=kind)
        except Forbidden as refusal:
            raise await _note_refusal(scope, user, proof, refusal) from None
    await note_bypass(scope, policy, user, proof)
    return await open_session(scope, user, proof, kind=kind, policy=policy)


async def check_door(scope: Scope, policy: SecurityPolicy, user: User, proof: Proof) -> None:
    """Refuse whom the policy keeps out, whatever else they could prove.

    Raises: Forbidden: as `arrive`.
    """
    try:
        check_address(policy, scope.actor.address)
        check_method(policy, user, proof)
    except Forbidden as refusal:
        raise await _note_refusal(scope, user, proof, refusal) from None


async def _note_refusal(scope: Scope, user: User, proof: Proof, refusal: AppError) -> AppError:
    reason = str(refusal.details.get("reason", refusal.code))
    await scope.emit(LoginRefused(user_id=user.id, method=proof.method, reason=reason))
    return refusal.keeping_writes()
