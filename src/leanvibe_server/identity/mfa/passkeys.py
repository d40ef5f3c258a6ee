"""Signing in with a passkey alone: it names its owner, and has verified them by itself."""

from typing import Any
from uuid import UUID

import asyncpg

from leanvibe_server.identity import opaque
from leanvibe_server.identity.arrival import arrive
from leanvibe_server.identity.mfa import guesses, webauthn
from leanvibe_server.identity.mfa import repository as rows
from leanvibe_server.identity.mfa.demand import VALID_FOR
from leanvibe_server.identity.mfa.events import SecondFactorFailed
from leanvibe_server.identity.mfa.models import PASSKEY, WEBAUTHN, Challenge, Factor
from leanvibe_server.identity.mfa.service import take_counter
from leanvibe_server.identity.mfa.webauthn import NotProved
from leanvibe_server.identity.models import Proof, User
from leanvibe_server.identity.policy import policy_of
from leanvibe_server.identity.repository import people
from leanvibe_server.identity.sessions import OpenedSession
from leanvibe_server.identity.throttle import Attempt, of_address
from leanvibe_server.identity.visits import actor_of, scope_in
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.errors import AppError, NotFound, Unauthorized
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy import service as tenancy

AMR = ("hwk", "user", "mfa")


async def offer(visit: Visit, *, kind: str, browser: str | None = None) -> tuple[str, Any]:
    """A token for the answer, and what the browser gives to `navigator.credentials.get`.

    `browser` binds the answer to a cookie of the asking browser.
    """
    token, challenge = opaque.new_token(PLATFORM_TENANT), webauthn.new_challenge()
    async with across_tenants(visit.house.database, Reason.SIGN_IN) as conn:
        scope = scope_in(visit, conn, PLATFORM_TENANT)
        await rows.insert_challenge(
            conn,
            Challenge(
                tenant_id=PLATFORM_TENANT,
                id=scope.new_id(),
                user_id=None,
                purpose=PASSKEY,
                session_kind=kind,
                browser_hash=None if browser is None else hash_token(browser),
                webauthn_challenge=challenge,
                created_at=scope.now,
                expires_at=scope.now + VALID_FOR,
            ),
            hash_token(token),
        )
    return token, webauthn.assertion_options(visit.house, challenge, ())


async def sign_in(
    visit: Visit,
    token: str,
    credential: dict[str, Any],
    *,
    kind: str,
    browser: str | None = None,
) -> tuple[User, OpenedSession]:
    """Open a session of `kind` for the owner of a passkey.

    Raises: Unauthorized: one refusal, whatever is amiss. Forbidden: the policy keeps them out.
        MfaRequired: keys do not count as second factor here. RateLimited: too many from here.
    """
    attempt = _attempt(visit)
    await guesses.spend(visit.house, attempt)
    try:
        signed = await _take(visit, token, kind, browser)
        tenant_id, user_id = _owner(credential)
        factor, plan = await _find(visit, tenant_id, user_id, credential)
        judged = webauthn.judge_assertion(visit.house, credential, signed, factor, verified=True)
        opened = await _open(visit, factor, judged, plan, kind=kind)
    except NotProved:
        raise _unknown() from None
    await guesses.forgive(visit.house, attempt)
    return opened


async def _take(visit: Visit, token: str, kind: str, browser: str | None) -> bytes:
    """What the passkey was to sign: spent with this look, whatever comes of it."""
    async with across_tenants(visit.house.database, Reason.SIGN_IN) as conn:
        taken = await rows.take_challenge(
            conn, PLATFORM_TENANT, hash_token(token), PASSKEY, now=visit.house.clock.now()
        )
    if taken is None or taken.webauthn_challenge is None or taken.session_kind != kind:
        raise NotProved("no such challenge")
    if taken.browser_hash != (None if browser is None else hash_token(browser)):
        raise NotProved("asked by another browser")
    return taken.webauthn_challenge


def _owner(credential: dict[str, Any]) -> tuple[UUID, UUID]:
    found = webauthn.read_handle(webauthn.handle_of(credential))
    if found is None:
        raise NotProved("no user handle of ours")
    return found


async def _find(
    visit: Visit, tenant_id: UUID, user_id: UUID, credential: dict[str, Any]
) -> tuple[Factor, str]:
    wanted = webauthn.credential_id(credential)
    try:
        async with visit.house.database.tenant(tenant_id) as conn:
            factor = await rows.find_by_credential(conn, tenant_id, wanted)
            if factor is None or factor.user_id != user_id:
                raise NotProved("no key of this person")
            return factor, (await tenancy.require_tenant(scope_in(visit, conn, tenant_id))).plan
    except (NotFound, LookupError, asyncpg.PostgresError):
        raise NotProved("no such tenant") from None


async def _open(
    visit: Visit, factor: Factor, judged: webauthn.Assertion, plan: str, *, kind: str
) -> tuple[User, OpenedSession]:
    async with visit.house.database.tenant(factor.tenant_id) as conn:
        user = await people.lock_user(conn, factor.tenant_id, factor.user_id)
        if user is None or not user.may_sign_in(visit.house.clock.now()):
            raise NotProved("the account is closed")
        actor = actor_of(visit, user)
        scope = scope_in(visit, conn, factor.tenant_id, actor=actor, plan=plan)
        try:
            await take_counter(scope, factor, judged)
        except NotProved as reason:
            raise await _note_copy(scope, user, reason) from None
        policy = await policy_of(scope)
        proof = Proof(method="passkey", amr=AMR, second_factor=WEBAUTHN in policy.mfa_methods)
        return user, await arrive(scope, user, proof, kind=kind)


async def _note_copy(scope: Scope, user: User, reason: NotProved) -> AppError:
    await scope.emit(
        SecondFactorFailed(user_id=user.id, method=WEBAUTHN, reason=str(reason), failures=0)
    )
    return _unknown().keeping_writes()


def _attempt(visit: Visit) -> Attempt:
    at = of_address(visit.house.vault, "passkey", visit.address)
    return Attempt(((at, guesses.ADDRESS),), what="passkeys that were refused")


def _unknown() -> Unauthorized:
    return Unauthorized(
        "This passkey is not known here, or its answer does not hold. Sign in another way.",
        details={"reason": "passkey_refused"},
    )
