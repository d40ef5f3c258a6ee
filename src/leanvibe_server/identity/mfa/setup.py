"""Setting up a second factor: begun in one call, confirmed in another, within fifteen minutes.

Whoever is signed in and has proved themselves lately may, and so may who must have one and has
none: their waiting sign-in lets them do this and nothing else.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from leanvibe_server.identity.account.proving import require_own
from leanvibe_server.identity.mfa import (
    backup_codes,
    challenges,
    guesses,
    mails,
    numbers,
    sending,
    totp,
    webauthn,
)
from leanvibe_server.identity.mfa import repository as rows
from leanvibe_server.identity.mfa.challenges import Waiting
from leanvibe_server.identity.mfa.events import BackupCodesMade, FactorAdded, FactorRemoved
from leanvibe_server.identity.mfa.models import EMAIL, SENT, SMS, TOTP, WEBAUTHN, Factor
from leanvibe_server.identity.mfa.registry import claim, forget_keys
from leanvibe_server.identity.mfa.service import (
    amr_of,
    digits_of,
    note_wrong,
    totp_secret,
    usable_factors,
    wrong_answer,
)
from leanvibe_server.identity.mfa.webauthn import NewKey, NotProved
from leanvibe_server.identity.models import User
from leanvibe_server.identity.policy import policy_of
from leanvibe_server.identity.refusals import no_credentials
from leanvibe_server.identity.repository import people
from leanvibe_server.identity.repository import sessions as session_rows
from leanvibe_server.identity.sessions import TOKEN, OpenedSession, end_all
from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.errors import Conflict, Forbidden, InvalidRequest
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.schemas import one_line
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.kernel.sealing import fetch_keys, seal

VALID_FOR = timedelta(minutes=15)
MAX_KEYS = 10
LABELS = {TOTP: "Authenticator app", WEBAUTHN: "Security key or passkey"}
MAX_LABEL = 60


@dataclass(frozen=True)
class Enrolling:
    """Who sets up a factor; `waiting` is the sign-in that goes on once they have."""

    errand: Errand
    user: User
    waiting: Waiting | None


@dataclass(frozen=True)
class Begun:
    """A factor to be confirmed, with what is shown once. Codes are None where the person has
    some already."""

    factor: Factor
    codes: list[str] | None
    secret: str = ""
    options: dict[str, Any] | None = None


async def enter(caller: Errand | Visit, token: str | None, *, kind: str = TOKEN) -> Enrolling:
    """Who may set up a factor: somebody signed in, or one whose sign-in waits for it.

    Raises: Unauthorized: neither. Forbidden: the sign-in waits for a factor that is there.
    """
    if isinstance(caller, Errand):
        async with caller.scope() as scope:
            return Enrolling(caller, (await require_own(scope)).user, None)
    if token is None:
        raise no_credentials()
    waiting = await challenges.require_waiting(caller, token, kind=kind)
    async with waiting.errand.scope() as scope:
        usable = await usable_factors(scope, waiting.user.id)
    if not waiting.challenge.enrolling or usable.has_any:
        raise Forbidden(
            "You have a second factor. Complete the sign-in with it first.",
            details={"reason": "second_factor_needed", "methods": usable.methods},
        )
    return Enrolling(waiting.errand, waiting.user, waiting)


async def begin(who: Enrolling, method: str, *, phone: str | None, name: str | None) -> Begun:
    """Begin to set up a factor. An earlier one of its method counts until this is confirmed.

    Raises: Forbidden: the organisation does not allow the method. InvalidRequest: the number is
        missing or unfit. Conflict: there are too many keys.
    """
    known = await _check_method(who, method)
    with_codes = method == TOTP or not await _has_codes(who)
    new = await backup_codes.make(who.errand.house, who.user) if with_codes else None
    number = numbers.require_number(who.errand.house.settings, phone or "") if method == SMS else ""
    secret = totp.new_secret() if method == TOTP else number
    challenge = webauthn.new_challenge() if method == WEBAUTHN else None
    if secret:
        await fetch_keys(who.errand.house, who.errand.tenant_id, to_seal=True)
    async with who.errand.scope() as scope:
        factor = await _new_factor(
            scope, who.user, method, secret, _label(who, method, name, number)
        )
        await rows.insert_pending(scope.conn, factor, webauthn_challenge=challenge)
        if new is not None:
            await backup_codes.keep(scope, who.user, new, pending=factor)
    if method in SENT:
        await sending.send_code(who.errand, who.user, factor, factor.id)
    options = None
    if challenge is not None:
        options = webauthn.registration_options(who.errand.house, who.user, challenge, known)
    return Begun(factor, None if new is None else new.codes, secret, options)


async def confirm(
    who: Enrolling, method: str, *, code: str | None, credential: dict[str, Any] | None
) -> tuple[User, OpenedSession] | None:
    """Have a factor count from now on; the session a waiting sign-in gets with it.

    Raises: Unauthorized: the code is wrong. InvalidRequest: nothing waits to be confirmed, or the
        key does not hold. RateLimited: too many codes were wrong.
    """
    await _check_method(who, method)
    async with who.errand.scope() as scope:
        pending = await rows.find_pending(
            scope.conn, scope.tenant_id, who.user.id, method, now=scope.now
        )
    if pending is None:
        raise InvalidRequest(
            f"Nothing waits to be confirmed for {method}. Begin with POST /v1/auth/mfa/setup.",
            details={"field": "method", "reason": "not_set_up"},
        )
    if method == WEBAUTHN:
        await _confirm_key(who, pending, credential)
    else:
        await _confirm_code(who, pending, code)
    return None if who.waiting is None else await challenges.finish(who.waiting, pending)


async def _confirm_code(who: Enrolling, pending: Factor, code: str | None) -> None:
    house, user = who.errand.house, who.user
    attempt = guesses.attempt_at(
        house, user, f"setup {pending.method}", who.errand.caller.actor.address
    )
    failures = await guesses.spend(house, attempt)
    digits = digits_of(code)
    step: int | None = None
    if pending.method == TOTP:
        await fetch_keys(house, user.tenant_id)
        async with who.errand.scope() as scope:
            secret = await totp_secret(scope, pending)
            fits = len(digits) == totp.DIGITS and digits.isascii()
            step = totp.matching_step(secret, digits, now=scope.now) if fits else None
        right = step is not None
    else:
        right = await sending.check_code(who.errand, pending, digits, pending.id)
    if not right:
        await note_wrong(who.errand, user, pending.method, failures, "wrong code at the set-up")
        raise wrong_answer(pending.method)
    await guesses.forgive(house, attempt)
    async with who.errand.scope() as scope:
        await _activate(scope, who, msgspec.structs.replace(pending, last_step=step))


async def _confirm_key(who: Enrolling, pending: Factor, credential: dict[str, Any] | None) -> None:
    house = who.errand.house
    async with who.errand.scope() as scope:
        # Spent with this look, whatever comes of it.
        challenge = await rows.take_registration(scope.conn, scope.tenant_id, pending.id)
    try:
        if challenge is None or credential is None:
            raise NotProved("nothing was asked of a key, or it was answered before")
        key = webauthn.judge_registration(house, credential, challenge)
        if not await claim(house, key.credential_id):
            raise NotProved("the key is registered")
    except NotProved as reason:
        await note_wrong(who.errand, who.user, WEBAUTHN, 0, str(reason))
        raise _key_refused() from None
    try:
        async with who.errand.scope() as scope:
            await _activate(scope, who, _with_key(pending, key))
    except BaseException:
        await forget_keys(house, [key.credential_id])
        raise


async def _activate(scope: Scope, who: Enrolling, factor: Factor) -> None:
    """Have the factor count; whatever it replaces does no longer."""
    await _hold(scope, who)
    before = await rows.list_verified(scope.conn, scope.tenant_id, who.user.id)
    if factor.method != WEBAUTHN:
        for other in await rows.delete_others(scope.conn, factor):
            if other.verified_at is not None:
                await scope.emit(
                    FactorRemoved(
                        user_id=who.user.id,
                        factor_id=other.id,
                        method=other.method,
                        reason="replaced",
                    )
                )
    if await rows.activate(scope.conn, factor, now=scope.now) is None:
        raise _no_longer_pending()
    if await rows.confirm_codes(scope.conn, scope.tenant_id, who.user.id, factor.id):
        await scope.emit(BackupCodesMade(user_id=who.user.id))
    await scope.emit(FactorAdded(user_id=who.user.id, factor_id=factor.id, method=factor.method))
    await mails.factor_added(scope, who.user, factor.method)
    if scope.actor.session_id is not None:
        # Its code was just given in this session.
        await session_rows.add_amr(
            scope.conn, scope.tenant_id, scope.actor.session_id, amr_of(factor)
        )
    if not before:
        # They were opened with less than a sign-in takes from now on.
        own = scope.actor.session_id
        await end_all(scope, who.user.id, reason="a second factor was set up", keep=own)


async def _hold(scope: Scope, who: Enrolling) -> None:
    """Hold the account, so that set-ups of one person go one after the other: two who know the
    password and nothing else do not both set a factor up."""
    user = await people.lock_user(scope.conn, scope.tenant_id, who.user.id)
    if user is None or not user.may_sign_in(scope.now):
        raise challenges.no_longer()
    if who.waiting is not None:
        usable = await usable_factors(scope, who.user.id)
        if usable.has_any:
            raise _no_longer_pending()


async def _check_method(who: Enrolling, method: str) -> list[Factor]:
    """The person's keys. Raises: Forbidden, Conflict: as `begin`."""
    async with who.errand.scope() as scope:
        policy = await policy_of(scope)
        every = await rows.list_verified(scope.conn, scope.tenant_id, who.user.id)
    if method not in policy.mfa_methods:
        raise Forbidden(
            f"Your organisation does not allow {method} as a second factor.",
            details={"reason": "method_not_allowed", "methods": list(policy.mfa_methods)},
        )
    if method == SMS and who.errand.house.settings.sends_sms == "none":
        raise InvalidRequest(
            "This installation sends no text messages. Choose another method.",
            details={"field": "method", "reason": "sms_not_set_up"},
        )
    keys = [factor for factor in every if factor.method == WEBAUTHN]
    if method == WEBAUTHN and len(keys) >= MAX_KEYS:
        raise Conflict(f"You have {MAX_KEYS} keys. Remove one you no longer use first.")
    return keys


async def _has_codes(who: Enrolling) -> bool:
    async with who.errand.scope() as scope:
        return await rows.count_codes(scope.conn, scope.tenant_id, who.user.id) > 0


async def _new_factor(scope: Scope, user: User, method: str, secret: str, label: str) -> Factor:
    factor_id = scope.new_id()
    place = ("mfa_factors", "secret_sealed", factor_id)
    return Factor(
        tenant_id=scope.tenant_id,
        id=factor_id,
        user_id=user.id,
        method=method,
        label=label,
        secret_sealed=await seal(scope, secret.encode(), place=place) if secret else None,
        created_at=scope.now,
        expires_at=scope.now + VALID_FOR,
    )


def _label(who: Enrolling, method: str, name: str | None, number: str) -> str:
    if method == SMS:
        return numbers.masked(number)
    if method == EMAIL:
        return numbers.masked_address(who.user.email)
    return one_line(name or "")[:MAX_LABEL] or LABELS[method]


def _with_key(pending: Factor, key: NewKey) -> Factor:
    return msgspec.structs.replace(
        pending,
        credential_id=key.credential_id,
        public_key=key.public_key,
        sign_count=key.sign_count,
        backup_eligible=key.backup_eligible,
        backed_up=key.backed_up,
        transports=key.transports,
    )


def _key_refused() -> InvalidRequest:
    # The same whatever is amiss: whether a key is registered elsewhere is nobody's business.
    return InvalidRequest(
        "The key could not be registered. Begin again, or use another key.",
        details={"field": "credential", "reason": "key_not_registered"},
    )


def _no_longer_pending() -> Conflict:
    return Conflict("This set-up was confirmed or replaced meanwhile. Look at your factors.")
