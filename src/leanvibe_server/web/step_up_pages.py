"""The page that asks once more who one is, before a sensitive change."""

from typing import Annotated

from fastapi import Response

from leanvibe_server.identity.account import proving
from leanvibe_server.identity.account.schemas import StepUpRequest
from leanvibe_server.identity.mfa.models import SENT, WEBAUTHN
from leanvibe_server.identity.mfa.stepping import ask_own
from leanvibe_server.identity.saml.stepping import take_ticket
from leanvibe_server.kernel.access import Permission
from leanvibe_server.web.forms import fill
from leanvibe_server.web.page import (
    ErrandPage,
    ScopedPage,
    errand_page,
    local_path,
    page,
)
from leanvibe_server.web.routes import PageRouter
from leanvibe_server.web.second_factor_pages import read_credential
from leanvibe_server.web.step_up import question, resume, show_interrupted

router = PageRouter()

SELF = page(Permission.SELF)
ERRAND = errand_page(Permission.SELF)
# What must be sent, or be given to a key, before it can be answered.
ASKED = SENT | {WEBAUTHN}


@router.get("/step-up")
async def show_step_up(opened: Annotated[ScopedPage, SELF]) -> Response:
    """Ask for the second factor, or the password."""
    wanted = opened.request.query_params.get("next")
    values = await question(opened.scope, next_path=local_path(wanted), ticket="")
    return opened.show("auth/step_up.html", **values)


@router.get("/step-up/resume")
async def go_on(opened: Annotated[ScopedPage, SELF]) -> Response:
    """Back from a SAML provider, whose answer went to the API: the form that waited meanwhile."""
    scope = opened.scope
    ticket = await take_ticket(scope, opened.request.query_params.get("state", ""))
    if ticket is None or scope.actor.id is None:
        return opened.go("/")
    return show_interrupted(opened, scope.actor.id, next_path="/", ticket=ticket)


@router.post("/step-up")
async def step_up(opened: Annotated[ErrandPage, ERRAND]) -> Response:
    """Check it, and go on where the visitor was stopped; or send a code or ask a key first."""
    form, chosen = opened.form, opened.form.text("method")
    next_path, ticket = local_path(form.text("next")), form.text("ticket")
    async with opened.errand.scope() as scope:
        values = await question(scope, next_path=next_path, ticket=ticket, wanted=chosen)
    with opened.refusing("auth/step_up.html", **values):
        if form.text("do"):
            return await _ask(opened, next_path, ticket)
        proof = {
            "password": form.secret("password") or None,
            "mfa_code": form.optional("mfa_code"),
            "mfa_method": chosen or None,
            "credential": read_credential(form.text("credential")),
        }
        proved = await proving.prove_again(opened.errand, fill(StepUpRequest, proof))
    return resume(opened, proved, next_path=next_path, ticket=ticket)


async def _ask(opened: ErrandPage, next_path: str, ticket: str) -> Response:
    """Another way: what is sent is sent, a key is asked, and the page shows what to do."""
    method = opened.form.text("method")
    asked = await ask_own(opened.errand, method) if method in ASKED else None
    async with opened.errand.scope() as scope:
        values = await question(
            scope, next_path=next_path, ticket=ticket, wanted=method, asked=asked
        )
    return opened.show("auth/step_up.html", **values)
