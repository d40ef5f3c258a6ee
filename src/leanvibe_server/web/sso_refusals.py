"""The page for who comes back from an identity provider in vain: why, and the way back."""

from typing import cast

from fastapi import Response

from leanvibe_server.identity.federation.protocols import Purpose
from leanvibe_server.kernel.errors import AppError
from leanvibe_server.web.page import Page

_LEADS_BACK: dict[Purpose, tuple[str, str, str]] = {
    "sign_in": ("You were not signed in", "/login", "Sign in"),
    "link": ("Nothing was linked", "/account/links", "Linked accounts"),
    "step_up": ("You did not confirm that it is you", "/step-up", "Try again"),
}


def show_refusal(opened: Page, error: AppError) -> Response:
    """The refusal on a page that leads back to where it began."""
    heading, path, label = _LEADS_BACK[cast(Purpose, error.set_off_for or "sign_in")]
    response = opened.show(
        "auth/message.html",
        http_status=error.status,
        heading=heading,
        drawing="warning",
        message=error.message,
        action="",
        here=path,
        way={"path": path, "label": label},
    )
    response.headers.update(error.headers)
    return response
