"""One's own account over HTTP, and the sessions of the people one looks after."""

from enum import Enum
from typing import Annotated

from leanvibe_server.identity.account import emails, naming, others, passwords, proving
from leanvibe_server.identity.account.schemas import (
    Accepted,
    EmailChange,
    EndedSessions,
    Forgotten,
    OwnChange,
    PasswordChange,
    PasswordReset,
    SignOutEverywhere,
    StepUpRequest,
)
from leanvibe_server.identity.schemas import (
    Identity,
    LinkToken,
    SessionList,
    Success,
    TokenAnswer,
)
from leanvibe_server.kernel.access import Errand, Permission, may, may_go_out, visitor
from leanvibe_server.kernel.errors import (
    Conflict,
    NotFound,
    ServiceUnavailable,
)
from leanvibe_server.kernel.http import PathId, Router, bears_secret, refuses
from leanvibe_server.kernel.platform import Reason
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope

router = Router()

AUTH: list[str | Enum] = ["Authentication"]
PEOPLE: list[str | Enum] = ["Users"]


@router.patch("/auth/me", tags=AUTH, responses=refuses(Conflict))
async def change_me(change: OwnChange, scope: Annotated[Scope, may(Permission.SELF)]) -> Identity:
    """Change your name. Where a directory keeps it by SCIM, change it there (409 with
    `details.reason` `name_provisioned`)."""
    return await naming.change_own(scope, change)


@router.post("/auth/step-up", tags=AUTH, responses=refuses(ServiceUnavailable))
@bears_secret
async def step_up(
    request: StepUpRequest, errand: Annotated[Errand, may_go_out(Permission.SELF)]
) -> TokenAnswer:
    """Prove once more who you are: with a second factor if you have one, else your password.

    Sensitive changes ask for a proof of the last ten minutes and answer 403 with
    `details.reason` `step_up_required` otherwise. The session goes on under a new id: use the
    tokens of this answer, the earlier ones are refused.
    """
    return await proving.step_up(errand, request)


@router.post("/auth/password/change", tags=AUTH, responses=refuses(Conflict, ServiceUnavailable))
async def change_password(
    change: PasswordChange, errand: Annotated[Errand, may_go_out(Permission.SELF)]
) -> Success:
    """Change your password. Your other sessions end, and a mail tells you.

    A password needs length only (`details.validation_errors` says how much); it must not be
    among those that anyone would try first, nor among your latest ones.
    """
    return await passwords.change_password(errand, change)


@router.post("/auth/password/forgot", status_code=202, tags=AUTH)
async def request_password_reset(
    request: Forgotten, visit: Annotated[Visit, visitor(Reason.SIGN_IN)]
) -> Accepted:
    """Ask for a link to set a new password. It works once, within an hour.

    The answer is the same whether or not there is such an account.
    """
    return await passwords.forget_password(visit, request)


@router.post("/auth/password/reset", tags=AUTH, responses=refuses(NotFound, ServiceUnavailable))
async def reset_password(
    request: PasswordReset, visit: Annotated[Visit, visitor(Reason.SIGN_IN)]
) -> Success:
    """Set a new password with the token of the mailed link. All your sessions end; sign in with
    the new password afterwards."""
    return await passwords.reset_password(visit, request)


@router.post("/auth/email/change", status_code=202, tags=AUTH)
async def request_email_change(
    change: EmailChange, scope: Annotated[Scope, may(Permission.SELF, fresh=True)]
) -> Accepted:
    """Ask to use another e-mail address.

    The new address gets a link, the old one a warning. You sign in with the old address until
    the link was followed.
    """
    return await emails.ask_to_change(scope, change)


@router.post("/auth/email/confirm", tags=AUTH, responses=refuses(NotFound, Conflict))
async def confirm_email_change(
    request: LinkToken, visit: Annotated[Visit, visitor(Reason.SIGN_IN)]
) -> Success:
    """Use the new address from now on, with the token of the link that was mailed to it."""
    return await emails.change_email(visit, request)


@router.post("/auth/verify-email/resend", status_code=202, tags=AUTH, responses=refuses(Conflict))
async def resend_verification(scope: Annotated[Scope, may(Permission.SELF)]) -> Accepted:
    """Have the link that confirms your address mailed again."""
    return await emails.ask_again(scope)


@router.post("/auth/logout-all", tags=AUTH)
async def sign_out_everywhere(
    scope: Annotated[Scope, may(Permission.SELF)], wish: SignOutEverywhere | None = None
) -> EndedSessions:
    """End all your sessions, with `keep_current` all but this one."""
    return await others.sign_out_everywhere(scope, wish or SignOutEverywhere.model_validate({}))


@router.get("/users/{user_id}/sessions", tags=PEOPLE, responses=refuses(NotFound))
async def list_sessions_of_user(
    user_id: PathId, scope: Annotated[Scope, may(Permission.USER_UPDATE, ending=True)]
) -> SessionList:
    """The live sessions of one person of your tenant, oldest first."""
    return await others.describe_sessions(scope, user_id)


@router.delete("/users/{user_id}/sessions", tags=PEOPLE, responses=refuses(NotFound))
async def end_sessions_of_user(
    user_id: PathId, scope: Annotated[Scope, may(Permission.USER_UPDATE, ending=True)]
) -> EndedSessions:
    """Sign one person of your tenant out everywhere."""
    return await others.end_every(scope, user_id)


@router.delete("/users/{user_id}/sessions/{session_id}", tags=PEOPLE, responses=refuses(NotFound))
async def end_session_of_user(
    user_id: PathId,
    session_id: PathId,
    scope: Annotated[Scope, may(Permission.USER_UPDATE, ending=True)],
) -> Success:
    """End one session of one person of your tenant."""
    return await others.end_one(scope, user_id, session_id)
