"""Statements about provisioning: tokens, people as clients see them, and their groups."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from leanvibe_server.identity.groups.models import Group
from leanvibe_server.identity.models import User
from leanvibe_server.identity.repository.lineage import orphaned as is_orphaned
from leanvibe_server.identity.scim.lists import Question
from leanvibe_server.identity.scim.models import Membership, Provisioned, ScimToken
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import find_row, list_rows

ORPHANED = is_orphaned("scim_tokens")
ACCESS_COLUMNS = f"""tenant_id, id, name, prefix, created_by, created_at, expires_at, revoked_at,
    last_used_at, last_used_address, made_with, {ORPHANED} AS orphaned"""
ADD_ACCESS = """
INSERT INTO scim_tokens (tenant_id, id, name, prefix, token_hash, created_by, created_at,
    expires_at, made_with)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
LIST_ACCESS = f"""
SELECT {ACCESS_COLUMNS} FROM scim_tokens
WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2)
  AND ($4::bool IS NULL OR $4 = {ORPHANED}) ORDER BY id LIMIT $3
"""
COUNT_ACCESS = """
SELECT count(*) FROM scim_tokens WHERE tenant_id = $1 AND revoked_at IS NULL AND expires_at > $2
"""
END_ACCESS = f"""
UPDATE scim_tokens SET revoked_at = coalesce(revoked_at, $3) WHERE tenant_id = $1 AND id = $2
RETURNING {ACCESS_COLUMNS}
"""
LAST_SYNC = """
SELECT (SELECT max(last_used_at) FROM scim_tokens WHERE tenant_id = $1) AS used_at,
    (SELECT max(updated_at) FROM scim_profiles WHERE tenant_id = $1) AS changed_at,
    (SELECT count(*) FROM scim_profiles p JOIN users u
        ON u.tenant_id = p.tenant_id AND u.id = p.user_id
        WHERE p.tenant_id = $1 AND p.deleted_at IS NULL AND u.status <> 'disabled') AS people
"""
_PERSON = """
SELECT u.tenant_id, u.id, u.email, u.username, u.role, u.further_roles, u.status, u.created_at,
    u.updated_at, p.user_name, p.external_id, p.attributes, p.updated_at AS profile_updated_at
"""
_PEOPLE = """
FROM users u LEFT JOIN scim_profiles p ON p.tenant_id = u.tenant_id AND p.user_id = u.id
WHERE u.tenant_id = $1 AND u.kind = 'person' AND p.deleted_at IS NULL
"""
FIND_PERSON = f"{_PERSON}{_PEOPLE} AND u.id = $2"
# Another person of that name or address; one that was deprovisioned stands in nobody's way.
FIND_NAMESAKE = f"""
SELECT u.id {_PEOPLE} AND u.id <> $2 AND (lower(coalesce(p.user_name, u.email)) = lower($3)
    OR u.email = $4) LIMIT 1
"""
FIND_DEPROVISIONED = """
SELECT p.user_id FROM scim_profiles p JOIN users u ON u.tenant_id = p.tenant_id AND u.id = p.user_id
WHERE p.tenant_id = $1 AND p.deleted_at IS NOT NULL AND u.email = $2
"""
KEEP_PROFILE = """
INSERT INTO scim_profiles (tenant_id, user_id, user_name, external_id, attributes, created_at,
    updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $6)
ON CONFLICT (tenant_id, user_id) DO UPDATE SET user_name = $3, external_id = $4, attributes = $5,
    updated_at = $6, deleted_at = NULL
"""
DEPROVISION = """
INSERT INTO scim_profiles (tenant_id, user_id, user_name, attributes, created_at, updated_at,
    deleted_at)
SELECT tenant_id, id, email, '{}', $3, $3, $3 FROM users WHERE tenant_id = $1 AND id = $2
ON CONFLICT (tenant_id, user_id) DO UPDATE SET attributes = '{}', external_id = NULL,
    updated_at = $3, deleted_at = $3
"""
SET_USER = """
UPDATE users SET email = $3, username = $4, status = $5,
    email_verified_at = CASE WHEN email = $3 THEN email_verified_at END,
    owned_at = CASE WHEN email = $3 THEN owned_at END, updated_at = $6
WHERE tenant_id = $1 AND id = $2
"""
SET_DIRECTORY = "UPDATE directory SET email_hash = $3 WHERE tenant_id = $1 AND user_id = $2"
GROUPS_OF = """
SELECT m.user_id, g.id, g.name
FROM group_members m JOIN groups g ON g.tenant_id = m.tenant_id AND g.id = m.group_id
WHERE m.tenant_id = $1 AND m.user_id = ANY ($2::uuid[]) ORDER BY g.name
"""
MEMBERS_OF = """
SELECT m.group_id, u.id, u.username
FROM group_members m JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id
WHERE m.tenant_id = $1 AND m.group_id = ANY ($2::uuid[]) ORDER BY m.user_id
"""
_GROUP = """
SELECT g.tenant_id, g.id, g.name, g.description, g.external_id, g.role, g.version, g.created_at,
    g.updated_at
"""
_GROUPS = "FROM groups g WHERE g.tenant_id = $1"


async def insert_token(conn: Connection, token: ScimToken, token_hash: bytes) -> None:
    await conn.execute(
        ADD_ACCESS,
        token.tenant_id,
        token.id,
        token.name,
        token.prefix,
        token_hash,
        token.created_by,
        token.created_at,
        token.expires_at,
        token.made_with,
    )


async def list_tokens(
    conn: Connection,
    tenant_id: UUID,
    *,
    after: UUID | None,
    limit: int,
    orphaned: bool | None = None,
) -> list[ScimToken]:
    return await list_rows(conn, ScimToken, LIST_ACCESS, tenant_id, after, limit, orphaned)


async def count_tokens(conn: Connection, tenant_id: UUID, *, now: datetime) -> int:
    """How many tokens hold."""
    count: int = await conn.fetchval(COUNT_ACCESS, tenant_id, now)
    return count


async def revoke_token(
    conn: Connection, tenant_id: UUID, token_id: UUID, *, now: datetime
) -> ScimToken | None:
    return await find_row(conn, ScimToken, END_ACCESS, tenant_id, token_id, now)


async def last_sync(
    conn: Connection, tenant_id: UUID
) -> tuple[datetime | None, datetime | None, int]:
    """When a token was last used, when a person last changed so, and how many people came so."""
    row = await conn.fetchrow(LAST_SYNC, tenant_id)
    return (None, None, 0) if row is None else (row["used_at"], row["changed_at"], row["people"])


async def find_person(conn: Connection, tenant_id: UUID, user_id: UUID) -> Provisioned | None:
    return await find_row(conn, Provisioned, FIND_PERSON, tenant_id, user_id)


async def has_namesake(
    conn: Connection, tenant_id: UUID, user_id: UUID, *, name: str, email: str
) -> bool:
    """Whether somebody else here bears the name or the address."""
    return await conn.fetchval(FIND_NAMESAKE, tenant_id, user_id, name, email) is not None


async def find_deprovisioned(conn: Connection, tenant_id: UUID, email: str) -> UUID | None:
    """Who had the address and was deprovisioned."""
    user_id: UUID | None = await conn.fetchval(FIND_DEPROVISIONED, tenant_id, email)
    return user_id


async def list_people(
    conn: Connection, tenant_id: UUID, question: Question
) -> tuple[int, list[Provisioned]]:
    """How many people the question is about, and one page of them."""
    total, page = await _ask(conn, tenant_id, question, columns=_PERSON, source=_PEOPLE, key="u.id")
    return total, [Provisioned(**row) for row in page]


async def list_groups(
    conn: Connection, tenant_id: UUID, question: Question
) -> tuple[int, list[Group]]:
    """As `list_people`, of groups."""
    total, page = await _ask(conn, tenant_id, question, columns=_GROUP, source=_GROUPS, key="g.id")
    return total, [Group(**row) for row in page]


async def _ask(
    conn: Connection, tenant_id: UUID, question: Question, *, columns: str, source: str, key: str
) -> tuple[int, list[Any]]:
    """Condition and order of the question are made by `conditions`, of names in the tables and of
    places for its parameters from $2 on."""
    chosen, values = f"{source} AND {question.condition}", question.parameters
    total: int = await conn.fetchval(f"SELECT count(*) {chosen}", tenant_id, *values)
    if not question.limit:
        return total, []
    offset = len(values) + 2
    page = (
        f"{columns}{chosen} ORDER BY {question.order}, {key} OFFSET ${offset} LIMIT ${offset + 1}"
    )
    return total, await conn.fetch(page, tenant_id, *values, question.offset, question.limit)


async def keep_profile(
    conn: Connection,
    user: User,
    *,
    name: str,
    external_id: str | None,
    attributes: Mapping[str, Any],
    now: datetime,
) -> None:
    """Keep what a client says of a person, who is here again if they were deprovisioned."""
    await conn.execute(
        KEEP_PROFILE, user.tenant_id, user.id, name, external_id, dict(attributes), now
    )


async def deprovision(conn: Connection, tenant_id: UUID, user_id: UUID, *, now: datetime) -> None:
    """The person is gone for clients; what these said of them is forgotten."""
    await conn.execute(DEPROVISION, tenant_id, user_id, now)


async def set_user(
    conn: Connection,
    user: User,
    *,
    email: str,
    username: str,
    status: str,
    now: datetime,
) -> None:
    """Write a user's face; an address that changed is not verified any more."""
    await conn.execute(SET_USER, user.tenant_id, user.id, email, username, status, now)


async def set_directory(conn: Connection, user: User, email_hash: bytes) -> None:
    """Let sign-in find a user under another address."""
    await conn.execute(SET_DIRECTORY, user.tenant_id, user.id, email_hash)


async def groups_of(conn: Connection, tenant_id: UUID, ids: Sequence[UUID]) -> list[Membership]:
    """The groups these people are in."""
    return [Membership(*row) for row in await conn.fetch(GROUPS_OF, tenant_id, list(ids))]


async def members_of(conn: Connection, tenant_id: UUID, ids: Sequence[UUID]) -> list[Membership]:
    """Who is in these groups."""
    return [Membership(*row) for row in await conn.fetch(MEMBERS_OF, tenant_id, list(ids))]
