"""SAML over HTTP."""

from enum import Enum
from typing import Annotated, Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from leanvibe_server.identity.saml import keys, refreshing, service, stepping
from leanvibe_server.identity.saml.schemas import (
    MetadataView,
    SamlKeyView,
    SamlStepUp,
    ServiceProviderView,
)
from leanvibe_server.identity.schemas import TokenAnswer
from leanvibe_server.kernel.access import Errand, Permission, may, may_go_out, visitor
from leanvibe_server.kernel.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    MfaRequired,
    NotFound,
    PayloadTooLarge,
    Unauthorized,
)
from leanvibe_server.kernel.http import PathId, Router, bears_secret, refuses
from leanvibe_server.kernel.platform import Reason
from leanvibe_server.kernel.request import Visit, visit_of
from leanvibe_server.kernel.scope import Scope

router = Router()

SAML: list[str | Enum] = ["SAML"]
ANYONE = visitor(Reason.SIGN_IN)
MANAGE = may(Permission.SECURITY_MANAGE, fresh=True)


def _form(*required: str, optional: tuple[str, ...] = ("RelayState",)) -> dict[str, Any]:
    """The description of a form that is read by hand, byte by byte."""
    fields = {name: {"type": "string"} for name in (*required, *optional)}
    schema = {"type": "object", "properties": fields, "required": list(required)}
    return {
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": schema}},
        }
    }


def _answers(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    schema = {"type": "string"}
    return {200: {"description": description, "content": {media_type: {"schema": schema}}}}


REFUSALS = refuses(Unauthorized, Forbidden, MfaRequired, PayloadTooLarge)
TO_DASHBOARD: dict[int | str, dict[str, Any]] = {
    303: {"description": "A browser's sign-in: on to the dashboard, with a session cookie"}
}
ONWARD: dict[int | str, dict[str, Any]] = {
    **_answers("text/html", "A form that carries our answer to the identity provider"),
    303: {"description": "On to the identity provider with our answer, or to the sign-in page"},
}


@router.post(
    "/auth/saml/sso",
    tags=SAML,
    response_model=TokenAnswer,
    response_class=JSONResponse,
    responses=REFUSALS | TO_DASHBOARD,
    openapi_extra=_form("SAMLResponse"),
)
@bears_secret
async def consume_shared_saml_response(visit: Annotated[Visit, ANYONE]) -> Response:
    """The assertion consumer service of every organisation.

    Takes the form an identity provider has the browser send. `RelayState` is the state that
    `/auth/sso/{provider}` gave; any other is ignored. A sign-in that a program began is answered
    by tokens, one that a browser began by a session cookie and a redirect, as is a fresh proof that
    the dashboard asked for. The assertion must be signed, for this organisation, for now, and is
    taken once.
    """
    return await service.consume(visit, None)


@router.post(
    "/auth/saml/{tenant_slug}/acs",
    tags=SAML,
    response_model=TokenAnswer,
    response_class=JSONResponse,
    responses=REFUSALS | TO_DASHBOARD,
    openapi_extra=_form("SAMLResponse"),
)
@bears_secret
async def consume_saml_response(tenant_slug: str, visit: Annotated[Visit, ANYONE]) -> Response:
    """The assertion consumer service of one organisation; else as `/auth/saml/sso`."""
    return await service.consume(visit, tenant_slug)


@router.get(
    "/auth/saml/{tenant_slug}/metadata",
    tags=SAML,
    response_class=Response,
    responses=refuses(NotFound) | _answers(service.METADATA_TYPE, "SAML 2.0 metadata, signed"),
)
async def get_saml_metadata(tenant_slug: str, visit: Annotated[Visit, ANYONE]) -> Response:
    """The metadata to give to your identity provider. Its address is your entity ID."""
    return await service.publish_metadata(visit, tenant_slug)


@router.get(
    "/auth/saml/{tenant_slug}/slo",
    tags=SAML,
    response_class=Response,
    responses=refuses(InvalidRequest, Unauthorized, PayloadTooLarge) | ONWARD,
)
async def log_out_by_saml_redirect(
    tenant_slug: str, request: Request, visit: Annotated[Visit, ANYONE]
) -> Response:
    """Single logout by redirect: the provider's signed request, or its answer to ours."""
    return await service.log_out(visit, request, tenant_slug)


@router.post(
    "/auth/saml/{tenant_slug}/slo",
    tags=SAML,
    response_class=Response,
    responses=refuses(Unauthorized, PayloadTooLarge) | ONWARD,
    openapi_extra=_form(optional=("SAMLRequest", "SAMLResponse", "RelayState")),
)
async def log_out_by_saml_form(
    tenant_slug: str, request: Request, visit: Annotated[Visit, ANYONE]
) -> Response:
    """Single logout by form: the provider's signed request, or its answer to ours."""
    return await service.log_out(visit, request, tenant_slug)


@router.get(
    "/auth/saml/{tenant_slug}/request/{handle}",
    tags=SAML,
    response_class=Response,
    responses=refuses(NotFound) | _answers("text/html", "A form that sends itself"),
)
async def get_saml_request_form(
    tenant_slug: str, handle: str, visit: Annotated[Visit, ANYONE]
) -> Response:
    """The page that carries a sign-in request to a provider that takes requests by POST only."""
    return await service.request_form(visit, tenant_slug, handle)


@router.get("/auth/saml/service-provider", tags=SAML)
async def get_service_provider(
    scope: Annotated[Scope, may(Permission.SECURITY_READ)],
) -> ServiceProviderView:
    """What to enter at your identity provider, and your certificates with their ends."""
    return await service.describe(scope)


@router.get(
    "/auth/sso/providers/{saml_provider_id}/metadata", tags=SAML, responses=refuses(NotFound)
)
async def get_saml_provider_metadata(
    saml_provider_id: PathId, scope: Annotated[Scope, may(Permission.SECURITY_READ)]
) -> MetadataView:
    """A SAML provider's certificates and their ends, and how reading its metadata goes.

    Metadata from an address is read again by itself, once a day or as it says itself (between an
    hour and a week). While that fails, what was read before counts on; `error` says why. By hand:
    change the provider with empty `settings`.
    """
    return await refreshing.describe(scope, saml_provider_id)


@router.post("/auth/saml/step-up", tags=SAML, responses=refuses(PayloadTooLarge))
@bears_secret
async def step_up_by_saml_response(
    finish: SamlStepUp, request: Request, errand: Annotated[Errand, may_go_out(Permission.SELF)]
) -> TokenAnswer:
    """Go on under a new session id, with the proof of a SAML response; your tokens until now end.

    For a program that began by POST /v1/auth/sso/{provider}/step-up; the dashboard's answers come
    to the consumer service. The provider must say by `AuthnInstant` that you have just signed in.
    """
    return await stepping.finish(visit_of(request.scope), errand, finish)


@router.post("/auth/saml/keys", status_code=201, tags=SAML, responses=refuses(Conflict))
async def prepare_saml_key(scope: Annotated[Scope, MANAGE]) -> SamlKeyView:
    """Prepare the next certificate. It appears in the metadata and signs nothing yet."""
    return SamlKeyView.of(await keys.prepare_next(scope))


@router.post(
    "/auth/saml/keys/{saml_key_id}/activate", tags=SAML, responses=refuses(NotFound, Conflict)
)
async def activate_saml_key(saml_key_id: PathId, scope: Annotated[Scope, MANAGE]) -> SamlKeyView:
    """Use the next certificate from now on.

    Do it once your identity providers have read the new metadata. What they encrypt for the one
    before is understood for seven more days.
    """
    return SamlKeyView.of(await keys.activate(scope, saml_key_id))


@router.delete(
    "/auth/saml/keys/{saml_key_id}",
    status_code=204,
    tags=SAML,
    responses=refuses(NotFound, Conflict),
)
async def withdraw_saml_key(saml_key_id: PathId, scope: Annotated[Scope, MANAGE]) -> None:
    """Take the next certificate back before it is used."""
    await keys.withdraw(scope, saml_key_id)
