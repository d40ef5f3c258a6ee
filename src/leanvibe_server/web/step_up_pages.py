"""The page that asks once more who one is, before a sensitive change."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import Response

from leanvibe_server.identity.account import proving
from leanvibe_server.identity.account.schemas import StepUpRequest
from leanvibe_server.identity.users import require_user
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.web.forms import fill
from leanvibe_server.web.page import (
    SESSION_S,
    ErrandPage,
    ScopedPage,
    errand_page,
    local_path,
    page,
)
from leanvibe_server.web.routes import PageRouter
from leanvibe_server.web.step_up import open_ticket

router = PageRouter()

SELF = page(Permission.SELF)
ERRAND = errand_page(Permission.SELF)


@router.get("/step-up")
async def show_step_up(opened: Annotated[ScopedPage, SELF]) -> Response:
    """Ask for the password or a code."""
    wanted = opened.request.query_params.get("next")
    values = await _values(opened.scope, next_path=local_path(wanted), ticket="")
    return opened.show("auth/step_up.html", **values)


@router.post("/step-up")
async def step_up(opened: Annotated[ErrandPage, ERRAND]) -> Response:
    """Check it, and go on where the visitor was stopped."""
    form = opened.form
    next_path, ticket = local_path(form.text("next")), form.text("ticket")
    async with opened.errand.scope() as scope:
        values = await _values(scope, next_path=next_path, ticket=ticket)
    proof = {"password": form.secret("password") or None, "mfa_code": form.optional("mfa_code")}
    with opened.refusing("auth/step_up.html", **values):
        proved = await proving.prove_again(opened.errand, fill(StepUpRequest, proof))
    secret = proved.opened.secret
    interrupted = open_ticket(opened, ticket, proved.user.id)
    if interrupted is None:
        response: Response = opened.go(next_path)
    else:
        # Its form is bound to the cookie that this answer brings.
        renewed = replace(opened, holder=secret)
        response = renewed.show("auth/resume.html", form_path=interrupted.path,
                                fields=interrupted.fields)  # fmt: skip
    opened.begin_session(response, secret, max_age_s=SESSION_S)
    return response


async def _values(scope: Scope, *, next_path: str, ticket: str) -> dict[str, Any]:
    user = None if scope.actor.id is None else await require_user(scope, scope.actor.id)
    return {
        "next": next_path,
        "ticket": ticket,
        "has_password": user is not None and user.password_hash is not None,
    }
