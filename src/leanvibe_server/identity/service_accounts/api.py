"""Service accounts over HTTP."""

from typing import Annotated

from leanvibe_server.identity.schemas import CreatedApiKey, NewAccountKey, Rotation
from leanvibe_server.identity.service_accounts import service
from leanvibe_server.identity.service_accounts.schemas import (
    CreatedOAuthClient,
    NewOAuthClient,
    NewServiceAccount,
    OAuthClientList,
    ServiceAccountChange,
    ServiceAccountView,
)
from leanvibe_server.kernel.access import Permission, may
from leanvibe_server.kernel.errors import Conflict, NotFound
from leanvibe_server.kernel.http import PathId, Router, bears_secret, refuses
from leanvibe_server.kernel.pagination import Page, PageQuery, page_of
from leanvibe_server.kernel.scope import Scope

router = Router(prefix="/service-accounts", tags=["Service accounts"])
Manager = Annotated[Scope, may(Permission.API_KEY_MANAGE)]
# Whoever finds an open browser takes no lasting way in along.
FreshManager = Annotated[Scope, may(Permission.API_KEY_MANAGE, fresh=True)]
Ender = Annotated[Scope, may(Permission.API_KEY_MANAGE, ending=True)]
CHANGES = refuses(NotFound, Conflict)


@router.post("", status_code=201, responses=CHANGES)
async def create_service_account(new: NewServiceAccount, scope: Manager) -> ServiceAccountView:
    """Add an account for a program, with a role of its own.

    It has no password, gets no mail, cannot sign in, and takes no place in the quota of users.
    """
    return ServiceAccountView.from_row(await service.create(scope, new))


@router.get("")
async def list_service_accounts(page: PageQuery, scope: Ender) -> Page[ServiceAccountView]:
    """The service accounts of your tenant."""
    listed = await service.list_accounts(scope, page)
    return page_of(listed, page, ServiceAccountView.from_row, lambda account: account.id)


@router.get("/{account_id}", responses=refuses(NotFound))
async def get_service_account(account_id: PathId, scope: Manager) -> ServiceAccountView:
    """One service account."""
    return ServiceAccountView.from_row(await service.require_account(scope, account_id))


@router.patch("/{account_id}", responses=CHANGES)
async def change_service_account(
    account_id: PathId, change: ServiceAccountChange, scope: Manager
) -> ServiceAccountView:
    """Change name, description, role or status.

    A disabled account's keys and tokens are refused at once, and work again when it is enabled.
    """
    return ServiceAccountView.from_row(await service.change(scope, account_id, change))


@router.delete("/{account_id}", status_code=204, responses=refuses(NotFound))
async def delete_service_account(account_id: PathId, scope: Manager) -> None:
    """Remove the account with its keys, clients and tokens."""
    await service.delete(scope, account_id)


@router.post("/{account_id}/api-keys", status_code=201, responses=CHANGES)
@bears_secret
async def create_service_account_key(
    account_id: PathId, new: NewAccountKey, scope: FreshManager
) -> CreatedApiKey:
    """Make an API key of the account, shown in this answer only. `GET /v1/api-keys?user_id=` with
    the account's id lists its keys."""
    return await service.create_key(scope, account_id, new)


@router.post("/{account_id}/clients", status_code=201, responses=CHANGES)
@bears_secret
async def create_oauth_client(
    account_id: PathId, new: NewOAuthClient, scope: FreshManager
) -> CreatedOAuthClient:
    """Make OAuth client credentials. `client_secret` is shown in this answer only.

    Trade them for access tokens at `POST /v1/oauth/token`.
    """
    return await service.create_client(scope, account_id, new)


@router.get("/{account_id}/clients", responses=refuses(NotFound))
async def list_oauth_clients(account_id: PathId, scope: Ender) -> OAuthClientList:
    """The OAuth clients of the account, without their secrets."""
    return await service.list_clients(scope, account_id)


@router.post("/{account_id}/clients/{credential_id}/rotate", status_code=201, responses=CHANGES)
@bears_secret
async def rotate_oauth_client(
    account_id: PathId,
    credential_id: PathId,
    scope: FreshManager,
    rotation: Rotation | None = None,
) -> CreatedOAuthClient:
    """Give the client a new secret, shown in this answer only. The one before holds for
    `overlap_hours` more, a day by default."""
    return await service.rotate_client(scope, account_id, credential_id, rotation or Rotation())


@router.delete(
    "/{account_id}/clients/{credential_id}", status_code=204, responses=refuses(NotFound)
)
async def revoke_oauth_client(account_id: PathId, credential_id: PathId, scope: Ender) -> None:
    """End the client and its tokens at once."""
    await service.revoke_client(scope, account_id, credential_id)
