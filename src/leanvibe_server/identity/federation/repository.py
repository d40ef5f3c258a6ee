"""Statements about identity providers and the people linked to them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from leanvibe_server.identity.federation.models import FederatedIdentity, SsoProvider
from leanvibe_server.identity.models import User
from leanvibe_server.identity.repository.people import USER_COLUMNS
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import find_row, list_rows, values_of

COLUMNS = """tenant_id, id, protocol, type, slug, name, enabled, issuer, client_id,
    client_secret_sealed, configuration, default_role, role_mapping, created_at, updated_at"""
INSERT = f"""
INSERT INTO sso_providers ({COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""
FIND = f"SELECT {COLUMNS} FROM sso_providers WHERE tenant_id = $1 AND id = $2"
FIND_MANY = f"SELECT {COLUMNS} FROM sso_providers WHERE tenant_id = $1 AND id = ANY ($2)"
LOCK = f"{FIND} FOR NO KEY UPDATE"
# Who signs in by a provider waits for an admin who changes it, and the other way round.
HOLD = f"{FIND} FOR SHARE"
FIND_NAMED = f"""
SELECT {COLUMNS} FROM sso_providers
WHERE tenant_id = $1 AND (slug = $2 OR type = $2) ORDER BY slug <> $2, NOT enabled, id LIMIT 1
"""
LIST = f"""
SELECT {COLUMNS} FROM sso_providers
WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3
"""
LIST_ENABLED = f"SELECT {COLUMNS} FROM sso_providers WHERE tenant_id = $1 AND enabled ORDER BY id"
SLUGS = "SELECT slug FROM sso_providers WHERE tenant_id = $1"
UPDATE = f"""
UPDATE sso_providers SET name = $3, enabled = $4, issuer = $5, client_id = $6,
    client_secret_sealed = $7, configuration = $8, default_role = $9, role_mapping = $10,
    updated_at = $11
WHERE tenant_id = $1 AND id = $2 RETURNING {COLUMNS}
"""
DELETE = "DELETE FROM sso_providers WHERE tenant_id = $1 AND id = $2"
NOTE_REMINDER = """
INSERT INTO sso_reminders (tenant_id, subject, days, sent_at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING days
"""
# Of the platform login only.
SWEEP_REMINDERS = "DELETE FROM sso_reminders WHERE sent_at < $1::timestamptz - interval '90 days'"
# Of the platform login only, before a tenant is known.
TENANTS_WITH = """
SELECT DISTINCT p.tenant_id FROM sso_providers p JOIN tenants t ON t.id = p.tenant_id
WHERE p.enabled AND (p.slug = $1 OR p.type = $1) LIMIT 2
"""
HAS_TENANT = "SELECT EXISTS (SELECT 1 FROM tenants WHERE id = $1)"
LOCK_SUBJECT = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))"
IDENTITY_COLUMNS = """tenant_id, id, provider_id, subject, user_id, email, created_at,
    last_login_at"""
INSERT_IDENTITY = f"""
INSERT INTO federated_identities ({IDENTITY_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
FIND_BY_SUBJECT = f"""
SELECT {IDENTITY_COLUMNS} FROM federated_identities
WHERE tenant_id = $1 AND provider_id = $2 AND subject = $3
"""
FIND_IDENTITY = f"""
SELECT {IDENTITY_COLUMNS} FROM federated_identities WHERE tenant_id = $1 AND id = $2
"""
IDENTITIES_OF_USER = f"""
SELECT {IDENTITY_COLUMNS} FROM federated_identities WHERE tenant_id = $1 AND user_id = $2
ORDER BY id
"""
SEE_IDENTITY = """
UPDATE federated_identities SET last_login_at = $3, email = $4 WHERE tenant_id = $1 AND id = $2
"""
LINKED = """
SELECT f.id, f.user_id, u.further_roles || u.role AS roles
FROM federated_identities f JOIN users u ON u.tenant_id = f.tenant_id AND u.id = f.user_id
WHERE f.tenant_id = $1 AND f.provider_id = $2 ORDER BY f.id
"""
DELETE_IDENTITY = "DELETE FROM federated_identities WHERE tenant_id = $1 AND id = $2"
SESSIONS_OF_PROVIDER = """
SELECT id, user_id FROM sessions
WHERE tenant_id = $1 AND provider_id = $2 AND ended_at IS NULL
    AND ($3::uuid IS NULL OR user_id = $3) AND ($4::text IS NULL OR remote_session = $4)
"""
# Of the same, those that wait for a second factor.
END_WAITING = """
DELETE FROM mfa_challenges
WHERE tenant_id = $1 AND proof ->> 'provider_id' = $2::text
    AND ($3::uuid IS NULL OR user_id = $3)
    AND ($4::text IS NULL OR proof ->> 'remote_session' = $4)
"""
ACTIVATE = f"""
UPDATE users SET status = 'active', updated_at = $3,
    email_verified_at = CASE WHEN $4 THEN coalesce(email_verified_at, $3)
        ELSE email_verified_at END
WHERE tenant_id = $1 AND id = $2 AND status = 'invited' RETURNING {USER_COLUMNS}
"""


async def insert(conn: Connection, provider: SsoProvider) -> None:
    await conn.execute(INSERT, *values_of(provider, COLUMNS))


async def find(conn: Connection, tenant_id: UUID, provider_id: UUID) -> SsoProvider | None:
    return await find_row(conn, SsoProvider, FIND, tenant_id, provider_id)


async def find_many(
    conn: Connection, tenant_id: UUID, provider_ids: Sequence[UUID]
) -> list[SsoProvider]:
    return await list_rows(conn, SsoProvider, FIND_MANY, tenant_id, list(provider_ids))


async def lock(conn: Connection, tenant_id: UUID, provider_id: UUID) -> SsoProvider | None:
    """The provider; nobody else changes it or signs in by it until this transaction ends."""
    return await find_row(conn, SsoProvider, LOCK, tenant_id, provider_id)


async def hold(conn: Connection, tenant_id: UUID, provider_id: UUID) -> SsoProvider | None:
    """The provider; nobody changes it until this transaction ends."""
    return await find_row(conn, SsoProvider, HOLD, tenant_id, provider_id)


async def find_named(conn: Connection, tenant_id: UUID, name: str) -> SsoProvider | None:
    """The provider with that slug, else the first enabled one of that type."""
    return await find_row(conn, SsoProvider, FIND_NAMED, tenant_id, name)


async def list_page(
    conn: Connection, tenant_id: UUID, *, after: UUID | None, limit: int
) -> list[SsoProvider]:
    return await list_rows(conn, SsoProvider, LIST, tenant_id, after, limit)


async def list_enabled(conn: Connection, tenant_id: UUID) -> list[SsoProvider]:
    return await list_rows(conn, SsoProvider, LIST_ENABLED, tenant_id)


async def list_slugs(conn: Connection, tenant_id: UUID) -> set[str]:
    return {row["slug"] for row in await conn.fetch(SLUGS, tenant_id)}


async def update(conn: Connection, provider: SsoProvider) -> SsoProvider | None:
    return await find_row(
        conn,
        SsoProvider,
        UPDATE,
        provider.tenant_id,
        provider.id,
        provider.name,
        provider.enabled,
        provider.issuer,
        provider.client_id,
        provider.client_secret_sealed,
        provider.configuration,
        provider.default_role,
        provider.role_mapping,
        provider.updated_at,
    )


async def delete(conn: Connection, tenant_id: UUID, provider_id: UUID) -> None:
    """Remove a provider with the links of its people."""
    await conn.execute(DELETE, tenant_id, provider_id)


async def list_tenants_with(conn: Connection, name: str) -> list[UUID]:
    """Up to two tenants with an enabled provider of that slug or type."""
    return [row["tenant_id"] for row in await conn.fetch(TENANTS_WITH, name)]


async def has_tenant(conn: Connection, tenant_id: UUID) -> bool:
    found: bool = await conn.fetchval(HAS_TENANT, tenant_id)
    return found


async def lock_subject(conn: Connection, provider_id: UUID, subject: str) -> None:
    """Have those who sign in as one subject at once come one after the other."""
    await conn.execute(LOCK_SUBJECT, f"{provider_id}/{subject}")


async def insert_identity(conn: Connection, identity: FederatedIdentity) -> None:
    await conn.execute(INSERT_IDENTITY, *values_of(identity, IDENTITY_COLUMNS))


async def find_by_subject(
    conn: Connection, tenant_id: UUID, provider_id: UUID, subject: str
) -> FederatedIdentity | None:
    return await find_row(conn, FederatedIdentity, FIND_BY_SUBJECT, tenant_id, provider_id, subject)


async def find_identity(
    conn: Connection, tenant_id: UUID, identity_id: UUID
) -> FederatedIdentity | None:
    return await find_row(conn, FederatedIdentity, FIND_IDENTITY, tenant_id, identity_id)


async def list_identities(
    conn: Connection, tenant_id: UUID, user_id: UUID
) -> Sequence[FederatedIdentity]:
    return await list_rows(conn, FederatedIdentity, IDENTITIES_OF_USER, tenant_id, user_id)


async def see_identity(
    conn: Connection, tenant_id: UUID, identity_id: UUID, *, email: str | None, now: datetime
) -> None:
    """Note that somebody signed in, and what the provider calls their address now."""
    await conn.execute(SEE_IDENTITY, tenant_id, identity_id, now, email)


async def list_linked(
    conn: Connection, tenant_id: UUID, provider_id: UUID
) -> list[tuple[UUID, UUID, list[str]]]:
    """The links of a provider, each with its user and their roles."""
    rows = await conn.fetch(LINKED, tenant_id, provider_id)
    return [(row["id"], row["user_id"], row["roles"]) for row in rows]


async def delete_identity(conn: Connection, tenant_id: UUID, identity_id: UUID) -> None:
    await conn.execute(DELETE_IDENTITY, tenant_id, identity_id)


async def list_sessions(
    conn: Connection,
    tenant_id: UUID,
    provider_id: UUID,
    *,
    user_id: UUID | None = None,
    remote_session: str | None = None,
) -> list[UUID]:
    """The sessions that were opened by a provider's word and have not ended."""
    rows = await conn.fetch(SESSIONS_OF_PROVIDER, tenant_id, provider_id, user_id, remote_session)
    return [row["id"] for row in rows]


async def end_waiting(
    conn: Connection,
    tenant_id: UUID,
    provider_id: UUID,
    *,
    user_id: UUID | None = None,
    remote_session: str | None = None,
) -> None:
    """Forget the sign-ins by a provider's word that wait for a second factor."""
    await conn.execute(END_WAITING, tenant_id, str(provider_id), user_id, remote_session)


async def activate(
    conn: Connection, tenant_id: UUID, user_id: UUID, *, verified: bool, now: datetime
) -> User | None:
    """An invited user comes by a provider instead; `verified` says whether the e-mail is proved."""
    return await find_row(conn, User, ACTIVATE, tenant_id, user_id, now, verified)


async def note_reminder(
    conn: Connection, tenant_id: UUID, subject: str, *, days: int, now: datetime
) -> bool:
    """Note that people are told so many days before the end; False when they have been."""
    return await conn.fetchval(NOTE_REMINDER, tenant_id, subject, days, now) is not None


async def sweep_reminders(conn: Connection, *, now: datetime) -> None:
    """Forget of what people were told long ago. Of the platform login only."""
    await conn.execute(SWEEP_REMINDERS, now)
