"""Proving once more who one is, in a session that is open."""

from dataclasses import dataclass

from leanvibe_server.identity import throttle
from leanvibe_server.identity.account import factors
from leanvibe_server.identity.account.events import SteppedUp
from leanvibe_server.identity.account.schemas import StepUpRequest
from leanvibe_server.identity.events import LoginFailed
from leanvibe_server.identity.login import SignedIn, answer
from leanvibe_server.identity.mfa import guesses
from leanvibe_server.identity.models import Proof, Session, User
from leanvibe_server.identity.passwords import desk_of
from leanvibe_server.identity.policy import SecurityPolicy, policy_of
from leanvibe_server.identity.refusals import invalid_token
from leanvibe_server.identity.repository import people
from leanvibe_server.identity.repository import sessions as session_rows
from leanvibe_server.identity.schemas import TokenAnswer
from leanvibe_server.identity.sessions import OpenedSession, renew_session, still_holds
from leanvibe_server.identity.throttle import Attempt
from leanvibe_server.kernel.access import Errand, require_signed_in
from leanvibe_server.kernel.errors import Forbidden, at_field, invalid_field
from leanvibe_server.kernel.platform import Reason, across_tenants
from leanvibe_server.kernel.scope import Scope


@dataclass(frozen=True)
class Own:
    """The caller and the session they hold, both open, the user's row locked."""

    user: User
    session: Session


async def step_up(errand: Errand, request: StepUpRequest) -> TokenAnswer:
    """Note that the caller has just proved who they are, and go on under a new session id.

    Raises: Forbidden: the password or code is wrong. RateLimited: too many were.
    """
    return answer(errand.house, await prove_again(errand, request))


async def prove_again(errand: Errand, request: StepUpRequest) -> SignedIn:
    """As `step_up`, for callers that hand out a cookie."""
    proof = await _proof_of(errand, request)
    async with errand.scope() as scope:
        own = await require_own(scope)
        return SignedIn(own.user, await go_on(scope, own, proof))


async def go_on(scope: Scope, own: Own, proof: Proof) -> OpenedSession:
    """Go on in the caller's session under a new id and secret, with a proof that is fresh.

    Any way to prove oneself anew ends here: a password, a second factor, a provider's word.
    """
    opened = await renew_session(scope, own.session, proof)
    await scope.emit(
        SteppedUp(
            user_id=own.user.id,
            session_id=opened.session.id,
            previous_session_id=own.session.id,
            method=proof.method,
        )
    )
    return opened


async def require_own(scope: Scope) -> Own:
    """The caller's user and session, as they are now.

    Raises: Forbidden: a key has no session. Unauthorized: either was closed meanwhile.
    """
    user_id, session_id = require_signed_in(scope.actor)
    user = await people.lock_user(scope.conn, scope.tenant_id, user_id)
    session = await session_rows.find_session(scope.conn, scope.tenant_id, session_id)
    if user is None or session is None or not user.may_sign_in(scope.now):
        raise invalid_token()
    if not still_holds(session, await policy_of(scope), scope.now, role=user.role):
        raise invalid_token()
    return Own(user, session)


async def require_password(errand: Errand, password: str, *, field: str) -> User:
    """The caller, whose password this is. No transaction is open while it is compared.

    Raises: Forbidden: it is wrong, which is noted and counted. RateLimited: too many were.
    """
    house = errand.house
    async with errand.scope() as scope:
        user = (await require_own(scope)).user
    attempt = _attempt(errand, user)
    async with across_tenants(house.database, Reason.SIGN_IN) as conn:
        await throttle.check(conn, attempt, now=house.clock.now())
    await guesses.spend_on_hashes(house, user, "own password", most=guesses.PASSWORDS_PER_HOUR)
    if await desk_of(house).verify(user.password_hash, password):
        return user
    await count_wrong(errand, user, "wrong password while signed in")
    raise Forbidden(
        "The password is wrong.",
        details=at_field(field, "The password is wrong") | {"reason": "wrong_password"},
    )


async def count_wrong(errand: Errand, user: User, reason: str) -> None:
    """Count a wrong proof against the account, as at the sign-in.

    Raises: RateLimited: meanwhile others failed too.
    """
    house, attempt = errand.house, _attempt(errand, user)
    async with across_tenants(house.database, Reason.SIGN_IN) as conn:
        await throttle.check(conn, attempt, now=house.clock.now())
        await throttle.count_failure(conn, attempt, now=house.clock.now())
    async with errand.scope() as scope:
        await scope.emit(LoginFailed(user_id=user.id, reason=reason))


async def _proof_of(errand: Errand, request: StepUpRequest) -> Proof:
    by_factor = request.mfa_code is not None or request.credential is not None
    if request.password is None and not by_factor:
        raise invalid_field("password", "Field required", "Send your `password` or an `mfa_code`.")
    async with errand.scope() as scope:
        user = (await require_own(scope)).user
        if not by_factor:
            check_password_counts(await policy_of(scope), user)
            await factors.check_password_is_enough(scope, user)
    if request.password is not None:
        await require_password(errand, request.password, field="password")
    first = () if request.password is None else ("pwd",)
    if not by_factor:
        return Proof(method="password", amr=first)
    amr = await factors.verify_code(
        errand, request.mfa_code, method=request.mfa_method, credential=request.credential
    )
    return Proof(method="second factor", amr=(*first, *amr), second_factor=True)


def check_password_counts(policy: SecurityPolicy, user: User) -> None:
    """Where single sign-on is asked for, a password that opens no session proves nothing either.

    Raises: Forbidden.
    """
    if policy.wants_provider(user.role):
        raise Forbidden(
            "Your organisation asks you to sign in through its identity provider: prove yourself "
            "there by POST /v1/auth/sso/{provider}/step-up.",
            details={"field": "password", "reason": "sso_required"},
        )


def _attempt(errand: Errand, user: User) -> Attempt:
    # A count of its own: who sits before an open session must not shut its owner out of sign-in.
    return Attempt.by(
        errand.house.vault,
        email=user.email,
        address=errand.caller.actor.address,
        device=f"signed in as {user.id}",
    )
