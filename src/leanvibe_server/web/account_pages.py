"""One's own account: who one is, password, address, and where one is signed in."""

from typing import Annotated, Any

from fastapi import Response

from leanvibe_server.identity import sessions
from leanvibe_server.identity.account import emails, naming, others, passwords
from leanvibe_server.identity.account.schemas import (
    EmailChange,
    OwnChange,
    PasswordChange,
    SignOutEverywhere,
)
from leanvibe_server.identity.policy import policy_of
from leanvibe_server.identity.schemas import SessionView
from leanvibe_server.identity.users import is_name_provisioned, require_user
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import Forbidden
from leanvibe_server.kernel.http import PathId
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.web.forms import fill
from leanvibe_server.web.page import ErrandPage, ScopedPage, errand_page, page
from leanvibe_server.web.routes import PageRouter

router = PageRouter()

SELF = page(Permission.SELF)
FRESH = page(Permission.SELF, fresh=True)
ERRAND = errand_page(Permission.SELF)


@router.get("/account")
async def show_account(opened: Annotated[ScopedPage, SELF]) -> Response:
    """Profile, password, address and sessions."""
    return opened.show("settings/account.html", **await _values(opened.scope))


@router.post("/account/name")
async def change_name(opened: Annotated[ScopedPage, SELF]) -> Response:
    """Change what other people read."""
    typed = {"username": opened.form.text("username")}
    values = await _values(opened.scope) | {"typed_name": typed["username"]}
    with opened.refusing("settings/account.html", **values):
        await naming.change_own(opened.scope, fill(OwnChange, typed))
    return opened.go("/account", toast="name-changed")


@router.post("/account/password")
async def change_password(opened: Annotated[ErrandPage, ERRAND]) -> Response:
    """Change the password; the other sessions end."""
    async with opened.errand.scope() as scope:
        values = await _values(scope)
    typed = {name: opened.form.secret(name) for name in ("current_password", "new_password")}
    with opened.refusing("settings/account.html", **values):
        await passwords.change_password(opened.errand, fill(PasswordChange, typed))
    return opened.go("/account", toast="password-changed")


@router.post("/account/email")
async def change_email(opened: Annotated[ScopedPage, FRESH]) -> Response:
    """Ask for another address; it counts once its link was followed."""
    typed = {"new_email": opened.form.text("new_email")}
    with opened.refusing("settings/account.html", **await _values(opened.scope)):
        await emails.ask_to_change(opened.scope, fill(EmailChange, typed))
    return opened.go("/account", toast="link-sent")


@router.post("/account/verify-email")
async def verify_again(opened: Annotated[ScopedPage, SELF]) -> Response:
    """Have the link that confirms the address mailed again."""
    with opened.refusing("settings/account.html", **await _values(opened.scope)):
        await emails.ask_again(opened.scope)
    return opened.go("/account", toast="link-sent")


@router.post("/account/sessions/{session_id}/end")
async def end_session(session_id: PathId, opened: Annotated[ScopedPage, SELF]) -> Response:
    """Sign one device out; one's own leads to the sign-in."""
    await sessions.end_own(opened.scope, session_id)
    if session_id != opened.scope.actor.session_id:
        return opened.go("/account", toast="session-ended")
    response = opened.go("/login", toast="signed-out")
    opened.end_session(response)
    return response


@router.post("/account/sign-out-everywhere")
async def sign_out_everywhere(opened: Annotated[ScopedPage, SELF]) -> Response:
    """Sign every device out, or every one but this."""
    keep = opened.form.checked("keep_current")
    await others.sign_out_everywhere(opened.scope, SignOutEverywhere(keep_current=keep))
    if keep:
        return opened.go("/account", toast="sessions-ended")
    response = opened.go("/login", toast="signed-out")
    opened.end_session(response)
    return response


async def _values(scope: Scope) -> dict[str, Any]:
    if scope.actor.id is None:
        raise Forbidden("Only a person who signed in has an account.")
    current = scope.actor.session_id
    listed = [SessionView.of(one, current=current) for one in await sessions.list_own(scope)]
    policy = await policy_of(scope)
    user = await require_user(scope, scope.actor.id)
    return {
        "user": user,
        "typed_name": user.username,
        "name_provisioned": await is_name_provisioned(scope, user),
        "sessions": sorted(
            listed, key=lambda one: (not one.current, -one.last_seen_at.timestamp())
        ),
        "min_length": policy.shortest_password,
        "password_history": policy.password_history,
    }
