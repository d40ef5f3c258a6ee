"""Every SQL statement of the notifications room."""

from datetime import datetime
from typing import Any
from uuid import UUID

from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import find_row
from leanvibe_server.notifications.models import OutgoingMail, OutgoingSms

COLUMNS = "tenant_id, id, recipient, subject, body, created_at, sent_at, failed_at, failure"
FIND_MAIL = f"SELECT {COLUMNS} FROM outgoing_mail WHERE tenant_id = $1 AND id = $2"
# Mails bear links and codes that open accounts: their text does not stay longer than it must.
MARK_SENT = """
UPDATE outgoing_mail SET sent_at = $3, body = CASE WHEN $4 THEN body ELSE '' END
WHERE tenant_id = $1 AND id = $2 AND sent_at IS NULL
"""
MARK_FAILED = """
UPDATE outgoing_mail SET failed_at = $3, failure = $4, body = CASE WHEN $5 THEN body ELSE '' END
WHERE tenant_id = $1 AND id = $2 AND sent_at IS NULL
"""
LIST_LATEST = f"SELECT {COLUMNS} FROM outgoing_mail ORDER BY id DESC LIMIT $1"

FIND_SMS = """
SELECT tenant_id, id, recipient_sealed, body_sealed, created_at, expires_at, sent_at, failed_at
FROM outgoing_sms WHERE tenant_id = $1 AND id = $2
"""
# A number is personal data and a code a secret: neither stays longer than it must.
MARK_SMS = """
UPDATE outgoing_sms SET sent_at = $3, provider_id = $4, failed_at = $5, failure = $6,
    recipient_sealed = '', body_sealed = ''
WHERE tenant_id = $1 AND id = $2 AND sent_at IS NULL AND failed_at IS NULL
"""


def _mail(row: Any) -> OutgoingMail:
    return OutgoingMail(**row)


async def find_mail(conn: Connection, tenant_id: UUID, mail_id: UUID) -> OutgoingMail | None:
    row = await conn.fetchrow(FIND_MAIL, tenant_id, mail_id)
    return None if row is None else _mail(row)


async def mark_sent(
    conn: Connection, tenant_id: UUID, mail_id: UUID, *, now: datetime, keep_text: bool
) -> None:
    await conn.execute(MARK_SENT, tenant_id, mail_id, now, keep_text)


async def mark_failed(
    conn: Connection,
    tenant_id: UUID,
    mail_id: UUID,
    *,
    failure: str,
    now: datetime,
    keep_text: bool,
) -> None:
    await conn.execute(MARK_FAILED, tenant_id, mail_id, now, failure, keep_text)


async def list_latest(conn: Connection, *, limit: int) -> list[OutgoingMail]:
    """The last messages of every tenant this connection sees, newest first."""
    return [_mail(row) for row in await conn.fetch(LIST_LATEST, limit)]


async def find_sms(conn: Connection, tenant_id: UUID, sms_id: UUID) -> OutgoingSms | None:
    return await find_row(conn, OutgoingSms, FIND_SMS, tenant_id, sms_id)


async def mark_sms_sent(
    conn: Connection, tenant_id: UUID, sms_id: UUID, *, provider_id: str, now: datetime
) -> None:
    await conn.execute(MARK_SMS, tenant_id, sms_id, now, provider_id, None, None)


async def mark_sms_failed(
    conn: Connection, tenant_id: UUID, sms_id: UUID, *, failure: str, now: datetime
) -> None:
    await conn.execute(MARK_SMS, tenant_id, sms_id, None, None, now, failure)
