"""Pages of provisioning."""

from typing import Annotated, Any

from fastapi import Response

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.identity.scim import tokens
from leanvibe_server.identity.scim.schemas import NewScimToken, ScimTokenView
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.http import PathId
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.web.forms import fill
from leanvibe_server.web.makers import names_of
from leanvibe_server.web.page import ScopedPage, page
from leanvibe_server.web.routes import PageRouter

router = PageRouter()
MANAGE = page(Permission.SCIM_MANAGE)
MANAGE_FRESH = page(Permission.SCIM_MANAGE, fresh=True)
FRESH_TOKEN = {"name": "", "expires_in_days": "365"}


@router.get("/settings/scim")
async def show_provisioning(opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Where clients find the tenant, their tokens, and when they were last here."""
    return opened.show("settings/scim.html", **await _facts(opened), values=FRESH_TOKEN, secret="")


@router.post("/settings/scim")
async def create_token(opened: Annotated[ScopedPage, MANAGE_FRESH]) -> Response:
    """Make a token. This answer is the only one that shows it."""
    typed = {name: opened.form.text(name) for name in FRESH_TOKEN}
    with opened.refusing("settings/scim.html", **await _facts(opened), values=typed, secret=""):
        made = await tokens.create(opened.scope, fill(NewScimToken, typed))
    return opened.show(
        "settings/scim.html",
        http_status=201,
        **await _facts(opened),
        values=FRESH_TOKEN,
        secret=made.token,
    )


@router.post("/settings/scim/{token_id}/revoke")
async def revoke_token(token_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """End a token at once."""
    await tokens.revoke(opened.scope, token_id)
    return opened.go("/settings/scim", toast="token-revoked")


async def _facts(opened: ScopedPage) -> dict[str, Any]:
    scope = opened.scope
    kept = await tokens.list_tokens(scope, PageRequest(limit=100))
    return {
        "makers": await names_of(scope, (token.created_by for token in kept)),
        "status": await tokens.describe(scope),
        "tokens": [ScimTokenView.from_row(token) for token in reversed(kept)],
        "offered": tokens.FEATURE in plan_of(scope.plan).features,
        "now": scope.now,
    }
