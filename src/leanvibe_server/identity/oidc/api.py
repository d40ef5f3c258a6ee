"""The end of a sign-in by OpenID Connect over HTTP."""

from typing import Annotated, Any

from fastapi import Request, Response

from leanvibe_server.identity.federation.api import GUEST, MANAGE, SSO
from leanvibe_server.identity.federation.schemas import Begin, LinkedIdentities, Redirect
from leanvibe_server.identity.oidc import client_keys, logout, programs
from leanvibe_server.identity.oidc.schemas import ClientKeys, ClientKeyView, LinkFinish, SsoLogin
from leanvibe_server.identity.schemas import TokenAnswer
from leanvibe_server.kernel.access import Errand, Permission, may, may_go_out
from leanvibe_server.kernel.errors import (
    Conflict,
    Forbidden,
    MfaRequired,
    NotFound,
    ServiceUnavailable,
)
from leanvibe_server.kernel.http import PathId, Router, bears_secret, refuses
from leanvibe_server.kernel.request import Visit, visit_of
from leanvibe_server.kernel.scope import Scope

router = Router()

# The form is read by hand, from the body that the way in has read already.
LOGOUT_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "properties": {"logout_token": {"type": "string"}},
                    "required": ["logout_token"],
                }
            }
        },
    }
}


@router.post(
    "/auth/sso/login", tags=SSO, responses=refuses(MfaRequired, Forbidden, ServiceUnavailable)
)
@bears_secret
async def sign_in_by_code(request: SsoLogin, visit: Annotated[Visit, GUEST]) -> TokenAnswer:
    """Open a session with the code a provider sent back.

    `state` is the one that GET /v1/auth/sso/{provider} gave; it is good once, for ten minutes.
    """
    return await programs.sso_login(visit, request)


@router.post("/auth/sso/link", tags=SSO, responses=refuses(Conflict, ServiceUnavailable))
async def link_by_code(
    finish: LinkFinish,
    request: Request,
    errand: Annotated[Errand, may_go_out(Permission.SELF, fresh=True)],
) -> LinkedIdentities:
    """Link the account behind a code with yours, to sign in by it from now on."""
    return await programs.finish_link(visit_of(request.scope), errand, finish)


@router.post(
    "/auth/sso/{provider}/step-up", tags=SSO, responses=refuses(NotFound, ServiceUnavailable)
)
async def begin_step_up(
    provider: str,
    request: Request,
    errand: Annotated[Errand, may_go_out(Permission.SELF)],
    wanted: Begin | None = None,
) -> Redirect:
    """Where to prove yourself anew at a provider that is linked to your account.

    For people without a second factor here, before a sensitive change. The provider is told to ask
    you again. Finish by POST /v1/auth/sso/step-up with the code and the state; at a SAML provider
    by POST /v1/auth/saml/step-up with its response and the state.
    """
    return await programs.begin_step_up(visit_of(request.scope), errand, provider, wanted)


@router.post("/auth/sso/step-up", tags=SSO, responses=refuses(ServiceUnavailable))
@bears_secret
async def step_up_by_code(
    finish: LinkFinish, request: Request, errand: Annotated[Errand, may_go_out(Permission.SELF)]
) -> TokenAnswer:
    """Go on under a new session id, with the proof behind a code; your tokens until now end.

    The provider must say by `auth_time` that you have just signed in there.
    """
    return await programs.finish_step_up(visit_of(request.scope), errand, finish)


@router.post("/auth/sso/backchannel-logout/{place}", tags=SSO, openapi_extra=LOGOUT_FORM)
async def log_out_by_back_channel(
    place: str, visit: Annotated[Visit, GUEST], response: Response
) -> None:
    """For identity providers: the sessions that a signed logout token names end at once.

    The address stands with the provider in the dashboard.
    """
    response.headers["Cache-Control"] = "no-store"
    await logout.log_out(visit, place)


@router.get("/auth/sso/client-keys/{place}", tags=SSO, responses=refuses(NotFound))
async def get_client_keys(place: str, visit: Annotated[Visit, GUEST]) -> dict[str, Any]:
    """For identity providers: the public keys that our client assertions for one of them are signed
    with, as a JSON Web Key Set. The address stands with the provider in the dashboard."""
    return await client_keys.publish(visit, place)


@router.get("/auth/sso/providers/{provider_id}/keys", tags=SSO, responses=refuses(NotFound))
async def list_client_keys(
    provider_id: PathId, scope: Annotated[Scope, may(Permission.SECURITY_READ)]
) -> ClientKeys:
    """The keys by which a provider knows us, where `settings.token_endpoint_auth_method` is
    private_key_jwt: their address, and their certificates with their ends."""
    return await client_keys.describe(scope, provider_id)


@router.post(
    "/auth/sso/providers/{provider_id}/keys",
    status_code=201,
    tags=SSO,
    responses=refuses(NotFound, Conflict),
)
async def prepare_client_key(provider_id: PathId, scope: Annotated[Scope, MANAGE]) -> ClientKeyView:
    """Prepare the next key. It is shown beside the one in use and signs nothing yet."""
    return await client_keys.prepare_next(scope, provider_id)


@router.post(
    "/auth/sso/providers/{provider_id}/keys/{client_key_id}/activate",
    tags=SSO,
    responses=refuses(NotFound, Conflict),
)
async def activate_client_key(
    provider_id: PathId, client_key_id: PathId, scope: Annotated[Scope, MANAGE]
) -> ClientKeyView:
    """Prove ourselves by the next key from now on; the one before is forgotten. Do it once the
    provider has read the keys anew, or has the new certificate."""
    return await client_keys.activate(scope, provider_id, client_key_id)
