"""Statements about who lives in which region: of the home region and of the others."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from leanvibe_server.kernel.db import Connection

Key = tuple[UUID, UUID]
FIRST: Final[Key] = (UUID(int=0), UUID(int=0))
LAST: Final[Key] = (UUID(int=2**128 - 1), UUID(int=2**128 - 1))

LIST_THERE = """
SELECT tenant_id, user_id, account_id, email_hash FROM directory
WHERE (tenant_id, user_id) > ($1, $2) ORDER BY tenant_id, user_id LIMIT $3
"""
LIST_NOTED = """
SELECT r.tenant_id, r.user_id, r.account_id, r.email_hash, r.noted_at
FROM remote_directory r JOIN tenant_directory t USING (tenant_id)
WHERE t.region = $1 AND (r.tenant_id, r.user_id) > ($2, $3)
    AND (r.tenant_id, r.user_id) <= ($4, $5)
"""
# A tenant that is not in the directory is none, however many rows there are of it.
NOTE = """
INSERT INTO remote_directory (tenant_id, user_id, account_id, email_hash, noted_at)
SELECT $1, $2, $3, $4, $5 FROM tenant_directory WHERE tenant_id = $1 AND deleted_at IS NULL
ON CONFLICT (tenant_id, user_id) DO UPDATE SET account_id = $3, email_hash = $4, noted_at = $5
"""
FORGET = "DELETE FROM remote_directory WHERE tenant_id = $1 AND user_id = $2"


class Entry(msgspec.Struct, frozen=True):
    """Where somebody signs in, without a word of who it is."""

    tenant_id: UUID
    user_id: UUID
    account_id: UUID
    email_hash: bytes

    @property
    def key(self) -> Key:
        return (self.tenant_id, self.user_id)


async def list_there(conn: Connection, after: Key, *, limit: int) -> list[Entry]:
    """The next users of a region, asked there."""
    return [Entry(*row) for row in await conn.fetch(LIST_THERE, *after, limit)]


async def list_noted(
    conn: Connection, region: str, after: Key, last: Key | None
) -> list[tuple[Entry, datetime]]:
    """What the home region has noted of a region between two users, and when."""
    rows = await conn.fetch(LIST_NOTED, region, *after, *(last or LAST))
    return [(Entry(*tuple(row)[:4]), row["noted_at"]) for row in rows]


async def note(conn: Connection, entry: Entry, *, now: datetime) -> None:
    await conn.execute(NOTE, *entry.key, entry.account_id, entry.email_hash, now)


async def forget(conn: Connection, key: Key) -> None:
    await conn.execute(FORGET, *key)
