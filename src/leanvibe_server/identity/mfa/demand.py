"""Asking for a second factor, when a first proof was right. `arrival.arrive` calls this."""

import hashlib
from datetime import timedelta

import msgspec

from leanvibe_server.identity import opaque
from leanvibe_server.identity.mfa import repository as rows
from leanvibe_server.identity.mfa.events import SecondFactorAsked
from leanvibe_server.identity.mfa.models import SIGN_IN, Challenge
from leanvibe_server.identity.mfa.service import Usable, usable_factors
from leanvibe_server.identity.models import Proof, User
from leanvibe_server.identity.policy import SecurityPolicy
from leanvibe_server.identity.repository import people
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.errors import AppError, Forbidden, MfaRequired
from leanvibe_server.kernel.scope import Scope

VALID_FOR = timedelta(minutes=5)


async def require_second_factor(
    scope: Scope, policy: SecurityPolicy, user: User, proof: Proof, *, kind: str
) -> None:
    """Let pass who proved a second factor, or needs none.

    A second factor is needed by who has set one up, and by everybody where the policy says so.
    Raises: MfaRequired: with what the sign-in goes on with. Forbidden: what the person has set up
        is no longer allowed here.
    """
    if proof.second_factor:
        return
    usable = await usable_factors(scope, user.id, policy)
    if not usable.has_any and not policy.mfa_required:
        return
    if await _is_vouched_for(scope, proof):
        return
    if usable.has_any and not usable.methods:
        raise Forbidden(
            "Your organisation no longer allows the second factor you have set up. Ask an "
            "administrator to reset your second factors.",
            details={"reason": "no_allowed_factor"},
        )
    raise await _ask(scope, user, proof, usable, policy, kind=kind)


async def _is_vouched_for(scope: Scope, proof: Proof) -> bool:
    """Whether the identity provider checked a second factor, and is one to be believed in that."""
    if proof.provider_id is None or "mfa" not in proof.amr:
        return False
    found = await rows.find_provider_settings(scope.conn, scope.tenant_id, proof.provider_id)
    settings = (found or {}).get("settings", {})
    return isinstance(settings, dict) and settings.get("trust_mfa") is True


async def _ask(
    scope: Scope, user: User, proof: Proof, usable: Usable, policy: SecurityPolicy, *, kind: str
) -> AppError:
    enrolling = not usable.has_any
    token = opaque.new_token(scope.tenant_id)
    current = await people.find_user(scope.conn, scope.tenant_id, user.id)
    await rows.insert_challenge(
        scope.conn,
        Challenge(
            tenant_id=scope.tenant_id,
            id=scope.new_id(),
            user_id=user.id,
            purpose=SIGN_IN,
            session_kind=kind,
            proof=msgspec.to_builtins(proof),
            account_mark=account_mark(current or user),
            enrolling=enrolling,
            created_at=scope.now,
            expires_at=scope.now + VALID_FOR,
        ),
        hash_token(token),
    )
    await scope.emit(SecondFactorAsked(user_id=user.id, method=proof.method, enrolling=enrolling))
    return mfa_required(token, usable, policy).keeping_writes()


def mfa_required(token: str, usable: Usable, policy: SecurityPolicy) -> MfaRequired:
    """The refusal that leads on."""
    enrolling = not usable.has_any
    message = (
        "Your organisation asks for a second factor. Set one up: POST /v1/auth/mfa/setup and "
        "/v1/auth/mfa/verify with this `mfa_token`."
        if enrolling
        else "A second factor is needed. Send `mfa_token` with a code to "
        "POST /v1/auth/mfa/challenge, or sign in again with `mfa_code`."
    )
    return MfaRequired(
        message,
        details={
            "methods": list(policy.mfa_methods) if enrolling else usable.methods,
            "mfa_token": token,
            "expires_in": int(VALID_FOR.total_seconds()),
            "enrollment_required": enrolling,
        },
    )


def account_mark(user: User) -> bytes:
    """Changes with what a first proof was given for, so that a sign-in that waits ends with it."""
    text = f"{user.email}\n{user.password_hash}\n{user.status}"
    return hashlib.sha256(text.encode()).digest()
