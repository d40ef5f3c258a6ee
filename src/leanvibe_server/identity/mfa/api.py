"""Second factors over HTTP."""

from enum import Enum
from typing import Annotated

from leanvibe_server.identity.mfa import entering
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
from leanvibe_server.identity.schemas import TokenAnswer
from leanvibe_server.kernel.access import (
    Errand,
    Permission,
    may,
    may_go_out,
    may_go_out_or_visit,
    visitor,
)
from leanvibe_server.kernel.errors import (
    Conflict,
    Forbidden,
    MfaRequired,
    NotFound,
    ServiceUnavailable,
    Unauthorized,
)
from leanvibe_server.kernel.http import PathId, Router, bears_secret, refuses
from leanvibe_server.kernel.platform import Reason
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope

router = Router()

MFA: list[str | Enum] = ["Second factors"]
PEOPLE: list[str | Enum] = ["Users"]


@router.get("/auth/mfa", tags=MFA)
async def list_factors(scope: Annotated[Scope, may(Permission.SELF)]) -> FactorList:
    """Your second factors, how many backup codes you have left, and what is asked of you."""
    return await entering.describe(scope)


@router.post("/auth/mfa/setup", tags=MFA, responses=refuses(Conflict))
@bears_secret
async def set_up_factor(
    caller: Annotated[
        Errand | Visit, may_go_out_or_visit(Permission.SELF, Reason.SIGN_IN, fresh=True)
    ],
    request: SetupRequest | None = None,
) -> TotpSetup | SentSetup | KeySetup:
    """Begin to set up a second factor: an authenticator app, codes by SMS or mail, or a key.

    It counts once its first code was sent to `/auth/mfa/verify`, within fifteen minutes. Who must
    have a factor before they may sign in sends the `mfa_token` of that sign-in instead of a
    session.
    """
    return await entering.begin(caller, request or SetupRequest.model_validate({}))


@router.post("/auth/mfa/verify", tags=MFA, responses=refuses(Conflict))
@bears_secret
async def verify_factor(
    request: VerifyRequest,
    caller: Annotated[Errand | Visit, may_go_out_or_visit(Permission.SELF, Reason.SIGN_IN)],
) -> ActivatedAndSignedIn | Activated:
    """Confirm a factor with its first code, or a new key's answer. It counts from now on, and its
    backup codes replace earlier ones. With an `mfa_token` the waiting sign-in completes too."""
    return await entering.confirm(caller, request)


@router.post("/auth/mfa/challenge", tags=MFA, responses=refuses(Unauthorized, Forbidden, Conflict))
@bears_secret
async def complete_challenge(
    request: ChallengeRequest, visit: Annotated[Visit, visitor(Reason.SIGN_IN)]
) -> TokenAnswer | ChallengeStep:
    """Complete a sign-in that answered `mfa_required`.

    Send a code of your app, one that was sent to you, a backup code or a key's answer. With a
    `method` alone, `sms` and `email` send a code and `webauthn` answers what the key is to sign.
    A code is good once. A code of an app counts in its half minute and the next.
    """
    return await entering.pass_challenge(visit, request)


@router.post("/auth/mfa/step-up", tags=MFA)
async def request_step_up_code(
    request: StepUpAsk, errand: Annotated[Errand, may_go_out(Permission.SELF)]
) -> ChallengeStep:
    """Have a code sent for this session, or ask what your key is to sign, to send with
    `/auth/step-up`."""
    return await entering.ask_to_step_up(errand, request)


@router.post("/auth/mfa/backup-codes", tags=MFA, responses=refuses(Conflict, ServiceUnavailable))
@bears_secret
async def make_backup_codes(
    errand: Annotated[Errand, may_go_out(Permission.SELF, fresh=True)],
) -> BackupCodes:
    """Make eight new backup codes. The earlier ones are refused from now on."""
    return await entering.make_codes(errand)


@router.patch("/auth/mfa/{factor_id}", tags=MFA, responses=refuses(NotFound, Conflict))
async def rename_factor(
    factor_id: PathId, request: FactorName, scope: Annotated[Scope, may(Permission.SELF)]
) -> FactorView:
    """Give one of your keys or apps another name."""
    return await entering.rename(scope, factor_id, request)


@router.delete(
    "/auth/mfa/{factor_id}", status_code=204, tags=MFA, responses=refuses(NotFound, Conflict)
)
async def remove_factor(
    factor_id: PathId, errand: Annotated[Errand, may_go_out(Permission.SELF, fresh=True)]
) -> None:
    """Remove one of your second factors. A mail tells you. The last one stays where your
    organisation asks for one."""
    await entering.remove(errand, factor_id)


@router.post("/auth/passkeys/options", tags=MFA)
async def begin_passkey_sign_in(visit: Annotated[Visit, visitor(Reason.SIGN_IN)]) -> PasskeyOptions:
    """Begin to sign in with a passkey, without naming anybody."""
    return await entering.offer_passkey(visit)


@router.post(
    "/auth/passkeys/login", tags=MFA, responses=refuses(Unauthorized, MfaRequired, Forbidden)
)
@bears_secret
async def sign_in_by_passkey(
    request: PasskeyLogin, visit: Annotated[Visit, visitor(Reason.SIGN_IN)]
) -> TokenAnswer:
    """Sign in with a passkey. It names its owner, and must have verified them by itself."""
    return await entering.use_passkey(visit, request)


@router.post("/users/{user_id}/mfa/reset", tags=PEOPLE, responses=refuses(NotFound))
async def reset_factors(
    user_id: PathId, errand: Annotated[Errand, may_go_out(Permission.USER_UPDATE, fresh=True)]
) -> ResetDone:
    """Remove every second factor of a person who lost theirs, and sign them out everywhere.

    Make sure first that it is them who asks. They get a mail, and the log tells who did it. Not
    for people above your own role, nor for yourself.
    """
    return await entering.reset(errand, user_id)
