"""Proving once more who one is by a second factor, in a session that is open."""

from datetime import timedelta
from uuid import UUID

from leanvibe_server.identity import opaque
from leanvibe_server.identity.mfa import repository as rows
from leanvibe_server.identity.mfa import sending, webauthn
from leanvibe_server.identity.mfa.challenges import Asked
from leanvibe_server.identity.mfa.models import SENT, STEP_UP, Challenge
from leanvibe_server.identity.mfa.service import (
    Answer,
    amr_of,
    usable_factors,
    verify_second_factor,
)
from leanvibe_server.identity.models import User
from leanvibe_server.identity.repository import people
from leanvibe_server.kernel.access import Errand, only_people, require_signed_in
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.errors import Forbidden, InvalidRequest, Unauthorized, invalid_field

VALID_FOR = timedelta(minutes=5)


async def ask_own(errand: Errand, method: str) -> Asked:
    """Send the caller a code for this session, or say what their key is to sign.

    Raises: Forbidden: the method is not one of theirs, or a key calls. RateLimited.
    """
    session_id, user = await _own(errand)
    async with errand.scope() as scope:
        factors = (await usable_factors(scope, user.id)).require(method)
    if method in SENT:
        await sending.send_code(errand, user, factors[0], session_id)
        return Asked(method, factors[0].label, None)
    challenge = webauthn.new_challenge()
    async with errand.scope() as scope:
        await rows.take_step_up(scope.conn, scope.tenant_id, user.id, session_id)
        await rows.insert_challenge(
            scope.conn,
            Challenge(
                tenant_id=scope.tenant_id,
                id=scope.new_id(),
                user_id=user.id,
                purpose=STEP_UP,
                session_id=session_id,
                webauthn_challenge=challenge,
                created_at=scope.now,
                expires_at=scope.now + VALID_FOR,
            ),
            # Found by its session; nobody bears its token.
            hash_token(opaque.new_token(scope.tenant_id)),
        )
    return Asked(method, None, webauthn.assertion_options(errand.house, challenge, factors))


async def prove_own(errand: Errand, answer: Answer) -> tuple[str, ...]:
    """The methods (RFC 8176) that the caller's second factor proves. It is used up.

    Raises: Forbidden: it is wrong, which is counted. InvalidRequest: they have set up none.
        RateLimited: too many were wrong.
    """
    session_id, user = await _own(errand)
    async with errand.scope() as scope:
        usable = await usable_factors(scope, user.id)
        if not usable.methods:
            raise _none_set_up()
        if answer.credential is not None:
            taken = await rows.take_step_up(scope.conn, scope.tenant_id, user.id, session_id)
            live = [one.webauthn_challenge for one in taken if one.expires_at > scope.now]
            answer = Answer(answer.method, None, answer.credential, live[0] if live else None)
    try:
        return amr_of(await verify_second_factor(errand, user, answer, bound_to=session_id))
    except Unauthorized as wrong:
        raise Forbidden(wrong.message, details=_as_field(wrong)) from None


def _as_field(wrong: Unauthorized) -> dict[str, object]:
    why = f"mfa_code: {wrong.message.rstrip('.')}"
    return {**wrong.details, "field": "mfa_code", "validation_errors": [why]}


def _none_set_up() -> InvalidRequest:
    return invalid_field(
        "mfa_code", "no factor is set up", "You have set up no second factor. Send your `password`."
    )


async def _own(errand: Errand) -> tuple[UUID, User]:
    user_id, session_id = require_signed_in(errand.caller.actor)
    async with errand.scope() as scope:
        user = await people.find_user(scope.conn, scope.tenant_id, user_id)
    if user is None:
        raise only_people()
    return session_id, user
