"""Sign-ins that wait for a second factor: what may be asked for, and how they are completed.

A waiting sign-in is good once, for five minutes, for the kind of session it began for, and only
while nothing it was begun with has changed: the account, its password, the provider.
"""

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.identity import opaque
from leanvibe_server.identity.arrival import arrive, check_door
from leanvibe_server.identity.mfa import repository as rows
from leanvibe_server.identity.mfa import sending, webauthn
from leanvibe_server.identity.mfa.demand import account_mark
from leanvibe_server.identity.mfa.models import SENT, SIGN_IN, WEBAUTHN, Challenge, Factor
from leanvibe_server.identity.mfa.service import (
    Answer,
    Usable,
    amr_of,
    usable_factors,
    verify_second_factor,
)
from leanvibe_server.identity.models import Proof, User
from leanvibe_server.identity.policy import policy_from
from leanvibe_server.identity.repository import people
from leanvibe_server.identity.sessions import OpenedSession
from leanvibe_server.identity.visits import actor_of, scope_in
from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.errors import Conflict, NotFound, Unauthorized, invalid_field
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy import service as tenancy


@dataclass(frozen=True)
class Waiting:
    """A sign-in under way, whose it is, and a way to open their tenant's transactions."""

    errand: Errand
    challenge: Challenge
    user: User
    token: str


@dataclass(frozen=True)
class Asked:
    """What somebody was asked for: where a code went, or what a key is to sign."""

    method: str
    sent_to: str | None
    options: dict[str, Any] | None


async def require_waiting(visit: Visit, token: str, *, kind: str) -> Waiting:
    """The sign-in behind a token.

    Raises: Unauthorized: it is unknown, over, used, of another kind, or what it was begun with
        has changed.
    """
    tenant_id = opaque.tenant_of_token(token)
    if tenant_id is None:
        raise no_longer()
    try:
        async with visit.house.database.tenant(tenant_id) as conn:
            return await _find(scope_in(visit, conn, tenant_id), visit, token, kind)
    except NotFound:
        raise no_longer() from None


async def _find(scope: Scope, visit: Visit, token: str, kind: str) -> Waiting:
    found = await rows.find_challenge(
        scope.conn, scope.tenant_id, hash_token(token), SIGN_IN, now=scope.now
    )
    if found is None or found.user_id is None or found.session_kind != kind:
        raise no_longer()
    user = await people.find_user(scope.conn, scope.tenant_id, found.user_id)
    if user is None or not still_stands(scope, found, user):
        raise no_longer()
    tenant = await tenancy.require_tenant(scope)
    acting = replace(scope, actor=actor_of(visit, user), plan=tenant.plan)
    first = msgspec.convert(found.proof, Proof)
    if first.provider_id is not None and not await _is_enabled(acting, first):
        raise no_longer()
    # Asked at each step: who is kept out now gets no code sent and sets up no factor.
    await check_door(acting, policy_from(tenant.security), user, first)
    return Waiting(Errand(acting), found, user, token)


async def describe(waiting: Waiting) -> Usable:
    """What the waiting sign-in can be completed with."""
    async with waiting.errand.scope() as scope:
        return await usable_factors(scope, waiting.user.id)


async def ask(waiting: Waiting, method: str) -> Asked:
    """Send a code, or say what a key is to sign.

    Raises: Forbidden: the method is not one that may be used. RateLimited: so many were sent.
        InvalidRequest: there is nothing to send for this method.
    """
    _check_set_up(waiting)
    factors = (await describe(waiting)).require(method)
    if method in SENT:
        await sending.send_code(waiting.errand, waiting.user, factors[0], waiting.challenge.id)
        return Asked(method, factors[0].label, None)
    if method != WEBAUTHN:
        raise invalid_field(
            "code", "Field required", "Send the `code` your app shows, or one of your backup codes."
        )
    challenge = webauthn.new_challenge()
    async with waiting.errand.scope() as scope:
        await rows.set_assertion(scope.conn, scope.tenant_id, waiting.challenge.id, challenge)
    options = webauthn.assertion_options(waiting.errand.house, challenge, factors)
    return Asked(method, None, options)


async def complete(waiting: Waiting, answer: Answer) -> tuple[User, OpenedSession]:
    """Open the session the sign-in waits for, if the second factor is right.

    Raises: Unauthorized: it is wrong, or the sign-in is over. RateLimited: too many were wrong.
        Forbidden: the method may not be used, or the policy keeps them out.
    """
    _check_set_up(waiting)
    if answer.credential is not None:
        # Spent with this look, whatever comes of it.
        async with waiting.errand.scope() as scope:
            signed = await rows.take_assertion(scope.conn, scope.tenant_id, waiting.challenge.id)
        answer = replace(answer, signed=signed)
    used = await verify_second_factor(
        waiting.errand, waiting.user, answer, bound_to=waiting.challenge.id
    )
    return await finish(waiting, used)


async def finish(waiting: Waiting, used: Factor | None) -> tuple[User, OpenedSession]:
    """Open the session of a sign-in whose second factor was just proved.

    Raises: as `complete`.
    """
    async with waiting.errand.scope() as scope:
        user = await people.lock_user(scope.conn, scope.tenant_id, waiting.user.id)
        taken = await rows.take_challenge(
            scope.conn, scope.tenant_id, hash_token(waiting.token), SIGN_IN, now=scope.now
        )
        if user is None or taken is None or not still_stands(scope, taken, user):
            raise no_longer()
        first = msgspec.convert(taken.proof, Proof)
        if first.provider_id is not None and not await _is_enabled(scope, first):
            raise no_longer()
        proof = msgspec.structs.replace(
            first,
            amr=tuple(dict.fromkeys([*first.amr, *amr_of(used)])),
            proved_at=None,
            second_factor=True,
        )
        return user, await arrive(scope, user, proof, kind=str(taken.session_kind))


def still_stands(scope: Scope, challenge: Challenge, user: User) -> bool:
    """Whether the account is open, and what was proved is still its proof."""
    return user.may_sign_in(scope.now) and challenge.account_mark == account_mark(user)


def no_longer() -> Unauthorized:
    """One refusal, whatever is amiss with a waiting sign-in."""
    return Unauthorized(
        "This sign-in is over or unknown. Sign in again.",
        details={"field": "mfa_token", "reason": "sign_in_over"},
    )


async def _is_enabled(scope: Scope, proof: Proof) -> bool:
    """Whether the provider is on, held so until the end, and its protocol is still in the plan."""
    if proof.provider_id is None or proof.method not in plan_of(scope.plan).features:
        return False
    found = await rows.find_provider_settings(scope.conn, scope.tenant_id, proof.provider_id)
    return found is not None


def _check_set_up(waiting: Waiting) -> None:
    if waiting.challenge.enrolling:
        raise Conflict(
            "Set up a second factor first: POST /v1/auth/mfa/setup with this `mfa_token`.",
            details={"reason": "enrollment_required"},
        )
