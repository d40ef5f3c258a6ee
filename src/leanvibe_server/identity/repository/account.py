"""Statements about earlier passwords, links sent by mail, and the address of a user."""

from datetime import datetime
from uuid import UUID

from leanvibe_server.identity.models import MailLink, User
from leanvibe_server.identity.repository.people import USER_COLUMNS
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import find_row

ADD_EARLIER = """
INSERT INTO password_history (tenant_id, id, user_id, password_hash, replaced_at)
VALUES ($1, $2, $3, $4, $5)
"""
EARLIER_PASSWORDS = """
SELECT password_hash FROM password_history WHERE tenant_id = $1 AND user_id = $2
ORDER BY id DESC LIMIT $3
"""
TRIM_PASSWORDS = """
DELETE FROM password_history WHERE tenant_id = $1 AND user_id = $2 AND id NOT IN (
    SELECT id FROM password_history WHERE tenant_id = $1 AND user_id = $2
    ORDER BY id DESC LIMIT $3)
"""
LINK_COLUMNS = "tenant_id, id, user_id, purpose, email, created_at, expires_at"
INSERT_LINK = """
INSERT INTO mail_links (tenant_id, id, user_id, purpose, token_hash, email, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
LOCK_LINK = f"""
SELECT {LINK_COLUMNS} FROM mail_links
WHERE tenant_id = $1 AND purpose = $2 AND token_hash = $3 FOR NO KEY UPDATE
"""
WITHDRAW_LINKS = """
DELETE FROM mail_links WHERE tenant_id = $1 AND user_id = $2 AND purpose = ANY($3)
"""
# Only of the platform login: links of every tenant.
SWEEP_LINKS = "DELETE FROM mail_links WHERE expires_at < $1"
SET_EMAIL = f"""
UPDATE users SET email = $3, email_verified_at = $4, owned_at = NULL, updated_at = $4
WHERE tenant_id = $1 AND id = $2 RETURNING {USER_COLUMNS}
"""
MOVE_DIRECTORY = "UPDATE directory SET email_hash = $3 WHERE tenant_id = $1 AND user_id = $2"


async def add_earlier_password(
    conn: Connection,
    tenant_id: UUID,
    entry_id: UUID,
    user_id: UUID,
    *,
    password_hash: str,
    now: datetime,
    keep: int,
) -> None:
    """Remember a password that was replaced; of each user the latest `keep` stay."""
    await conn.execute(ADD_EARLIER, tenant_id, entry_id, user_id, password_hash, now)
    await conn.execute(TRIM_PASSWORDS, tenant_id, user_id, keep)


async def list_earlier_passwords(
    conn: Connection, tenant_id: UUID, user_id: UUID, *, limit: int
) -> list[str]:
    """Hashes, the latest first."""
    rows = await conn.fetch(EARLIER_PASSWORDS, tenant_id, user_id, limit)
    return [row["password_hash"] for row in rows]


async def insert_link(conn: Connection, link: MailLink, token_hash: bytes) -> None:
    await conn.execute(
        INSERT_LINK,
        link.tenant_id,
        link.id,
        link.user_id,
        link.purpose,
        token_hash,
        link.email,
        link.created_at,
        link.expires_at,
    )


async def lock_link(
    conn: Connection, tenant_id: UUID, purpose: str, token_hash: bytes
) -> MailLink | None:
    """The link; a second reader of the same mail waits until the first is answered."""
    return await find_row(conn, MailLink, LOCK_LINK, tenant_id, purpose, token_hash)


async def withdraw_links(
    conn: Connection, tenant_id: UUID, user_id: UUID, purposes: tuple[str, ...]
) -> None:
    """Links of these purposes lead nowhere any more."""
    await conn.execute(WITHDRAW_LINKS, tenant_id, user_id, purposes)


async def sweep_links(conn: Connection, *, before: datetime) -> None:
    """Forget links that expired before a moment."""
    await conn.execute(SWEEP_LINKS, before)


async def set_email(
    conn: Connection,
    tenant_id: UUID,
    user_id: UUID,
    *,
    email: str,
    email_hash: bytes,
    now: datetime,
) -> User | None:
    """Give a user another, proved address; sign-in finds them by it from now on."""
    user = await find_row(conn, User, SET_EMAIL, tenant_id, user_id, email, now)
    await conn.execute(MOVE_DIRECTORY, tenant_id, user_id, email_hash)
    return user
