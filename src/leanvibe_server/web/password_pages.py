"""Pages for people who cannot sign in: a forgotten password, and links out of the mail."""

from typing import Annotated

from fastapi import Response

from leanvibe_server.identity.account import emails, passwords
from leanvibe_server.identity.account.schemas import Forgotten, PasswordReset
from leanvibe_server.identity.schemas import LinkToken
from leanvibe_server.web.forms import fill
from leanvibe_server.web.page import Page, open_page
from leanvibe_server.web.routes import PageRouter

router = PageRouter()

ANYONE = open_page()


@router.get("/forgot")
async def show_forgot(opened: Annotated[Page, ANYONE]) -> Response:
    """Ask whose password is forgotten."""
    return opened.show("auth/forgot.html")


@router.post("/forgot")
async def forget(opened: Annotated[Page, ANYONE]) -> Response:
    """Have a link mailed; the page says the same for every address."""
    with opened.refusing("auth/forgot.html"):
        request = fill(Forgotten, {"email": opened.form.text("email")})
        answer = await passwords.forget_password(opened.visit, request)
    return opened.show(
        "auth/message.html",
        http_status=202,
        heading="Check your mail",
        drawing="mail",
        message=f"{answer.message} It works for an hour.",
        action="",
    )


@router.get("/reset/{token}")
async def show_reset(opened: Annotated[Page, ANYONE]) -> Response:
    """Ask for the new password."""
    return opened.show("auth/reset.html")


@router.post("/reset/{token}")
async def reset(token: str, opened: Annotated[Page, ANYONE]) -> Response:
    """Set it."""
    with opened.refusing("auth/reset.html"):
        request = fill(PasswordReset, {"token": token, "password": opened.form.secret("password")})
        await passwords.reset_password(opened.visit, request)
    return opened.go("/login", toast="password-set")


@router.get("/confirm-email/{token}")
async def show_confirmation(opened: Annotated[Page, ANYONE]) -> Response:
    """A question first: programs that look into mail follow links, but press no buttons."""
    return opened.show(
        "auth/message.html",
        heading="Confirm your new address",
        drawing="mail",
        message="One press, and you sign in with this address from now on.",
        action="Use this address",
    )


@router.post("/confirm-email/{token}")
async def confirm(token: str, opened: Annotated[Page, ANYONE]) -> Response:
    """Use the new address."""
    await emails.change_email(opened.visit, fill(LinkToken, {"token": token}))
    return opened.go("/login", toast="email-changed")
