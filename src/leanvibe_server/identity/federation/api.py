"""Identity providers over HTTP."""

from enum import Enum
from typing import Annotated

from leanvibe_server.identity.federation import service
from leanvibe_server.identity.federation.schemas import (
    NewProvider,
    ProviderChange,
    ProviderTest,
    ProviderView,
)
from leanvibe_server.kernel.access import Errand, Permission, may, may_go_out
from leanvibe_server.kernel.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    StepUpRequired,
    Unauthorized,
)
from leanvibe_server.kernel.http import PathId, Router, refuses
from leanvibe_server.kernel.pagination import Page, PageQuery, page_of
from leanvibe_server.kernel.scope import Scope

router = Router()

SSO: list[str | Enum] = ["Single sign-on"]
MANAGE = may(Permission.SECURITY_MANAGE, fresh=True)
MANAGE_OUTSIDE = may_go_out(Permission.SECURITY_MANAGE, fresh=True)


@router.post(
    "/auth/sso/providers",
    status_code=201,
    tags=SSO,
    responses=refuses(InvalidRequest, Forbidden, StepUpRequired, Conflict),
)
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


@router.get("/auth/sso/providers", tags=SSO, responses=refuses(Unauthorized, Forbidden))
async def list_providers(
    page: PageQuery, scope: Annotated[Scope, may(Permission.SECURITY_READ)]
) -> Page[ProviderView]:
    """The identity providers of your tenant, without their secrets."""
    found = await service.list_providers(scope, page)
    return page_of(found, page, lambda row: service.view(scope.house, row), lambda row: row.id)


@router.get(
    "/auth/sso/providers/{provider_id}", tags=SSO, responses=refuses(Unauthorized, NotFound)
)
async def get_provider(
    provider_id: PathId, scope: Annotated[Scope, may(Permission.SECURITY_READ)]
) -> ProviderView:
    """One identity provider, without its secret."""
    return service.view(scope.house, await service.require_provider(scope, provider_id))


@router.patch(
    "/auth/sso/providers/{provider_id}",
    tags=SSO,
    responses=refuses(InvalidRequest, Forbidden, StepUpRequired, NotFound),
)
async def change_provider(
    provider_id: PathId, change: ProviderChange, errand: Annotated[Errand, MANAGE_OUTSIDE]
) -> ProviderView:
    """Change a provider's name, credentials, settings or roles."""
    return service.view(errand.house, await service.change(errand, provider_id, change))


@router.post(
    "/auth/sso/providers/{provider_id}/test",
    tags=SSO,
    responses=refuses(Forbidden, StepUpRequired, NotFound),
)
async def test_provider(
    provider_id: PathId, errand: Annotated[Errand, MANAGE_OUTSIDE]
) -> ProviderTest:
    """Look whether the provider answers as it should. Nobody is signed in."""
    return await service.test(errand, provider_id)


@router.post(
    "/auth/sso/providers/{provider_id}/enable",
    tags=SSO,
    responses=refuses(Forbidden, StepUpRequired, NotFound),
)
async def enable_provider(provider_id: PathId, scope: Annotated[Scope, MANAGE]) -> ProviderView:
    """Let people sign in by this provider."""
    return service.view(scope.house, await service.enable(scope, provider_id))


@router.post(
    "/auth/sso/providers/{provider_id}/disable",
    tags=SSO,
    responses=refuses(Forbidden, StepUpRequired, NotFound),
)
async def disable_provider(provider_id: PathId, scope: Annotated[Scope, MANAGE]) -> ProviderView:
    """Let nobody sign in by this provider. Sessions it opened end at once."""
    return service.view(scope.house, await service.disable(scope, provider_id))


@router.delete(
    "/auth/sso/providers/{provider_id}",
    status_code=204,
    tags=SSO,
    responses=refuses(Forbidden, StepUpRequired, NotFound),
)
async def delete_provider(provider_id: PathId, scope: Annotated[Scope, MANAGE]) -> None:
    """Remove a provider with the links of its people. Sessions it opened end at once."""
    await service.delete(scope, provider_id)
