"""Codes that are sent: six digits by SMS or mail, good once, for ten minutes, for one thing."""

import hmac
import secrets
from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from leanvibe_server.identity.mfa import guesses, mails
from leanvibe_server.identity.mfa import repository as rows
from leanvibe_server.identity.mfa.events import CodeSent
from leanvibe_server.identity.mfa.models import EMAIL, Factor, SentCode
from leanvibe_server.identity.models import User
from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.sealing import fetch_keys, unseal
from leanvibe_server.kernel.sms import Sms, queue_sms

DIGITS = 6
VALID_FOR = timedelta(minutes=10)
VALID_MINUTES = 10
NUMBER_PLACE = ("mfa_factors", "secret_sealed")
DAY = timedelta(days=1)
MAILS_PER_HOUR = 10


async def send_code(errand: Errand, user: User, factor: Factor, bound_to: UUID) -> None:
    """Send a code for `bound_to`. Earlier codes for the same are refused from now on.

    Raises: RateLimited: so many were sent that something is wrong.
    Source: OWASP ASVS 5.0, 6.6.2: a code is bound to the request it was made for.
    """
    await fetch_keys(errand.house, errand.tenant_id, to_seal=factor.method != EMAIL)
    async with errand.scope() as scope:
        number = None
        if factor.method != EMAIL and factor.secret_sealed is not None:
            number = (await unseal(scope, factor.secret_sealed, place=_place(factor))).decode()
    await _spend(errand.house, user, number)
    digits = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    async with errand.scope() as scope:
        sent = SentCode(
            tenant_id=scope.tenant_id,
            id=scope.new_id(),
            user_id=user.id,
            factor_id=factor.id,
            bound_to=bound_to,
            code_hash=b"",
            created_at=scope.now,
            expires_at=scope.now + VALID_FOR,
        )
        await rows.insert_sent(scope.conn, _with_hash(errand.house, sent, digits))
        if number is None:
            await mails.code(scope, user, digits, minutes=VALID_MINUTES)
        else:
            text = f"{digits} is your LeanVibe code. It is good for {VALID_MINUTES} minutes."
            await queue_sms(scope, Sms(number, text), good_for=VALID_FOR)
        await scope.emit(CodeSent(user_id=user.id, factor_id=factor.id, method=factor.method))


async def check_code(errand: Errand, factor: Factor, digits: str, bound_to: UUID) -> bool:
    """Use up the code that was sent for `bound_to`; False when it is another, or none."""
    async with errand.scope() as scope:
        sent = await rows.find_sent(scope.conn, factor, bound_to, now=scope.now)
        if sent is None or not hmac.compare_digest(
            _hash(errand.house, sent.id, digits), sent.code_hash
        ):
            return False
        return await rows.take_sent(scope.conn, scope.tenant_id, sent.id)


async def _spend(house: House, user: User, number: str | None) -> None:
    """Count a message against all that bounds it: each costs money, and somebody may profit.

    Source: OWASP, "Multifactor Authentication Cheat Sheet", SMS pumping.
    """
    settings = house.settings
    limits: list[tuple[str, str, int, timedelta]] = [
        ("mail sent", f"{user.tenant_id} {user.id}", MAILS_PER_HOUR, guesses.HOUR)
    ]
    if number is not None:
        limits = [
            ("sms to number", number, settings.sms_per_number_hour, guesses.HOUR),
            ("sms to number, daily", number, settings.sms_per_number_day, DAY),
            ("sms of user", f"{user.tenant_id} {user.id}", settings.sms_per_user_day, DAY),
            ("sms of tenant", str(user.tenant_id), settings.sms_per_tenant_day, DAY),
        ]
    for purpose, text, most, window in limits:
        if not await guesses.within(house, purpose, text, most=most, window=window):
            raise guesses.spent(
                "Too many codes were sent. Use another method, or try again later.",
                window,
                reason="too_many_messages",
            )


def _place(factor: Factor) -> tuple[str, str, UUID]:
    return (*NUMBER_PLACE, factor.id)


def _with_hash(house: House, sent: SentCode, digits: str) -> SentCode:
    return replace(sent, code_hash=_hash(house, sent.id, digits))


def _hash(house: House, sent_id: UUID, digits: str) -> bytes:
    # The id is the salt; the key keeps a stolen table from telling a code in time.
    return house.vault.keyed_hash("sent code", f"{sent_id} {digits}")
