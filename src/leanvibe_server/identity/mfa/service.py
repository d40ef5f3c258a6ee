"""Judging second factors: the one place where a code or a key's answer is found right or wrong."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from leanvibe_server.identity.mfa import backup_codes, guesses, mails, sending, totp, webauthn
from leanvibe_server.identity.mfa import repository as rows
from leanvibe_server.identity.mfa.events import SecondFactorFailed, SecondFactorUsed
from leanvibe_server.identity.mfa.models import (
    AMR,
    BACKUP_CODE,
    SENT,
    TOTP,
    WEBAUTHN,
    Factor,
)
from leanvibe_server.identity.mfa.webauthn import NotProved
from leanvibe_server.identity.models import User
from leanvibe_server.identity.policy import SecurityPolicy, policy_of
from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.errors import Forbidden, Unauthorized, invalid_field
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.kernel.sealing import fetch_keys, unseal

_SIX, _EIGHT = re.compile("[0-9]{6}"), re.compile("[0-9]{8}")


@dataclass(frozen=True)
class Answer:
    """What somebody gave as their second factor. `signed` is what a key was asked to sign."""

    method: str | None = None
    code: str | None = None
    credential: dict[str, Any] | None = None
    signed: bytes | None = None


@dataclass(frozen=True)
class Usable:
    """The factors of a person that the tenant's policy lets count, and the codes they have left.

    `has_any` also counts those the policy no longer allows: who has one must not get around it by
    setting up another with the password alone.
    """

    factors: Sequence[Factor]
    codes_left: int
    has_any: bool

    @property
    def methods(self) -> list[str]:
        """What may be asked for, in the order people see it."""
        found = list(dict.fromkeys(factor.method for factor in self.factors))
        return found + ([BACKUP_CODE] if self.codes_left else [])

    def of(self, method: str) -> list[Factor]:
        return [factor for factor in self.factors if factor.method == method]

    def require(self, method: str) -> list[Factor]:
        """The factors of a method. Raises: Forbidden: it is not one that may be used here."""
        if method not in self.methods:
            raise Forbidden(
                f"{method} cannot be used to confirm this sign-in.",
                details={"reason": "method_not_allowed", "methods": self.methods},
            )
        return self.of(method)


async def usable_factors(
    scope: Scope, user_id: UUID, policy: SecurityPolicy | None = None
) -> Usable:
    """What a person can prove themselves with in the scope's tenant."""
    policy = policy or await policy_of(scope)
    every = await rows.list_verified(scope.conn, scope.tenant_id, user_id)
    allowed = [factor for factor in every if factor.method in policy.mfa_methods]
    left = await rows.count_codes(scope.conn, scope.tenant_id, user_id) if every else 0
    return Usable(allowed, left, bool(every))


async def verify_second_factor(
    errand: Errand, user: User, answer: Answer, *, bound_to: UUID
) -> Factor | None:
    """The factor whose code or key this is; None for a backup code. What was given is used up.

    `bound_to` is what sent codes must have been made for. No transaction is open.
    Raises: Unauthorized: it is wrong, which is counted. RateLimited: too many were.
        Forbidden: the method is not allowed here. InvalidRequest: nothing was given.
    """
    async with errand.scope() as scope:
        usable = await usable_factors(scope, user.id)
    method = answer.method or _method_for(answer, usable)
    factors = usable.require(method)
    attempt = guesses.attempt_at(errand.house, user, method, errand.caller.actor.address)
    failures = await guesses.spend(errand.house, attempt)
    try:
        used = await _judge(errand, user, method, factors, answer, bound_to)
    except NotProved as reason:
        await note_wrong(errand, user, method, failures, str(reason))
        raise wrong_answer(method) from None
    await guesses.forgive(errand.house, attempt)
    await _note_used(errand, user, method, used)
    return used


def amr_of(used: Factor | None) -> tuple[str, ...]:
    """What a factor proves beside the first one, by RFC 8176."""
    return (AMR[BACKUP_CODE if used is None else used.method], "mfa")


def wrong_answer(method: str) -> Unauthorized:
    """One refusal, whatever is wrong with it."""
    what = "The key's answer does not hold" if method == WEBAUTHN else "The code is wrong or old"
    return Unauthorized(
        f"{what}. Try again.",
        details={"field": "code", "reason": "wrong_code", "method": method},
    )


def digits_of(code: str | None) -> str:
    """A code as it was typed, without the spaces apps show in it. ASCII digits only."""
    return (code or "").replace(" ", "")


def _method_for(answer: Answer, usable: Usable) -> str:
    """Which factor an answer is of, where it does not say."""
    if answer.credential is not None:
        return WEBAUTHN
    if answer.code is None:
        raise invalid_field(
            "code", "Field required", "Send a `code`, or say by `method` where to send one."
        )
    if _EIGHT.fullmatch(digits_of(answer.code)):
        return BACKUP_CODE
    coded = [method for method in usable.methods if method == TOTP or method in SENT]
    return min(coded, key=lambda method: method != TOTP, default=TOTP)


async def _judge(
    errand: Errand,
    user: User,
    method: str,
    factors: Sequence[Factor],
    answer: Answer,
    bound_to: UUID,
) -> Factor | None:
    if method == WEBAUTHN:
        return await _judge_key(errand, factors, answer)
    digits = digits_of(answer.code)
    if not (_EIGHT if method == BACKUP_CODE else _SIX).fullmatch(digits):
        raise NotProved("not the form of a code")
    if method == BACKUP_CODE:
        if not await backup_codes.redeem(errand, user, digits):
            raise NotProved("no such backup code")
        return None
    factor = factors[0]
    if method == TOTP:
        await _take_totp(errand, factor, digits)
    elif not await sending.check_code(errand, factor, digits, bound_to):
        raise NotProved("no such code was sent for this")
    return factor


async def _take_totp(errand: Errand, factor: Factor, digits: str) -> None:
    await fetch_keys(errand.house, errand.tenant_id)
    async with errand.scope() as scope:
        secret = await totp_secret(scope, factor)
        step = totp.matching_step(secret, digits, now=scope.now)
        if step is None:
            raise NotProved("no code of this time")
        if not await rows.take_step(scope.conn, scope.tenant_id, factor.id, step, now=scope.now):
            raise NotProved("this code was used")


async def totp_secret(scope: Scope, factor: Factor) -> str:
    """The key of an authenticator app."""
    place = ("mfa_factors", "secret_sealed", factor.id)
    return (await unseal(scope, factor.secret_sealed or b"", place=place)).decode()


async def _judge_key(errand: Errand, factors: Sequence[Factor], answer: Answer) -> Factor:
    if answer.credential is None or answer.signed is None:
        raise NotProved("nothing was asked of a key, or it was answered before")
    wanted = webauthn.credential_id(answer.credential)
    factor = next((one for one in factors if one.credential_id == wanted), None)
    if factor is None:
        raise NotProved("no key of this person")
    judged = webauthn.judge_assertion(
        errand.house, answer.credential, answer.signed, factor, verified=False
    )
    async with errand.scope() as scope:
        await take_counter(scope, factor, judged)
    return factor


async def take_counter(scope: Scope, factor: Factor, judged: webauthn.Assertion) -> None:
    """Keep a key's counter. Raises: NotProved: it did not grow, so there may be a copy."""
    if not await rows.take_sign_count(
        scope.conn,
        scope.tenant_id,
        factor.id,
        judged.sign_count,
        backed_up=judged.backed_up,
        now=scope.now,
    ):
        raise NotProved("the key's counter did not grow: it may have been copied")


async def note_wrong(errand: Errand, user: User, method: str, failures: int, reason: str) -> None:
    """Write a wrong answer to the log; from the one on that makes others wait, tell the owner."""
    async with errand.scope() as scope:
        await scope.emit(
            SecondFactorFailed(
                user_id=user.id, method=method, reason=reason[:200], failures=failures
            )
        )
        if failures == guesses.FACTOR.free:
            await mails.wrong_codes(scope, user, method)


async def _note_used(errand: Errand, user: User, method: str, used: Factor | None) -> None:
    async with errand.scope() as scope:
        if used is not None and method in SENT:
            await rows.see_factor(scope.conn, scope.tenant_id, used.id, now=scope.now)
        if used is None:
            left = await rows.count_codes(scope.conn, scope.tenant_id, user.id)
            await mails.backup_code_used(scope, user, left)
        await scope.emit(
            SecondFactorUsed(
                user_id=user.id, method=method, factor_id=None if used is None else used.id
            )
        )
