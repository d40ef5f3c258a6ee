"""Use cases of service accounts and their OAuth clients.

A service account takes no place in the quota of users: it is no person, has no password, no
second factor and no mail, and no way to sign in finds it.
"""

from datetime import timedelta
from uuid import UUID

import msgspec

from leanvibe_server.identity import api_keys, lineage, opaque
from leanvibe_server.identity.models import User
from leanvibe_server.identity.repository import lineage as lineage_rows
from leanvibe_server.identity.repository import people
from leanvibe_server.identity.roles.service import (
    permissions_of_roles,
    require_grantable,
    require_over,
)
from leanvibe_server.identity.schemas import (
    CreatedApiKey,
    NewAccountKey,
    NewApiKey,
    Rotation,
)
from leanvibe_server.identity.service_accounts import repository as rows
from leanvibe_server.identity.service_accounts.events import (
    OAuthClientCreated,
    OAuthClientRevoked,
    OAuthClientRotated,
    ServiceAccountCreated,
    ServiceAccountDeleted,
    ServiceAccountUpdated,
)
from leanvibe_server.identity.service_accounts.models import OAuthClient, ServiceAccount
from leanvibe_server.identity.service_accounts.schemas import (
    CreatedOAuthClient,
    NewOAuthClient,
    NewServiceAccount,
    OAuthClientList,
    OAuthClientView,
    ServiceAccountChange,
)
from leanvibe_server.identity.users import require_user
from leanvibe_server.kernel.access import Role
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.errors import Conflict, Forbidden, NotFound, invalid_field
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.platform import PLATFORM_TENANT
from leanvibe_server.kernel.scope import Scope

MAX_ACCOUNTS = 200
MAX_CLIENTS = 20
# Nobody gets mail there. Source: RFC 6761, section 6.4.
DOMAIN = "service-account.invalid"


async def create(scope: Scope, new: NewServiceAccount) -> ServiceAccount:
    """Add an account for a program.

    Raises: InvalidRequest: no such role, or owner. Forbidden: a role above the caller's own.
        Conflict: the name is taken.
    """
    role = await _require_role(scope, new.role)
    if await rows.count(scope.conn, scope.tenant_id) >= MAX_ACCOUNTS:
        raise Conflict(f"There are {MAX_ACCOUNTS} service accounts already. Delete one first.")
    account_id = scope.new_id()
    await _require_free(scope, new.name, but=account_id)
    account = ServiceAccount(
        tenant_id=scope.tenant_id,
        id=account_id,
        name=new.name,
        description=new.description,
        role=role,
        status="active",
        created_by=lineage.author_of(scope),
        created_at=scope.now,
        updated_at=scope.now,
    )
    await people.insert_row(scope.conn, _user_of(scope, account))
    await rows.insert(scope.conn, account)
    await scope.emit(ServiceAccountCreated(user_id=account.id, account_name=new.name, role=role))
    return account


async def list_accounts(scope: Scope, page: PageRequest) -> list[ServiceAccount]:
    """The service accounts of the tenant, one more than the page shows."""
    return await rows.list_page(scope.conn, scope.tenant_id, after=page.after, limit=page.limit + 1)


async def require_account(scope: Scope, account_id: UUID) -> ServiceAccount:
    """Raises: NotFound."""
    account = await rows.find(scope.conn, scope.tenant_id, account_id)
    if account is None:
        raise NotFound("No such service account.")
    return account


async def change(scope: Scope, account_id: UUID, wanted: ServiceAccountChange) -> ServiceAccount:
    """Change an account. What is disabled is refused from now on, also to keys and tokens that
    exist; they work again when it is enabled.

    Raises: NotFound. InvalidRequest, Forbidden, Conflict: as for a new one.
    """
    account = await _lock_below(scope, account_id)
    role = account.role
    if wanted.role is not None and wanted.role != role:
        role = await _require_role(scope, wanted.role)
    if wanted.name is not None:
        await _require_free(scope, wanted.name, but=account.id)
    updated = msgspec.structs.replace(
        account,
        name=wanted.name or account.name,
        description=account.description if wanted.description is None else wanted.description,
        role=role,
        status=wanted.status or account.status,
        updated_at=scope.now,
    )
    await rows.update(scope.conn, updated)
    changed = {
        name: (getattr(account, name), getattr(updated, name))
        for name in ("name", "description", "role", "status")
        if getattr(account, name) != getattr(updated, name)
    }
    if changed:
        await scope.emit(ServiceAccountUpdated(user_id=account.id, changed=changed))
    return updated


async def delete(scope: Scope, account_id: UUID) -> None:
    """Remove an account; its keys and tokens are refused from now on, and what was made with them.

    Raises: NotFound.
    """
    account = await _lock_below(scope, account_id)
    held = await lineage_rows.list_of_account(scope.conn, scope.tenant_id, account.id)
    await lineage.end_made_with(scope, held)
    await rows.delete(scope.conn, scope.tenant_id, account.id)
    await scope.emit(ServiceAccountDeleted(user_id=account.id, account_name=account.name))


async def create_key(scope: Scope, account_id: UUID, new: NewAccountKey) -> CreatedApiKey:
    """Make an API key of the account. Raises: NotFound, and as `api_keys.create_key`."""
    account = await require_account(scope, account_id)
    return await api_keys.create_key(scope, NewApiKey(**new.model_dump(), user_id=account.id))


async def create_client(scope: Scope, account_id: UUID, new: NewOAuthClient) -> CreatedOAuthClient:
    """Make client credentials. Their secret is in this answer and nowhere else.

    Raises: NotFound. InvalidRequest: an unknown scope or a past expiry. Forbidden: more than the
        account or the caller may do, or longer than the key that asks. Conflict: the account is
        disabled or has enough of them.
    """
    maker = await lineage.maker_of(scope)
    lineage.require_unbound(maker, "an OAuth client")
    account = await _lock_below(scope, account_id)
    if account.status != "active":
        raise Conflict("This service account is disabled.")
    kept = await rows.list_clients(scope.conn, scope.tenant_id, account.id)
    if len([client for client in kept if client.revoked_at is None]) >= MAX_CLIENTS:
        raise Conflict(f"This account has {MAX_CLIENTS} clients already. Revoke one first.")
    if new.expires_at is not None and new.expires_at <= scope.now:
        raise invalid_field("expires_at", "must be in the future")
    user = await require_user(scope, account.id)
    secret = opaque.new_client_secret(scope.tenant_id)
    client = OAuthClient(
        tenant_id=scope.tenant_id,
        id=scope.new_id(),
        service_account_id=account.id,
        name=new.name,
        scopes=await api_keys.require_scopes(scope, new.scopes, user),
        secret_prefix=opaque.shown_prefix(secret),
        previous_until=None,
        created_at=scope.now,
        expires_at=lineage.end_within(maker, new.expires_at),
        revoked_at=None,
        last_used_at=None,
        last_used_address=None,
        created_by=lineage.author_of(scope),
        made_with=None if maker is None else maker.id,
    )
    await rows.insert_client(scope.conn, client, hash_token(secret))
    await scope.emit(
        OAuthClientCreated(
            client_id=client.id,
            user_id=account.id,
            client_name=client.name,
            scopes=client.scopes,
            expires_at=client.expires_at,
        )
    )
    return CreatedOAuthClient(**OAuthClientView.of(client).model_dump(), client_secret=secret)


async def list_clients(scope: Scope, account_id: UUID) -> OAuthClientList:
    """The clients of an account, without their secrets. Raises: NotFound."""
    account = await require_account(scope, account_id)
    kept = await rows.list_clients(scope.conn, scope.tenant_id, account.id)
    return OAuthClientList(data=[OAuthClientView.of(client) for client in kept])


async def rotate_client(
    scope: Scope, account_id: UUID, client_id: UUID, rotation: Rotation
) -> CreatedOAuthClient:
    """Give a client a new secret. The one before holds for the overlap; an even older one ends.

    Raises: NotFound. Forbidden: the client may do more than the caller, who would learn its
        secret, or holds longer than the key that asks. Conflict: it does not hold any more.
    """
    maker = await lineage.maker_of(scope)
    account = await _lock_below(scope, account_id)
    client = await _require_client(scope, account.id, client_id)
    beyond = (await permissions_of_roles(scope, account.role) & set(client.scopes)) - (
        scope.permissions
    )
    if beyond:
        raise Forbidden(f"The client may do more than you: {', '.join(sorted(beyond))}.")
    if client.revoked_at is not None or (
        client.expires_at is not None and client.expires_at <= scope.now
    ):
        raise Conflict("This client does not hold any more. Make a new one.")
    if maker is not None and maker.id != client.id:
        lineage.require_unbound(maker, "the secret of an OAuth client")
        lineage.require_end_within(maker, client.expires_at)
    secret = opaque.new_client_secret(scope.tenant_id)
    until = scope.now + timedelta(hours=rotation.overlap_hours)
    rotated = await rows.rotate_client(
        scope.conn,
        client,
        prefix=opaque.shown_prefix(secret),
        secret_hash=hash_token(secret),
        until=until,
        made_with=client.made_with if maker is None or maker.id == client.id else maker.id,
    )
    await scope.emit(OAuthClientRotated(client_id=client.id, user_id=account.id, old_ends_at=until))
    return CreatedOAuthClient(**OAuthClientView.of(rotated).model_dump(), client_secret=secret)


async def revoke_client(scope: Scope, account_id: UUID, client_id: UUID) -> None:
    """End a client, its tokens and what was made with it at once. Raises: NotFound."""
    account = await _lock_below(scope, account_id)
    client = await _require_client(scope, account.id, client_id)
    await rows.revoke_client(scope.conn, scope.tenant_id, client.id, now=scope.now)
    await scope.emit(OAuthClientRevoked(client_id=client.id, user_id=account.id, reason="revoked"))
    await lineage.end_made_with(scope, [client.id])


async def _require_client(scope: Scope, account_id: UUID, client_id: UUID) -> OAuthClient:
    client = await rows.lock_client(scope.conn, scope.tenant_id, account_id, client_id)
    if client is None:
        raise NotFound("No such client.")
    return client


async def _lock_below(scope: Scope, account_id: UUID) -> ServiceAccount:
    """The account, held, if its role is none above the caller's."""
    account = await rows.lock(scope.conn, scope.tenant_id, account_id)
    if account is None:
        raise NotFound("No such service account.")
    await require_over(scope, account.role)
    return account


async def _require_role(scope: Scope, wanted: str | None) -> str:
    if scope.tenant_id == PLATFORM_TENANT:
        raise Forbidden("The platform's own tenant has no service accounts.")
    if wanted in (Role.OWNER, Role.PLATFORM_ADMIN):
        raise invalid_field(
            "role",
            "not owner",
            "A service account cannot be an owner: only people answer for an organisation.",
        )
    return await require_grantable(scope, wanted)


async def _require_free(scope: Scope, name: str, *, but: UUID) -> None:
    if await rows.is_name_taken(scope.conn, scope.tenant_id, name, but=but):
        raise Conflict("A service account has this name already.", details={"field": "name"})


def _user_of(scope: Scope, account: ServiceAccount) -> User:
    return User(
        tenant_id=account.tenant_id,
        id=account.id,
        account_id=scope.new_id(),
        email=f"{account.id}@{DOMAIN}",
        username=account.name[:64],
        password_hash=None,
        role=account.role,
        status=account.status,
        email_verified_at=None,
        expires_at=None,
        last_login_at=None,
        created_at=account.created_at,
        updated_at=account.updated_at,
        kind="service",
    )
