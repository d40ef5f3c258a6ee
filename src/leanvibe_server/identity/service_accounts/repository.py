"""Statements about service accounts and their OAuth clients."""

from datetime import datetime
from uuid import UUID

from leanvibe_server.identity.repository.lineage import orphaned as is_orphaned
from leanvibe_server.identity.service_accounts.models import OAuthClient, ServiceAccount
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import find_row, list_rows

_ACCOUNT = """
SELECT a.tenant_id, a.id, a.name, a.description, u.role, u.status, a.created_by, a.created_at,
    a.updated_at
FROM service_accounts a JOIN users u ON u.tenant_id = a.tenant_id AND u.id = a.id
WHERE a.tenant_id = $1
"""
INSERT = """
INSERT INTO service_accounts (tenant_id, id, name, description, created_by, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $6)
"""
NAME_TAKEN = """
SELECT id FROM service_accounts WHERE tenant_id = $1 AND lower(name) = lower($2) AND id <> $3
"""
COUNT = "SELECT count(*) FROM service_accounts WHERE tenant_id = $1"
FIND = _ACCOUNT + "AND a.id = $2"
LOCK = FIND + " FOR NO KEY UPDATE OF u"
LIST = _ACCOUNT + "AND ($2::uuid IS NULL OR a.id > $2) ORDER BY a.id LIMIT $3"
UPDATE = """
UPDATE service_accounts SET name = $3, description = $4, updated_at = $5
WHERE tenant_id = $1 AND id = $2
"""
UPDATE_USER = """
UPDATE users SET username = $3, role = $4, status = $5, updated_at = $6
WHERE tenant_id = $1 AND id = $2 AND kind = 'service'
"""
DELETE = "DELETE FROM users WHERE tenant_id = $1 AND id = $2 AND kind = 'service'"
CLIENT_COLUMNS = f"""tenant_id, id, service_account_id, name, scopes, secret_prefix,
    previous_until, created_at, expires_at, revoked_at, last_used_at, last_used_address,
    created_by, made_with, {is_orphaned("oauth_clients")} AS orphaned"""
INSERT_CLIENT = """
INSERT INTO oauth_clients (tenant_id, id, service_account_id, name, scopes, secret_prefix,
    secret_hash, created_at, expires_at, created_by, made_with)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
LIST_CLIENTS = f"""
SELECT {CLIENT_COLUMNS} FROM oauth_clients
WHERE tenant_id = $1 AND service_account_id = $2 ORDER BY id
"""
LOCK_CLIENT = f"""
SELECT {CLIENT_COLUMNS} FROM oauth_clients
WHERE tenant_id = $1 AND service_account_id = $2 AND id = $3 FOR NO KEY UPDATE
"""
ROTATE_CLIENT = f"""
UPDATE oauth_clients SET previous_hash = secret_hash, previous_until = $5, secret_prefix = $3,
    secret_hash = $4, made_with = $6
WHERE tenant_id = $1 AND id = $2 RETURNING {CLIENT_COLUMNS}
"""
REVOKE_CLIENT = """
UPDATE oauth_clients SET revoked_at = coalesce(revoked_at, $3) WHERE tenant_id = $1 AND id = $2
"""


async def insert(conn: Connection, account: ServiceAccount) -> None:
    await conn.execute(
        INSERT,
        account.tenant_id,
        account.id,
        account.name,
        account.description,
        account.created_by,
        account.created_at,
    )


async def is_name_taken(conn: Connection, tenant_id: UUID, name: str, *, but: UUID) -> bool:
    """Whether another account bears the name, in whatever case."""
    return await conn.fetchval(NAME_TAKEN, tenant_id, name, but) is not None


async def count(conn: Connection, tenant_id: UUID) -> int:
    number: int = await conn.fetchval(COUNT, tenant_id)
    return number


async def find(conn: Connection, tenant_id: UUID, account_id: UUID) -> ServiceAccount | None:
    return await find_row(conn, ServiceAccount, FIND, tenant_id, account_id)


async def lock(conn: Connection, tenant_id: UUID, account_id: UUID) -> ServiceAccount | None:
    """The account; others who change it wait until this transaction ends."""
    return await find_row(conn, ServiceAccount, LOCK, tenant_id, account_id)


async def list_page(
    conn: Connection, tenant_id: UUID, *, after: UUID | None, limit: int
) -> list[ServiceAccount]:
    return await list_rows(conn, ServiceAccount, LIST, tenant_id, after, limit)


async def update(conn: Connection, account: ServiceAccount) -> None:
    """Write an account as it is from now on."""
    key = (account.tenant_id, account.id)
    await conn.execute(UPDATE, *key, account.name, account.description, account.updated_at)
    await conn.execute(
        UPDATE_USER, *key, account.name[:64], account.role, account.status, account.updated_at
    )


async def delete(conn: Connection, tenant_id: UUID, account_id: UUID) -> None:
    """Remove the account's user, and with it keys, clients and tokens."""
    await conn.execute(DELETE, tenant_id, account_id)


async def insert_client(conn: Connection, client: OAuthClient, secret_hash: bytes) -> None:
    await conn.execute(
        INSERT_CLIENT,
        client.tenant_id,
        client.id,
        client.service_account_id,
        client.name,
        client.scopes,
        client.secret_prefix,
        secret_hash,
        client.created_at,
        client.expires_at,
        client.created_by,
        client.made_with,
    )


async def list_clients(conn: Connection, tenant_id: UUID, account_id: UUID) -> list[OAuthClient]:
    return await list_rows(conn, OAuthClient, LIST_CLIENTS, tenant_id, account_id)


async def lock_client(
    conn: Connection, tenant_id: UUID, account_id: UUID, client_id: UUID
) -> OAuthClient | None:
    return await find_row(conn, OAuthClient, LOCK_CLIENT, tenant_id, account_id, client_id)


async def rotate_client(
    conn: Connection,
    client: OAuthClient,
    *,
    prefix: str,
    secret_hash: bytes,
    until: datetime,
    made_with: UUID | None,
) -> OAuthClient:
    """Give a locked client a new secret; the one before holds until a moment."""
    row = await conn.fetchrow(
        ROTATE_CLIENT, client.tenant_id, client.id, prefix, secret_hash, until, made_with
    )
    if row is None:
        raise LookupError(client.id)
    return OAuthClient(**row)


async def revoke_client(
    conn: Connection, tenant_id: UUID, client_id: UUID, *, now: datetime
) -> None:
    await conn.execute(REVOKE_CLIENT, tenant_id, client_id, now)
