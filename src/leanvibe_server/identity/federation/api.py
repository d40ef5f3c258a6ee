"""Identity providers over HTTP."""

from enum import Enum
from typing import Annotated

from fastapi import Query, Request, Response

from leanvibe_server.identity.domains.schemas import Discovery, WaysIn
from leanvibe_server.identity.federation import discovery, entry, linking, oversight, service
from leanvibe_server.identity.federation.schemas import (
    Begin,
    LinkedIdentities,
    NewProvider,
    PersonIdentities,
    ProviderChange,
    ProviderTest,
    ProviderView,
    Redirect,
)
from leanvibe_server.kernel.access import Errand, Permission, may, may_go_out, visitor
from leanvibe_server.kernel.errors import (
    Conflict,
    Forbidden,
    NotFound,
    ServiceUnavailable,
)
from leanvibe_server.kernel.http import PathId, Router, bears_secret, refuses
from leanvibe_server.kernel.pagination import Page, PageQuery, page_of
from leanvibe_server.kernel.platform import Reason
from leanvibe_server.kernel.request import Visit, visit_of
from leanvibe_server.kernel.scope import Scope

router = Router()

SSO: list[str | Enum] = ["Single sign-on"]
GUEST = visitor(Reason.SIGN_IN)
MANAGE = may(Permission.SECURITY_MANAGE, fresh=True)
END = may(Permission.SECURITY_MANAGE, fresh=True, ending=True)
MANAGE_OUTSIDE = may_go_out(Permission.SECURITY_MANAGE, fresh=True)


@router.post("/auth/sso/providers", status_code=201, tags=SSO, responses=refuses(Conflict))
async def create_provider(
    new: NewProvider, errand: Annotated[Errand, MANAGE_OUTSIDE]
) -> ProviderView:
    """Add an identity provider.

    For `google` the client's id and secret are enough; `microsoft` also needs `settings.tenant`
    (the directory id), `okta` needs `settings.domain`, `oidc` an `issuer`. The issuer's discovery
    document is read and must name exactly this issuer. New people get `default_role`, which is
    never above your own and never owner.
    """
    return service.view(errand.house, await service.create(errand, new))


@router.get("/auth/sso/providers", tags=SSO)
async def list_providers(
    page: PageQuery, scope: Annotated[Scope, may(Permission.SECURITY_READ)]
) -> Page[ProviderView]:
    """The identity providers of your tenant, without their secrets."""
    found = await service.list_providers(scope, page)
    return page_of(found, page, lambda row: service.view(scope.house, row), lambda row: row.id)


@router.get("/auth/sso/providers/{provider_id}", tags=SSO, responses=refuses(NotFound))
async def get_provider(
    provider_id: PathId, scope: Annotated[Scope, may(Permission.SECURITY_READ)]
) -> ProviderView:
    """One identity provider, without its secret."""
    return service.view(scope.house, await service.require_provider(scope, provider_id))


@router.patch("/auth/sso/providers/{provider_id}", tags=SSO, responses=refuses(NotFound))
async def change_provider(
    provider_id: PathId, change: ProviderChange, errand: Annotated[Errand, MANAGE_OUTSIDE]
) -> ProviderView:
    """Change a provider's name, credentials, settings or roles."""
    return service.view(errand.house, await service.change(errand, provider_id, change))


@router.post("/auth/sso/providers/{provider_id}/test", tags=SSO, responses=refuses(NotFound))
async def test_provider(
    provider_id: PathId, errand: Annotated[Errand, MANAGE_OUTSIDE]
) -> ProviderTest:
    """Look whether the provider answers as it should. Nobody is signed in."""
    return await service.test(errand, provider_id)


@router.post("/auth/sso/providers/{provider_id}/enable", tags=SSO, responses=refuses(NotFound))
async def enable_provider(provider_id: PathId, scope: Annotated[Scope, MANAGE]) -> ProviderView:
    """Let people sign in by this provider."""
    return service.view(scope.house, await service.enable(scope, provider_id))


@router.post("/auth/sso/providers/{provider_id}/disable", tags=SSO, responses=refuses(NotFound))
async def disable_provider(provider_id: PathId, scope: Annotated[Scope, END]) -> ProviderView:
    """Let nobody sign in by this provider. Sessions it opened end at once."""
    return service.view(scope.house, await service.disable(scope, provider_id))


@router.delete(
    "/auth/sso/providers/{provider_id}", status_code=204, tags=SSO, responses=refuses(NotFound)
)
async def delete_provider(provider_id: PathId, scope: Annotated[Scope, MANAGE]) -> None:
    """Remove a provider with the links of its people. Sessions it opened end at once."""
    await service.delete(scope, provider_id)


@router.post("/auth/discover", tags=SSO)
async def discover_sign_in(asked: Discovery, visit: Annotated[Visit, GUEST]) -> WaysIn:
    """By which way people with an address of this domain, or of this organisation, sign in.

    The answer is the same for every address of a domain: it tells nothing about a person. An
    organisation that is unknown answers like one without single sign-on.
    """
    return await discovery.ways_in(visit, asked)


@router.get(
    "/auth/sso/{provider}",
    tags=SSO,
    response_model=Redirect,
    responses=refuses(Forbidden, NotFound, ServiceUnavailable),
)
async def begin_sign_in(
    provider: str, wanted: Annotated[Begin, Query()], visit: Annotated[Visit, GUEST]
) -> Response:
    """Where to sign in by a provider, named by its slug or type (google, microsoft, okta, oidc,
    saml).

    The tenant comes from `tenant`, else from `X-Tenant-ID` or `X-Tenant-Slug`, else from the
    host's subdomain, else from the proved domain of `email` or `domain_hint`; where it stays
    unknown, a browser is asked for the e-mail address. A client that accepts `text/html` is
    redirected and comes back to the dashboard. A program gets the address and the `state`, and
    finishes by POST /v1/auth/login with the code and the state.
    """
    return await entry.begin(visit, provider, wanted)


@router.post(
    "/auth/sso/{provider}",
    tags=SSO,
    response_model=Redirect,
    responses=refuses(Forbidden, NotFound, ServiceUnavailable),
)
@bears_secret
async def begin_sign_in_by_post(
    provider: str,
    visit: Annotated[Visit, GUEST],
    query: Annotated[Begin, Query()],
    wanted: Begin | None = None,
) -> Response:
    """The same as GET, with its values in the body."""
    return await entry.begin(visit, provider, wanted or query)


@router.post("/auth/sso/{provider}/link", tags=SSO, responses=refuses(NotFound, ServiceUnavailable))
async def begin_link(
    provider: str,
    request: Request,
    errand: Annotated[Errand, may_go_out(Permission.SELF, fresh=True)],
    wanted: Begin | None = None,
) -> Redirect:
    """Where to sign in at a provider to link your account there with yours here. Finish by POST
    /v1/auth/sso/link with the code and the state."""
    return await entry.begin_link(visit_of(request.scope), errand, provider, wanted)


@router.get("/auth/identities", tags=SSO)
async def list_identities(scope: Annotated[Scope, may(Permission.SELF)]) -> LinkedIdentities:
    """The accounts at identity providers by which you may sign in."""
    return await linking.list_own(scope)


@router.delete(
    "/auth/identities/{identity_id}",
    status_code=204,
    tags=SSO,
    responses=refuses(NotFound, Conflict),
)
async def unlink_identity(
    identity_id: PathId, scope: Annotated[Scope, may(Permission.SELF, fresh=True)]
) -> None:
    """Sign in by that account no more. Sessions it opened end at once."""
    await linking.unlink_own(scope, identity_id)


@router.get("/users/{user_id}/identities", tags=["Users"], responses=refuses(NotFound))
async def list_identities_of_user(
    user_id: PathId, scope: Annotated[Scope, may(Permission.USER_UPDATE)]
) -> PersonIdentities:
    """The accounts at identity providers by which a person of your tenant may sign in."""
    return await oversight.list_of_person(scope, user_id)


@router.delete(
    "/users/{user_id}/identities/{identity_id}",
    status_code=204,
    tags=["Users"],
    responses=refuses(NotFound),
)
async def unlink_identity_of_user(
    user_id: PathId,
    identity_id: PathId,
    scope: Annotated[Scope, may(Permission.USER_UPDATE, fresh=True)],
) -> None:
    """Have a person sign in by that account no more. Sessions it opened end at once.

    Not for people above your own role. Where the tenant has proved the domain of their address,
    their next sign-in at the provider links them anew: disable the person to keep them out.
    """
    await oversight.unlink(scope, user_id, identity_id)
