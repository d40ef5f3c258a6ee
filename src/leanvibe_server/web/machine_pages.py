"""Pages of service accounts, with their keys and OAuth clients."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Response

from leanvibe_server.identity import api_keys
from leanvibe_server.identity.schemas import ApiKeyQuery, ApiKeyView, NewAccountKey, Rotation
from leanvibe_server.identity.service_accounts import service
from leanvibe_server.identity.service_accounts.schemas import (
    NewOAuthClient,
    NewServiceAccount,
    ServiceAccountChange,
    ServiceAccountView,
)
from leanvibe_server.kernel.access import Permission, Role
from leanvibe_server.kernel.http import PathId
from leanvibe_server.kernel.pagination import PageRequest, page_of
from leanvibe_server.web.forms import end_of_day, fill
from leanvibe_server.web.makers import names_of
from leanvibe_server.web.page import ScopedPage, page
from leanvibe_server.web.paging import page_links, page_request
from leanvibe_server.web.people_pages import KeyLine
from leanvibe_server.web.routes import PageRouter

router = PageRouter()
MANAGE = page(Permission.API_KEY_MANAGE)
MAKE_SECRET = page(Permission.API_KEY_MANAGE, fresh=True)
HOME = "/settings/service-accounts"
ROLES = [(role.value, role.value.capitalize()) for role in Role][1:-1]
FRESH = {"name": "", "description": "", "role": Role.DEVELOPER.value}
FRESH_CLIENT = {"client_name": "", "expires_at": ""}


@router.get(HOME)
async def list_accounts(opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """The service accounts of the tenant."""
    return opened.show("settings/service_accounts.html", **await _listed(opened), values=FRESH)


@router.post(HOME)
async def create_account(opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Add an account for a program."""
    typed = {name: opened.form.text(name) for name in FRESH}
    with opened.refusing("settings/service_accounts.html", **await _listed(opened), values=typed):
        made = await service.create(opened.scope, fill(NewServiceAccount, typed))
    return opened.go(f"{HOME}/{made.id}", toast="account-saved")


@router.get(HOME + "/{account_id}")
async def show_account(account_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """One account with its keys and clients."""
    return await _show(opened, account_id)


@router.post(HOME + "/{account_id}")
async def change_account(account_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Change an account."""
    typed = {name: opened.form.text(name) for name in (*FRESH, "status")}
    with opened.refusing(
        "settings/service_account.html", **{**await _facts(opened, account_id), "values": typed}
    ):
        await service.change(opened.scope, account_id, fill(ServiceAccountChange, typed))
    return opened.go(f"{HOME}/{account_id}", toast="account-saved")


@router.post(HOME + "/{account_id}/delete")
async def delete_account(account_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Remove an account with all it holds."""
    await service.delete(opened.scope, account_id)
    return opened.go(HOME, toast="account-deleted")


@router.post(HOME + "/{account_id}/keys")
async def create_key(account_id: PathId, opened: Annotated[ScopedPage, MAKE_SECRET]) -> Response:
    """Make a key of the account. This answer is the only one that shows it."""
    with opened.refusing("settings/service_account.html", **await _facts(opened, account_id)):
        new = fill(NewAccountKey, {"name": opened.form.text("key_name"), "expires_in_days": 365})
        made = await service.create_key(opened.scope, account_id, new)
    return await _show(opened, account_id, status=201, secret=made.key)


@router.post(HOME + "/{account_id}/clients")
async def create_client(account_id: PathId, opened: Annotated[ScopedPage, MAKE_SECRET]) -> Response:
    """Make client credentials. This answer is the only one that shows their secret."""
    typed = {name: opened.form.text(name) for name in FRESH_CLIENT}
    facts = await _facts(opened, account_id) | {"client_values": typed}
    with opened.refusing("settings/service_account.html", **facts):
        until = end_of_day(typed["expires_at"], field="expires_at")
        new = fill(NewOAuthClient, {"name": typed["client_name"], "expires_at": until})
        made = await service.create_client(opened.scope, account_id, new)
    return await _show(
        opened, account_id, status=201, secret=made.client_secret, client_id=made.client_id
    )


@router.post(HOME + "/{account_id}/clients/{credential_id}/rotate")
async def rotate_client(
    account_id: PathId, credential_id: PathId, opened: Annotated[ScopedPage, MAKE_SECRET]
) -> Response:
    """Give a client a new secret. This answer is the only one that shows it."""
    made = await service.rotate_client(opened.scope, account_id, credential_id, Rotation())
    return await _show(
        opened, account_id, status=201, secret=made.client_secret, client_id=made.client_id
    )


@router.post(HOME + "/{account_id}/clients/{credential_id}/revoke")
async def revoke_client(
    account_id: PathId, credential_id: PathId, opened: Annotated[ScopedPage, MANAGE]
) -> Response:
    """End a client at once."""
    await service.revoke_client(opened.scope, account_id, credential_id)
    return opened.go(f"{HOME}/{account_id}", toast="client-revoked")


async def _listed(opened: ScopedPage) -> dict[str, Any]:
    request = page_request(opened)
    rows = await service.list_accounts(opened.scope, request)
    listed = page_of(rows, request, ServiceAccountView.from_row, lambda account: account.id)
    return {"accounts": listed.data, "roles": ROLES, **page_links(opened, listed)}


async def _show(
    opened: ScopedPage,
    account_id: UUID,
    *,
    status: int = 200,
    secret: str = "",
    client_id: str = "",
) -> Response:
    facts = await _facts(opened, account_id)
    return opened.show(
        "settings/service_account.html",
        http_status=status,
        **{**facts, "secret": secret, "client_id": client_id},
    )


async def _facts(opened: ScopedPage, account_id: UUID) -> dict[str, Any]:
    scope = opened.scope
    account = await service.require_account(scope, account_id)
    query = ApiKeyQuery(user_id=account.id)
    keys = await api_keys.list_keys(scope, PageRequest(limit=100), query)
    clients = (await service.list_clients(scope, account.id)).data
    makers = [account.created_by, *(key.created_by for key in keys)]
    makers += [client.created_by for client in clients]
    return {
        "account": account,
        "makers": await names_of(scope, makers),
        "keys": [KeyLine.of(ApiKeyView.of(key), scope.now) for key in keys],
        "clients": clients,
        "roles": ROLES,
        "statuses": [("active", "Works"), ("disabled", "Disabled")],
        "token_url": f"{scope.house.settings.base_url}/v1/oauth/token",
        "secret": "",
        "client_id": "",
        "client_values": FRESH_CLIENT,
        "now": scope.now,
        "values": {
            "name": account.name,
            "description": account.description,
            "role": account.role,
            "status": account.status,
        },
    }
