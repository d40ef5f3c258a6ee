"""Statements about people coming and going."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from leanvibe_server.identity.models import User
from leanvibe_server.identity.people.models import Ending, Pending
from leanvibe_server.identity.people.schemas import UserQuery
from leanvibe_server.identity.repository.people import USER_COLUMNS
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.pagination import containing
from leanvibe_server.kernel.rows import list_rows

_FILTERED = f"""
SELECT {USER_COLUMNS} FROM users
WHERE tenant_id = $1 AND kind = 'person'
  AND ($2::text IS NULL OR role = $2 OR $2 = ANY (further_roles))
  AND ($3::text IS NULL OR status = $3)
  AND ($4::text IS NULL OR email ILIKE $4 OR username ILIKE $4)
  AND ($5::boolean IS NULL OR (role = 'guest' OR expires_at IS NOT NULL) = $5)
  AND ($6::timestamptz IS NULL OR last_login_at IS NULL OR last_login_at < $6)
  AND ($7::timestamptz IS NULL OR last_login_at >= $7)
  AND ($8::boolean IS NULL OR EXISTS (
    SELECT FROM mfa_factors f
    WHERE f.tenant_id = $1 AND f.user_id = users.id AND f.verified_at IS NOT NULL) = $8)
"""
_KEYS = {
    "email": "email",
    "username": "lower(username)",
    "last_login_at": "coalesce(last_login_at, '-infinity')",
}


def _sorted_by(key: str, *, down: bool) -> str:
    """The list in one order: a page begins behind the row that ended the one before."""
    beyond, direction = ("<", "DESC") if down else (">", "ASC")
    return (
        f"{_FILTERED} AND ($9::uuid IS NULL OR ({key}, id) {beyond}"
        f" (SELECT {key}, id FROM users WHERE tenant_id = $1 AND id = $9))"
        f" ORDER BY {key} {direction}, id {direction} LIMIT $10"
    )


def _as_made(*, down: bool) -> str:
    """The list by age. Ids grow with time, so a page begins well even behind somebody who was
    removed meanwhile."""
    beyond, direction = ("<", "DESC") if down else (">", "ASC")
    return f"{_FILTERED} AND ($9::uuid IS NULL OR id {beyond} $9) ORDER BY id {direction} LIMIT $10"


LISTS = {
    f"{'-' if down else ''}{name}": _sorted_by(key, down=down)
    for name, key in _KEYS.items()
    for down in (False, True)
}
LISTS |= {"created_at": _as_made(down=False), "-created_at": _as_made(down=True)}
ENROLLED = """
SELECT DISTINCT user_id FROM mfa_factors
WHERE tenant_id = $1 AND user_id = ANY ($2::uuid[]) AND verified_at IS NOT NULL
"""
LIST_INVITED = """
SELECT * FROM (
    SELECT u.id AS user_id, u.email, u.username, u.role, i.created_at AS sent_at, i.expires_at,
        i.accepted_at, i.invited_by, m.email AS invited_by_email,
        CASE WHEN u.status <> 'invited' THEN 'accepted'
            WHEN i.expires_at IS NULL THEN 'not_sent'
            WHEN i.expires_at > $4 THEN 'pending' ELSE 'expired' END AS state
    FROM users u LEFT JOIN LATERAL (
        SELECT created_at, expires_at, accepted_at, invited_by FROM invitations
        WHERE tenant_id = u.tenant_id AND user_id = u.id
            AND (accepted_at IS NULL) = (u.status = 'invited')
        ORDER BY created_at DESC LIMIT 1) i ON true
    LEFT JOIN users m ON m.tenant_id = u.tenant_id AND m.id = i.invited_by
    WHERE u.tenant_id = $1 AND u.kind = 'person'
        AND (u.status = 'invited' OR i.accepted_at IS NOT NULL)
        AND ($2::uuid IS NULL OR u.id > $2)) invited
WHERE CASE WHEN $5::text IS NULL THEN state <> 'accepted' ELSE state = $5 END
ORDER BY user_id LIMIT $3
"""
DELETE = "DELETE FROM users WHERE tenant_id = $1 AND id = $2"
_ENDING = "SELECT tenant_id, id AS user_id, email, role, expires_at FROM users"
# Of the platform login, which looks at every tenant of a region.
LIST_ENDED = f"""
{_ENDING} WHERE expires_at <= $1 AND status <> 'disabled' ORDER BY expires_at LIMIT $2
FOR NO KEY UPDATE SKIP LOCKED
"""
LIST_TO_REMIND = f"""
{_ENDING} WHERE expires_at > $1 AND expires_at <= $2 AND status = 'active'
    AND end_reminded_at IS NULL ORDER BY expires_at LIMIT $3
FOR NO KEY UPDATE SKIP LOCKED
"""
NOTE_REMINDER = "UPDATE users SET end_reminded_at = $3 WHERE tenant_id = $1 AND id = $2"
DISABLE = """
UPDATE users SET status = 'disabled', updated_at = $3 WHERE tenant_id = $1 AND id = $2
"""


async def list_page(
    conn: Connection, tenant_id: UUID, query: UserQuery, *, after: UUID | None, limit: int
) -> list[User]:
    return await list_rows(
        conn,
        User,
        LISTS[query.sort],
        tenant_id,
        query.role,
        query.status,
        containing(query.q) if query.q else None,
        query.guest,
        query.last_login_before,
        query.last_login_after,
        None if query.mfa is None else query.mfa == "enrolled",
        after,
        limit,
    )


async def find_enrolled(conn: Connection, tenant_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Those of these people who have a second factor."""
    return {row["user_id"] for row in await conn.fetch(ENROLLED, tenant_id, list(ids))}


async def list_invited(
    conn: Connection,
    tenant_id: UUID,
    *,
    state: str | None,
    now: datetime,
    after: UUID | None,
    limit: int,
) -> list[Pending]:
    return await list_rows(conn, Pending, LIST_INVITED, tenant_id, after, limit, now, state)


async def delete(conn: Connection, tenant_id: UUID, user_id: UUID) -> None:
    await conn.execute(DELETE, tenant_id, user_id)


async def list_ended(conn: Connection, *, now: datetime, limit: int) -> Sequence[Ending]:
    """People of every tenant whose time is over."""
    return await list_rows(conn, Ending, LIST_ENDED, now, limit)


async def list_to_remind(
    conn: Connection, *, now: datetime, until: datetime, limit: int
) -> Sequence[Ending]:
    """People of every tenant whose time is over soon and who do not know it yet."""
    return await list_rows(conn, Ending, LIST_TO_REMIND, now, until, limit)


async def note_reminder(conn: Connection, ending: Ending, *, now: datetime) -> None:
    await conn.execute(NOTE_REMINDER, ending.tenant_id, ending.user_id, now)


async def disable(conn: Connection, ending: Ending, *, now: datetime) -> None:
    await conn.execute(DISABLE, ending.tenant_id, ending.user_id, now)
