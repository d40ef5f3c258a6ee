"""Statements about users, the directory of their addresses, and invitations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from leanvibe_server.identity.models import Candidate, Invitation, Terms, User
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import columns_of, find_row, list_rows, values_of

NEW_COLUMNS = """tenant_id, id, account_id, email, username, password_hash, role, status,
    email_verified_at, expires_at, last_login_at, created_at, updated_at, kind"""
USER_COLUMNS = f"{NEW_COLUMNS}, own_role, further_roles"
INSERT_USER = f"""
INSERT INTO users ({NEW_COLUMNS}, owned_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $9)
"""
INSERT_DIRECTORY = """
INSERT INTO directory (tenant_id, user_id, account_id, email_hash) VALUES ($1, $2, $3, $4)
"""
FIND_USER = f"SELECT {USER_COLUMNS} FROM users WHERE tenant_id = $1 AND id = $2"
FIND_USERS = f"SELECT {USER_COLUMNS} FROM users WHERE tenant_id = $1 AND id = ANY ($2)"
LOCK_USER = f"{FIND_USER} FOR NO KEY UPDATE"
# What a sign-in must know of the tenant and the person, whose row is locked.
FIND_TERMS = """
SELECT t.security, EXISTS (
    SELECT FROM mfa_factors
    WHERE tenant_id = $1 AND user_id = $2 AND verified_at IS NOT NULL) AS has_factors
FROM tenants t WHERE t.id = $1
"""
FIND_USER_BY_EMAIL = f"SELECT {USER_COLUMNS} FROM users WHERE tenant_id = $1 AND email = $2"
COUNT_USERS = """
SELECT count(*) FROM users WHERE tenant_id = $1 AND status <> 'disabled' AND kind = 'person'
"""
TALLY_USERS = """
SELECT tenant_id, count(*) AS number FROM users
WHERE tenant_id = ANY ($1) AND status <> 'disabled' AND kind = 'person' GROUP BY tenant_id
"""
ACTIVE_OF_ROLE = """
SELECT id FROM users WHERE tenant_id = $1 AND role = $2 AND status = 'active' ORDER BY id
"""
# Two owners who leave at once must not both find the other one still there.
LOCK_OWNERS = f"{ACTIVE_OF_ROLE} FOR NO KEY UPDATE"
OWNER_ADDRESSES = """
SELECT email FROM users WHERE tenant_id = $1 AND role = 'owner' AND status = 'active' ORDER BY id
"""
ADDRESSES_HOLDING = """
SELECT u.email FROM users u WHERE u.tenant_id = $1 AND u.status = 'active' AND u.kind = 'person'
    AND (u.expires_at IS NULL OR u.expires_at > $4)
    AND (u.role = ANY($2) OR EXISTS (SELECT 1 FROM roles r
        WHERE r.tenant_id = u.tenant_id AND r.name = u.role AND $3 = ANY(r.permissions)))
ORDER BY u.id LIMIT $5
"""
DELETE_USER_BY_EMAIL = "DELETE FROM users WHERE tenant_id = $1 AND email = $2"
UPDATE_USER = f"""
UPDATE users SET username = $3, status = $4, expires_at = $5, updated_at = $6,
    own_expires_at = CASE WHEN own_role IS NULL OR expires_at IS NOT DISTINCT FROM $5
        THEN own_expires_at ELSE $5 END,
    end_reminded_at = CASE WHEN expires_at IS NOT DISTINCT FROM $5 THEN end_reminded_at END
WHERE tenant_id = $1 AND id = $2 RETURNING {USER_COLUMNS}
"""
# The role somebody has by themselves from now on; what their groups give comes on top afterwards.
SET_ROLE = """
UPDATE users SET role = $3, expires_at = $4, updated_at = $5, role_is_usual = $6,
    own_role = NULL, own_expires_at = NULL, further_roles = '{}',
    end_reminded_at = CASE WHEN expires_at IS NOT DISTINCT FROM $4 THEN end_reminded_at END
WHERE tenant_id = $1 AND id = $2
"""
# Provisioning goes on as long as anything opens it: a token of its own, a key or a client.
IS_NAME_PROVISIONED = """
SELECT EXISTS (SELECT FROM scim_profiles
    WHERE tenant_id = $1 AND user_id = $2 AND deleted_at IS NULL)
  AND EXISTS (
    SELECT FROM scim_tokens WHERE tenant_id = $1 AND revoked_at IS NULL AND expires_at > $3
    UNION ALL SELECT FROM api_keys WHERE tenant_id = $1 AND revoked_at IS NULL
        AND (expires_at IS NULL OR expires_at > $3) AND 'scim:manage' = ANY (scopes)
    UNION ALL SELECT FROM oauth_clients WHERE tenant_id = $1 AND revoked_at IS NULL
        AND (expires_at IS NULL OR expires_at > $3) AND 'scim:manage' = ANY (scopes))
"""
REPLACE_HASH = """
UPDATE users SET password_hash = $3, updated_at = $4 WHERE tenant_id = $1 AND id = $2
"""
ACTIVATE = f"""
UPDATE users SET status = 'active', email_verified_at = coalesce(email_verified_at, $3),
    username = coalesce($4, username), password_hash = coalesce($5, password_hash),
    owned_at = CASE WHEN $5::text IS NULL THEN owned_at ELSE $3 END, updated_at = $3
WHERE tenant_id = $1 AND id = $2 RETURNING {USER_COLUMNS}
"""
SET_ACCOUNT = """
WITH linked AS (UPDATE users SET account_id = $3 WHERE tenant_id = $1 AND id = $2)
UPDATE directory SET account_id = $3 WHERE tenant_id = $1 AND user_id = $2
"""
_CANDIDATE = f"""
SELECT {columns_of("u", USER_COLUMNS)},
    t.slug AS tenant_slug, t.display_name AS tenant_name, t.plan, t.security
FROM directory d
JOIN users u ON u.tenant_id = d.tenant_id AND u.id = d.user_id
JOIN tenants t ON t.id = d.tenant_id
"""
# Only of the platform login: it alone sees the directory of every tenant.
CANDIDATES_BY_EMAIL = f"{_CANDIDATE} WHERE d.email_hash = $1 ORDER BY u.id LIMIT $2"
# The same beside those of `$3` that must wait: one row at least, with no user where there is none.
CANDIDATES_AND_WAITS = f"""
SELECT waits.keys, waits.until, candidates.*
FROM (SELECT array_agg(key) AS keys, array_agg(blocked_until) AS until
      FROM login_failures WHERE key = ANY($3) AND blocked_until > $4) waits
LEFT JOIN ({CANDIDATES_BY_EMAIL}) candidates ON true
"""
CANDIDATE_BY_ACCOUNT = f"{_CANDIDATE} WHERE d.account_id = $1 AND d.tenant_id = $2"
TENANTS_OF_ACCOUNT = f"{_CANDIDATE} WHERE d.account_id = $1 ORDER BY u.id LIMIT $2"
# Of the home region: who lives elsewhere. Its rows name no person.
REGIONS_OF_ADDRESS = """
SELECT DISTINCT t.region FROM remote_directory r JOIN tenant_directory t USING (tenant_id)
WHERE r.email_hash = $1
"""
REGIONS_OF_ACCOUNT = """
SELECT DISTINCT t.region FROM remote_directory r JOIN tenant_directory t USING (tenant_id)
WHERE r.account_id = $1
"""
NOTE_REMOTE = """
INSERT INTO remote_directory (tenant_id, user_id, account_id, email_hash, noted_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, user_id) DO UPDATE SET account_id = $3, email_hash = $4, noted_at = $5
"""
OWNED_ACCOUNT = """
SELECT u.owned_at, u.account_id FROM directory d
JOIN users u ON u.tenant_id = d.tenant_id AND u.id = d.user_id
WHERE d.email_hash = $1 AND u.owned_at IS NOT NULL AND NOT (u.tenant_id = $2 AND u.id = $3)
ORDER BY u.owned_at LIMIT 1
"""
INVITATION_COLUMNS = "tenant_id, id, user_id, invited_by, created_at, expires_at, accepted_at"
INSERT_INVITATION = """
INSERT INTO invitations (tenant_id, id, user_id, token_hash, created_at, expires_at, invited_by)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
LOCK_INVITATION = f"""
SELECT {INVITATION_COLUMNS} FROM invitations
WHERE tenant_id = $1 AND token_hash = $2 FOR NO KEY UPDATE
"""
ACCEPT_INVITATION = """
UPDATE invitations SET accepted_at = $3 WHERE tenant_id = $1 AND id = $2
"""
WITHDRAW_INVITATIONS = """
DELETE FROM invitations WHERE tenant_id = $1 AND user_id = $2 AND accepted_at IS NULL
"""
# Whom a directory keeps has no invitation that could end.
IS_INVITATION_OVER = """
SELECT coalesce(max(expires_at) <= $3, false) FROM invitations
WHERE tenant_id = $1 AND user_id = $2 AND accepted_at IS NULL
"""


def _candidate(row: Any) -> Candidate:
    facts = dict(row)
    return Candidate(
        tenant_slug=facts.pop("tenant_slug"),
        tenant_name=facts.pop("tenant_name"),
        plan=facts.pop("plan"),
        security=facts.pop("security"),
        user=User(**facts),
    )


async def insert_user(conn: Connection, user: User, email_hash: bytes) -> None:
    """Add a user and the entry under which sign-in finds them."""
    await insert_row(conn, user)
    await conn.execute(INSERT_DIRECTORY, user.tenant_id, user.id, user.account_id, email_hash)


async def insert_row(conn: Connection, user: User) -> None:
    """Add a user whom no sign-in finds."""
    await conn.execute(INSERT_USER, *values_of(user, NEW_COLUMNS))


async def require_terms(conn: Connection, tenant_id: UUID, user_id: UUID) -> Terms:
    row = await conn.fetchrow(FIND_TERMS, tenant_id, user_id)
    if row is None:
        raise LookupError(f"no tenant {tenant_id}")
    return Terms(**row)


async def find_user(conn: Connection, tenant_id: UUID, user_id: UUID) -> User | None:
    return await find_row(conn, User, FIND_USER, tenant_id, user_id)


async def find_many(conn: Connection, tenant_id: UUID, user_ids: Sequence[UUID]) -> list[User]:
    return await list_rows(conn, User, FIND_USERS, tenant_id, list(user_ids))


async def lock_user(conn: Connection, tenant_id: UUID, user_id: UUID) -> User | None:
    """The user; others who change this one wait until this transaction ends."""
    return await find_row(conn, User, LOCK_USER, tenant_id, user_id)


async def find_user_by_email(conn: Connection, tenant_id: UUID, email: str) -> User | None:
    return await find_row(conn, User, FIND_USER_BY_EMAIL, tenant_id, email)


async def delete_user_by_email(conn: Connection, tenant_id: UUID, email: str) -> None:
    await conn.execute(DELETE_USER_BY_EMAIL, tenant_id, email)


async def count_users(conn: Connection, tenant_id: UUID) -> int:
    count: int = await conn.fetchval(COUNT_USERS, tenant_id)
    return count


async def tally_users(conn: Connection, tenant_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many people have a place in each of several tenants."""
    rows = await conn.fetch(TALLY_USERS, list(tenant_ids))
    return {row["tenant_id"]: row["number"] for row in rows}


async def lock_active_of_role(conn: Connection, tenant_id: UUID, role: str) -> list[UUID]:
    """The active users of a role, held until this transaction ends."""
    return [row["id"] for row in await conn.fetch(LOCK_OWNERS, tenant_id, role)]


async def list_active_of_role(conn: Connection, tenant_id: UUID, role: str) -> list[UUID]:
    """The active users of a role."""
    return [row["id"] for row in await conn.fetch(ACTIVE_OF_ROLE, tenant_id, role)]


async def list_owner_addresses(conn: Connection, tenant_id: UUID) -> list[str]:
    return [row["email"] for row in await conn.fetch(OWNER_ADDRESSES, tenant_id)]


async def list_addresses_holding(
    conn: Connection,
    tenant_id: UUID,
    permission: str,
    roles: Sequence[str],
    *,
    now: datetime,
    limit: int,
) -> list[str]:
    """Where people with one of the roles, or with a role of the tenant's own that holds the
    permission, get their mail."""
    rows = await conn.fetch(ADDRESSES_HOLDING, tenant_id, list(roles), permission, now, limit)
    return [row["email"] for row in rows]


async def update_user(
    conn: Connection,
    user: User,
    *,
    username: str,
    status: str,
    expires_at: datetime | None,
    now: datetime,
) -> User | None:
    return await find_row(
        conn, User, UPDATE_USER, user.tenant_id, user.id, username, status, expires_at, now
    )


async def is_name_provisioned(
    conn: Connection, tenant_id: UUID, user_id: UUID, *, now: datetime
) -> bool:
    """Whether somebody's name comes from a directory that is still connected."""
    provisioned: bool = await conn.fetchval(IS_NAME_PROVISIONED, tenant_id, user_id, now)
    return provisioned


async def set_role(
    conn: Connection,
    user: User,
    role: str,
    *,
    expires_at: datetime | None,
    is_usual: bool,
    now: datetime,
) -> None:
    """`is_usual`: it counts only as long as no group gives one."""
    await conn.execute(SET_ROLE, user.tenant_id, user.id, role, expires_at, now, is_usual)


async def set_password(
    conn: Connection, tenant_id: UUID, user_id: UUID, *, password_hash: str, now: datetime
) -> None:
    await conn.execute(REPLACE_HASH, tenant_id, user_id, password_hash, now)


async def activate(
    conn: Connection,
    tenant_id: UUID,
    user_id: UUID,
    *,
    now: datetime,
    username: str | None = None,
    password_hash: str | None = None,
) -> User | None:
    """The user has proved the e-mail address; what is not given stays. With a password the account
    is the bearer's: nobody else knows it."""
    return await find_row(conn, User, ACTIVATE, tenant_id, user_id, now, username, password_hash)


async def set_account(conn: Connection, tenant_id: UUID, user_id: UUID, account_id: UUID) -> None:
    """Say of which person a user is one."""
    await conn.execute(SET_ACCOUNT, tenant_id, user_id, account_id)


async def list_candidates(
    conn: Connection, email_hash: bytes, *, limit: int
) -> Sequence[Candidate]:
    return [_candidate(row) for row in await conn.fetch(CANDIDATES_BY_EMAIL, email_hash, limit)]


async def list_candidates_and_waits(
    conn: Connection, email_hash: bytes, keys: Sequence[bytes], *, limit: int, now: datetime
) -> tuple[Sequence[Candidate], dict[bytes, datetime]]:
    """As `list_candidates`, and until when each of `keys` must wait that must."""
    rows = await conn.fetch(CANDIDATES_AND_WAITS, email_hash, limit, keys, now)
    facts = [dict(row) for row in rows]
    waits = [(fact.pop("keys"), fact.pop("until")) for fact in facts]
    found = [_candidate(fact) for fact in facts if fact["id"] is not None]
    return found, dict(zip(waits[0][0] or (), waits[0][1] or (), strict=True))


async def find_candidate(conn: Connection, account_id: UUID, tenant_id: UUID) -> Candidate | None:
    row = await conn.fetchrow(CANDIDATE_BY_ACCOUNT, account_id, tenant_id)
    return None if row is None else _candidate(row)


async def list_of_account(conn: Connection, account_id: UUID, *, limit: int) -> Sequence[Candidate]:
    return [_candidate(row) for row in await conn.fetch(TENANTS_OF_ACCOUNT, account_id, limit)]


async def find_owned_account(
    conn: Connection, email_hash: bytes, *, except_user: User
) -> tuple[datetime, UUID] | None:
    """The row in this database whose password the bearer of this very address set first, but for
    one user's: when, and which account it is."""
    row = await conn.fetchrow(OWNED_ACCOUNT, email_hash, except_user.tenant_id, except_user.id)
    return None if row is None else (row["owned_at"], row["account_id"])


async def list_regions_of_address(conn: Connection, email_hash: bytes) -> list[str]:
    """The other regions in which an address is known."""
    return [row["region"] for row in await conn.fetch(REGIONS_OF_ADDRESS, email_hash)]


async def list_regions_of_account(conn: Connection, account_id: UUID) -> list[str]:
    """The other regions in which a person has users."""
    return [row["region"] for row in await conn.fetch(REGIONS_OF_ACCOUNT, account_id)]


async def note_remote(conn: Connection, user: User, email_hash: bytes, *, now: datetime) -> None:
    """Enter a user of another region, or correct the entry."""
    await conn.execute(NOTE_REMOTE, user.tenant_id, user.id, user.account_id, email_hash, now)


async def insert_invitation(conn: Connection, invitation: Invitation, token_hash: bytes) -> None:
    await conn.execute(
        INSERT_INVITATION,
        invitation.tenant_id,
        invitation.id,
        invitation.user_id,
        token_hash,
        invitation.created_at,
        invitation.expires_at,
        invitation.invited_by,
    )


async def lock_invitation(
    conn: Connection, tenant_id: UUID, token_hash: bytes
) -> Invitation | None:
    return await find_row(conn, Invitation, LOCK_INVITATION, tenant_id, token_hash)


async def accept_invitation(
    conn: Connection, tenant_id: UUID, invitation_id: UUID, *, now: datetime
) -> None:
    await conn.execute(ACCEPT_INVITATION, tenant_id, invitation_id, now)


async def withdraw_invitations(conn: Connection, tenant_id: UUID, user_id: UUID) -> None:
    """Links that were not followed yet lead nowhere any more."""
    await conn.execute(WITHDRAW_INVITATIONS, tenant_id, user_id)


async def is_invitation_over(
    conn: Connection, tenant_id: UUID, user_id: UUID, *, now: datetime
) -> bool:
    """Whether somebody was invited and did not come in time."""
    over: bool = await conn.fetchval(IS_INVITATION_OVER, tenant_id, user_id, now)
    return over
