"""Repeats: a POST that bears a known Idempotency-Key gets the first answer again."""

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import Conflict, InvalidRequest
from leanvibe_server.kernel.platform import sweep_regions
from leanvibe_server.kernel.request import IdempotentAnswer, Visit

if TYPE_CHECKING:
    from leanvibe_server.kernel.house import House
    from leanvibe_server.kernel.scope import Scope

KEEP_HOURS = 24
MAX_KEY_LENGTH = 255

RESERVE = """
INSERT INTO idempotency_keys (tenant_id, owner, key, method, path, request_hash, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant_id, owner, key) DO UPDATE
    SET method = EXCLUDED.method, path = EXCLUDED.path, request_hash = EXCLUDED.request_hash,
        created_at = EXCLUDED.created_at, status = NULL, body = NULL, media_type = NULL
    WHERE idempotency_keys.created_at < EXCLUDED.created_at - interval '24 hours'
RETURNING key
"""
FIND = """
SELECT method, path, request_hash, status, body, media_type FROM idempotency_keys
WHERE tenant_id = $1 AND owner = $2 AND key = $3
"""
STORE = """
UPDATE idempotency_keys SET status = $4, body = $5, media_type = $6
WHERE tenant_id = $1 AND owner = $2 AND key = $3
"""


SWEEP = "DELETE FROM idempotency_keys WHERE created_at < $1"


class Replay(Exception):
    """The first answer to this request, to be given again."""

    def __init__(self, status: int, body: bytes, media_type: str) -> None:
        super().__init__("replay")
        self.status = status
        self.body = body
        self.media_type = media_type


async def begin_idempotent(visit: Visit, scope: "Scope", body: bytes) -> None:
    """Reserve the request's key, or answer with what was answered before.

    A second request that comes while the first is under way waits for it here, on the key's row.

    Raises: Replay: the same request was answered. Conflict: the key was used for another
        request, or its answer bore a secret.
    """
    if not visit.repeatable:
        return
    key = visit.headers["idempotency-key"]
    if not 0 < len(key) <= MAX_KEY_LENGTH or not key.isprintable():
        raise InvalidRequest(
            f"Idempotency-Key must have 1 to {MAX_KEY_LENGTH} printable characters.",
            details={"field": "Idempotency-Key"},
        )
    owner = str(scope.actor.id or scope.actor.address or "")
    fingerprint = hashlib.sha256(body).digest()
    reserved = await scope.conn.fetchval(
        RESERVE, scope.tenant_id, owner, key, visit.method, visit.path, fingerprint, scope.now
    )
    if reserved is not None:
        visit.idempotent = IdempotentAnswer(scope.tenant_id, owner, key)
        return
    first = await scope.conn.fetchrow(FIND, scope.tenant_id, owner, key)
    if first is None or (first["path"], first["request_hash"]) != (visit.path, fingerprint):
        raise Conflict(
            "This Idempotency-Key was used for another request. Use a new key.",
            details={"field": "Idempotency-Key"},
        )
    if first["status"] is None:
        raise Conflict(
            "This request was answered before with a secret, which is never kept. "
            "Use a new Idempotency-Key to ask for a new one.",
            details={"field": "Idempotency-Key"},
        )
    raise Replay(first["status"], first["body"], first["media_type"])


async def store_answer(
    conn: Connection, answer: IdempotentAnswer, *, status: int, body: bytes, media_type: str
) -> None:
    """Keep the answer beside its effects, in their transaction."""
    await conn.execute(STORE, answer.tenant_id, answer.owner, answer.key, status, body, media_type)


async def sweep_idempotency_keys(house: "House") -> None:
    """Forget every tenant's keys that are older than they hold."""
    before = house.clock.now() - timedelta(hours=KEEP_HOURS)

    async def sweep(conn: Connection) -> None:
        await conn.execute(SWEEP, before)

    await sweep_regions(house.database, sweep)
