"""The token endpoint over HTTP. Source: RFC 6749, RFC 7009, RFC 7662, RFC 8414."""

from typing import Annotated, Any

from fastapi import Response

from leanvibe_server.identity.oauth import service
from leanvibe_server.identity.oauth.refusals import (
    InvalidClient,
    InvalidScope,
    InvalidTarget,
    UnsupportedGrantType,
    UnsupportedResponseType,
)
from leanvibe_server.identity.oauth.schemas import AccessToken, Introspection, ServerMetadata
from leanvibe_server.kernel.access import visitor
from leanvibe_server.kernel.http import Router, bears_secret, refuses
from leanvibe_server.kernel.platform import Reason
from leanvibe_server.kernel.request import Visit

router = Router(prefix="/oauth", tags=["OAuth"])
well_known_router = Router(tags=["OAuth"])
Caller = Annotated[Visit, visitor(Reason.SIGN_IN)]

_CLIENT = {
    "client_id": {"type": "string", "description": "Unless sent by HTTP Basic"},
    "client_secret": {"type": "string", "description": "Unless sent by HTTP Basic"},
}


def _form(required: str, **fields: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI text of a form."""
    schema = {"type": "object", "properties": {**fields, **_CLIENT}, "required": [required]}
    content = {"application/x-www-form-urlencoded": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


TOKEN_FORM = _form(
    "grant_type",
    grant_type={"type": "string", "const": "client_credentials"},
    scope={"type": "string", "description": "Scopes apart by blanks; all of the client's without"},
    resource={"type": "string", "description": "This API's address, if anything"},
)
TOKEN_TO_JUDGE = _form("token", token={"type": "string"}, token_type_hint={"type": "string"})


@router.post(
    "/token",
    openapi_extra=TOKEN_FORM,
    responses=refuses(UnsupportedGrantType, InvalidScope, InvalidTarget, InvalidClient),
)
@bears_secret
async def issue_token(visit: Caller, response: Response) -> AccessToken:
    """Trade client credentials for an access token that lasts an hour.

    The client shows itself by HTTP Basic or in the form. Errors are those of RFC 6749.
    """
    response.headers["Cache-Control"], response.headers["Pragma"] = "no-store", "no-cache"
    return await service.issue_token(visit)


@router.post("/revoke", openapi_extra=TOKEN_TO_JUDGE, responses=refuses(InvalidClient))
@bears_secret
async def revoke_token(visit: Caller) -> None:
    """End an access token of the client that asks, at once. Answers 200 for any token."""
    await service.revoke_token(visit)


@router.post(
    "/introspect",
    openapi_extra=TOKEN_TO_JUDGE,
    response_model_exclude_none=True,
    responses=refuses(InvalidClient),
)
@bears_secret
async def introspect_token(visit: Caller, response: Response) -> Introspection:
    """Whether an access token of a client of the same tenant holds, and what it may do."""
    response.headers["Cache-Control"], response.headers["Pragma"] = "no-store", "no-cache"
    return await service.introspect(visit)


# The status is for the OpenAPI text: there is no answer but the refusal.
@router.get("/authorize", status_code=400, responses=refuses(UnsupportedResponseType))
async def refuse_authorization(visit: Caller) -> None:
    """Refuses every request: neither codes nor implicit tokens are offered."""
    service.refuse_authorization(visit)


@well_known_router.get("/.well-known/oauth-authorization-server")
async def get_server_metadata(
    visit: Annotated[Visit, visitor(Reason.SIGNING_KEYS)],
) -> ServerMetadata:
    """Where the token endpoint is and what it takes."""
    return service.describe(visit.house)
