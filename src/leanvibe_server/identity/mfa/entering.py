"""The use cases of second factors as the API prints them."""

from uuid import UUID

from leanvibe_server.identity.login import SignedIn, answer, device_token_of
from leanvibe_server.identity.mfa import challenges, factors, passkeys, sending, setup, totp
from leanvibe_server.identity.mfa.demand import VALID_FOR
from leanvibe_server.identity.mfa.models import SENT, TOTP
from leanvibe_server.identity.mfa.schemas import (
    Activated,
    ActivatedAndSignedIn,
    BackupCodes,
    ChallengeRequest,
    ChallengeStep,
    FactorList,
    FactorName,
    FactorView,
    KeySetup,
    PasskeyLogin,
    PasskeyOptions,
    ResetDone,
    SentSetup,
    SetupRequest,
    StepUpAsk,
    TotpSetup,
    VerifyRequest,
)
from leanvibe_server.identity.mfa.service import Answer
from leanvibe_server.identity.mfa.stepping import ask_own
from leanvibe_server.identity.models import User
from leanvibe_server.identity.schemas import TokenAnswer
from leanvibe_server.identity.sessions import TOKEN, OpenedSession
from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope

ACTIVATED = "MFA verified and activated successfully"
CODE_S = int(sending.VALID_FOR.total_seconds())


async def begin(caller: Errand | Visit, request: SetupRequest) -> TotpSetup | SentSetup | KeySetup:
    """Begin to set up a factor. Raises: as `setup.enter` and `setup.begin`."""
    who = await setup.enter(caller, request.mfa_token)
    begun = await setup.begin(who, request.method, phone=request.phone, name=request.name)
    if request.method == TOTP:
        return TotpSetup(
            method=TOTP,
            secret=begun.secret,
            qr_code=totp.qr_code(begun.secret, account=who.user.email),
            backup_codes=begun.codes or [],
        )
    if request.method in SENT:
        return SentSetup(
            method=request.method,
            sent_to=begun.factor.label,
            expires_in=CODE_S,
            backup_codes=begun.codes,
        )
    return KeySetup(method=request.method, options=begun.options or {}, backup_codes=begun.codes)


async def confirm(
    caller: Errand | Visit, request: VerifyRequest
) -> Activated | ActivatedAndSignedIn:
    """Have a factor count; complete the sign-in that waited for it. Raises: as `setup.confirm`."""
    who = await setup.enter(caller, request.mfa_token)
    opened = await setup.confirm(
        who, request.method, code=request.code, credential=request.credential
    )
    if opened is None:
        return Activated(message=ACTIVATED)
    tokens = _tokens(who.errand.house, opened)
    return ActivatedAndSignedIn(**tokens.model_dump(), message=ACTIVATED)


async def pass_challenge(visit: Visit, request: ChallengeRequest) -> TokenAnswer | ChallengeStep:
    """Complete a waiting sign-in, or ask for what completes it. Raises: as `challenges`."""
    waiting = await challenges.require_waiting(visit, request.mfa_token, kind=TOKEN)
    if request.code is None and request.credential is None and request.method is not None:
        asked = await challenges.ask(waiting, request.method)
        return _step(asked)
    given = Answer(request.method, request.code, request.credential)
    return _tokens(visit.house, await challenges.complete(waiting, given))


async def ask_to_step_up(errand: Errand, request: StepUpAsk) -> ChallengeStep:
    """Send the caller a code, or say what their key is to sign. Raises: as `stepping.ask_own`."""
    return _step(await ask_own(errand, request.method))


async def describe(scope: Scope) -> FactorList:
    """The caller's factors."""
    return FactorList.of(await factors.list_own(scope))


async def remove(errand: Errand, factor_id: UUID) -> None:
    """Remove one of the caller's factors. Raises: as `factors.remove`."""
    await factors.remove(errand, factor_id)


async def rename(scope: Scope, factor_id: UUID, request: FactorName) -> FactorView:
    """Give a factor another name. Raises: as `factors.rename`."""
    return FactorView.of(await factors.rename(scope, factor_id, request.name))


async def make_codes(errand: Errand) -> BackupCodes:
    """New backup codes. Raises: as `factors.make_codes`."""
    return BackupCodes(backup_codes=await factors.make_codes(errand))


async def reset(errand: Errand, user_id: UUID) -> ResetDone:
    """Remove another person's factors. Raises: as `factors.reset`."""
    return ResetDone(success=True, sessions_ended=await factors.reset(errand, user_id))


async def offer_passkey(visit: Visit) -> PasskeyOptions:
    """What a passkey is to sign."""
    token, options = await passkeys.offer(visit, kind=TOKEN)
    return PasskeyOptions(
        passkey_token=token, expires_in=int(VALID_FOR.total_seconds()), options=options
    )


async def use_passkey(visit: Visit, request: PasskeyLogin) -> TokenAnswer:
    """Sign in with a passkey. Raises: as `passkeys.sign_in`."""
    opened = await passkeys.sign_in(visit, request.passkey_token, request.credential, kind=TOKEN)
    return _tokens(visit.house, opened)


def _tokens(house: House, opened: tuple[User, OpenedSession]) -> TokenAnswer:
    user, session = opened
    return answer(house, SignedIn(user, session), device_token=device_token_of(house, user))


def _step(asked: challenges.Asked) -> ChallengeStep:
    seconds = CODE_S if asked.sent_to is not None else int(VALID_FOR.total_seconds())
    return ChallengeStep(
        method=asked.method, sent_to=asked.sent_to, expires_in=seconds, options=asked.options
    )
