"""Every SQL statement about second factors."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from leanvibe_server.identity.mfa.models import Challenge, Factor, SentCode
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.rows import find_row, list_rows, values_of

FACTOR_COLUMNS = """tenant_id, id, user_id, method, label, secret_sealed, created_at, expires_at,
    verified_at, last_used_at, last_step, credential_id, public_key, sign_count, backup_eligible,
    backed_up, transports"""
LIST_VERIFIED = f"""
SELECT {FACTOR_COLUMNS} FROM mfa_factors
WHERE tenant_id = $1 AND user_id = $2 AND verified_at IS NOT NULL ORDER BY id
"""
FIND_BY_CREDENTIAL = f"""
SELECT {FACTOR_COLUMNS} FROM mfa_factors
WHERE tenant_id = $1 AND credential_id = $2 AND verified_at IS NOT NULL
"""
FIND_PENDING = f"""
SELECT {FACTOR_COLUMNS} FROM mfa_factors
WHERE tenant_id = $1 AND user_id = $2 AND method = $3 AND verified_at IS NULL AND expires_at > $4
ORDER BY id DESC LIMIT 1
"""
INSERT_FACTOR = """
INSERT INTO mfa_factors (tenant_id, id, user_id, method, label, secret_sealed, created_at,
    expires_at, webauthn_challenge)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
DROP_PENDING = """
DELETE FROM mfa_factors
WHERE tenant_id = $1 AND user_id = $2 AND method = $3 AND verified_at IS NULL
"""
TAKE_REGISTRATION = """
UPDATE mfa_factors f SET webauthn_challenge = NULL FROM mfa_factors before
WHERE f.tenant_id = $1 AND f.id = $2 AND f.webauthn_challenge IS NOT NULL
    AND before.tenant_id = f.tenant_id AND before.id = f.id
RETURNING before.webauthn_challenge
"""
# Once only, also for two that come at once.
ACTIVATE = f"""
UPDATE mfa_factors SET verified_at = $3, last_used_at = $3, expires_at = NULL, last_step = $4,
    credential_id = $5, public_key = $6, sign_count = $7, backup_eligible = $8, backed_up = $9,
    transports = $10
WHERE tenant_id = $1 AND id = $2 AND verified_at IS NULL AND expires_at > $3
RETURNING {FACTOR_COLUMNS}
"""
# A step counts once and never goes back: of two that come at once, the second finds no row.
TAKE_STEP = """
UPDATE mfa_factors SET last_step = $3, last_used_at = $4
WHERE tenant_id = $1 AND id = $2 AND verified_at IS NOT NULL
    AND (last_step IS NULL OR last_step < $3)
RETURNING id
"""
TAKE_SIGN_COUNT = """
UPDATE mfa_factors SET sign_count = $3, backed_up = $4, last_used_at = $5
WHERE tenant_id = $1 AND id = $2 AND verified_at IS NOT NULL
    AND ((sign_count = 0 AND $3 = 0) OR sign_count < $3)
RETURNING id
"""
SEE_FACTOR = """
UPDATE mfa_factors SET last_used_at = $3
WHERE tenant_id = $1 AND id = $2 AND verified_at IS NOT NULL RETURNING id
"""
RENAME_FACTOR = f"""
UPDATE mfa_factors SET label = $3 WHERE tenant_id = $1 AND id = $2 RETURNING {FACTOR_COLUMNS}
"""
DELETE_FACTOR = f"""
DELETE FROM mfa_factors WHERE tenant_id = $1 AND id = $2 RETURNING {FACTOR_COLUMNS}
"""
DELETE_OTHERS = f"""
DELETE FROM mfa_factors WHERE tenant_id = $1 AND user_id = $2 AND method = $3 AND id <> $4
RETURNING {FACTOR_COLUMNS}
"""
DELETE_EVERY = f"""
DELETE FROM mfa_factors WHERE tenant_id = $1 AND user_id = $2 RETURNING {FACTOR_COLUMNS}
"""
SWEEP_FACTORS = "DELETE FROM mfa_factors WHERE verified_at IS NULL AND expires_at < $1"

INSERT_CODE = """
INSERT INTO mfa_backup_codes (tenant_id, id, user_id, pending_factor_id, salt, code_hash,
    created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
SALT_OF_CODES = """
SELECT salt FROM mfa_backup_codes
WHERE tenant_id = $1 AND user_id = $2 AND pending_factor_id IS NULL AND used_at IS NULL LIMIT 1
"""
COUNT_CODES = """
SELECT count(*) FROM mfa_backup_codes
WHERE tenant_id = $1 AND user_id = $2 AND pending_factor_id IS NULL AND used_at IS NULL
"""
USE_CODE = """
UPDATE mfa_backup_codes SET used_at = $4
WHERE tenant_id = $1 AND user_id = $2 AND code_hash = $3 AND pending_factor_id IS NULL
    AND used_at IS NULL
RETURNING id
"""
DROP_CODES = """
DELETE FROM mfa_backup_codes
WHERE tenant_id = $1 AND user_id = $2 AND pending_factor_id IS NULL
"""
HAS_PENDING_CODES = """
SELECT EXISTS (SELECT FROM mfa_backup_codes WHERE tenant_id = $1 AND pending_factor_id = $2)
"""
CONFIRM_CODES = """
UPDATE mfa_backup_codes SET pending_factor_id = NULL
WHERE tenant_id = $1 AND pending_factor_id = $2
"""

CHALLENGE_COLUMNS = """tenant_id, id, user_id, purpose, session_kind, browser_hash, session_id,
    proof, account_mark, enrolling, webauthn_challenge, created_at, expires_at"""
INSERT_CHALLENGE = f"""
INSERT INTO mfa_challenges (token_hash, {CHALLENGE_COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""
FIND_CHALLENGE = f"""
SELECT {CHALLENGE_COLUMNS} FROM mfa_challenges
WHERE tenant_id = $1 AND token_hash = $2 AND purpose = $3 AND expires_at > $4
"""
TAKE_CHALLENGE = f"""
DELETE FROM mfa_challenges
WHERE tenant_id = $1 AND token_hash = $2 AND purpose = $3 AND expires_at > $4
RETURNING {CHALLENGE_COLUMNS}
"""
TAKE_STEP_UP = f"""
DELETE FROM mfa_challenges
WHERE tenant_id = $1 AND user_id = $2 AND session_id = $3 AND purpose = 'step_up'
RETURNING {CHALLENGE_COLUMNS}
"""
SET_ASSERTION = """
UPDATE mfa_challenges SET webauthn_challenge = $3 WHERE tenant_id = $1 AND id = $2
"""
TAKE_ASSERTION = """
UPDATE mfa_challenges c SET webauthn_challenge = NULL FROM mfa_challenges before
WHERE c.tenant_id = $1 AND c.id = $2 AND c.webauthn_challenge IS NOT NULL
    AND before.tenant_id = c.tenant_id AND before.id = c.id
RETURNING before.webauthn_challenge
"""
WITHDRAW_CHALLENGES = "DELETE FROM mfa_challenges WHERE tenant_id = $1 AND user_id = $2"
SWEEP_CHALLENGES = "DELETE FROM mfa_challenges WHERE expires_at < $1"

SENT_COLUMNS = "tenant_id, id, user_id, factor_id, bound_to, code_hash, created_at, expires_at"
INSERT_SENT = f"""
INSERT INTO mfa_sent_codes ({SENT_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
DROP_SENT = """
DELETE FROM mfa_sent_codes WHERE tenant_id = $1 AND factor_id = $2 AND bound_to = $3
"""
FIND_SENT = f"""
SELECT {SENT_COLUMNS} FROM mfa_sent_codes
WHERE tenant_id = $1 AND factor_id = $2 AND bound_to = $3 AND user_id = $4 AND expires_at > $5
ORDER BY id DESC LIMIT 1
"""
TAKE_SENT = "DELETE FROM mfa_sent_codes WHERE tenant_id = $1 AND id = $2 RETURNING id"
SWEEP_SENT = "DELETE FROM mfa_sent_codes WHERE expires_at < $1"

# One statement counts and refuses, so that guesses made side by side in several processes stand
# in one line: while a wait is on, nothing is counted and no row comes back.
COUNT_TRY = """
INSERT INTO login_failures AS f (key, failures, last_failed_at, began_at) VALUES ($1, 1, $2, $2)
ON CONFLICT (key) DO UPDATE SET last_failed_at = $2,
    failures = CASE WHEN f.last_failed_at < $3 THEN 1 ELSE f.failures + 1 END,
    began_at = CASE WHEN f.last_failed_at < $3 THEN $2 ELSE f.began_at END
WHERE f.blocked_until IS NULL OR f.blocked_until <= $2
RETURNING failures
"""
GIVE_BACK = """
UPDATE login_failures SET failures = greatest(failures - 1, 0),
    blocked_until = CASE WHEN failures <= $2 THEN NULL ELSE blocked_until END
WHERE key = $1
"""
COUNT_WITHIN = """
INSERT INTO login_failures AS f (key, failures, last_failed_at, began_at) VALUES ($1, 1, $2, $2)
ON CONFLICT (key) DO UPDATE SET last_failed_at = $2,
    failures = CASE WHEN f.began_at <= $3 THEN 1 ELSE f.failures + 1 END,
    began_at = CASE WHEN f.began_at <= $3 THEN $2 ELSE f.began_at END
WHERE f.began_at <= $3 OR f.failures < $4
RETURNING failures
"""
REGISTER_CREDENTIAL = """
INSERT INTO webauthn_credentials (credential_hash, registered_at) VALUES ($1, $2)
ON CONFLICT DO NOTHING RETURNING credential_hash
"""
FORGET_CREDENTIALS = "DELETE FROM webauthn_credentials WHERE credential_hash = ANY ($1)"
PROVIDER_SETTINGS = """
SELECT configuration FROM sso_providers WHERE tenant_id = $1 AND id = $2 AND enabled FOR SHARE
"""


async def list_verified(conn: Connection, tenant_id: UUID, user_id: UUID) -> list[Factor]:
    """The factors of a user that count, oldest first."""
    return await list_rows(conn, Factor, LIST_VERIFIED, tenant_id, user_id)


async def find_by_credential(
    conn: Connection, tenant_id: UUID, credential_id: bytes
) -> Factor | None:
    return await find_row(conn, Factor, FIND_BY_CREDENTIAL, tenant_id, credential_id)


async def find_pending(
    conn: Connection, tenant_id: UUID, user_id: UUID, method: str, *, now: datetime
) -> Factor | None:
    """The latest set-up of a method that waits to be confirmed."""
    return await find_row(conn, Factor, FIND_PENDING, tenant_id, user_id, method, now)


async def insert_pending(
    conn: Connection, factor: Factor, *, webauthn_challenge: bytes | None = None
) -> None:
    """A factor to be confirmed; an earlier one of its method that was not is dropped."""
    await conn.execute(DROP_PENDING, factor.tenant_id, factor.user_id, factor.method)
    await conn.execute(
        INSERT_FACTOR,
        factor.tenant_id,
        factor.id,
        factor.user_id,
        factor.method,
        factor.label,
        factor.secret_sealed,
        factor.created_at,
        factor.expires_at,
        webauthn_challenge,
    )


async def take_registration(conn: Connection, tenant_id: UUID, factor_id: UUID) -> bytes | None:
    """The challenge of a key's registration, which is spent with this."""
    taken: bytes | None = await conn.fetchval(TAKE_REGISTRATION, tenant_id, factor_id)
    return taken


async def activate(conn: Connection, factor: Factor, *, now: datetime) -> Factor | None:
    """Have a pending factor count, with what `factor` says of its key; None when it is no longer
    pending."""
    return await find_row(
        conn,
        Factor,
        ACTIVATE,
        factor.tenant_id,
        factor.id,
        now,
        factor.last_step,
        factor.credential_id,
        factor.public_key,
        factor.sign_count,
        factor.backup_eligible,
        factor.backed_up,
        factor.transports,
    )


async def take_step(
    conn: Connection, tenant_id: UUID, factor_id: UUID, step: int, *, now: datetime
) -> bool:
    """Use up a time step; False when it, or a later one, was used before."""
    return await conn.fetchval(TAKE_STEP, tenant_id, factor_id, step, now) is not None


async def take_sign_count(
    conn: Connection,
    tenant_id: UUID,
    factor_id: UUID,
    count: int,
    *,
    backed_up: bool,
    now: datetime,
) -> bool:
    """Note a key's counter; False when it did not grow, as that of a copied key."""
    taken = await conn.fetchval(TAKE_SIGN_COUNT, tenant_id, factor_id, count, backed_up, now)
    return taken is not None


async def see_factor(conn: Connection, tenant_id: UUID, factor_id: UUID, *, now: datetime) -> bool:
    """Note that a factor was used; False when it is gone meanwhile."""
    return await conn.fetchval(SEE_FACTOR, tenant_id, factor_id, now) is not None


async def rename_factor(
    conn: Connection, tenant_id: UUID, factor_id: UUID, label: str
) -> Factor | None:
    """Give a factor another name; None when it is gone meanwhile."""
    return await find_row(conn, Factor, RENAME_FACTOR, tenant_id, factor_id, label)


async def delete_factor(conn: Connection, tenant_id: UUID, factor_id: UUID) -> Factor | None:
    return await find_row(conn, Factor, DELETE_FACTOR, tenant_id, factor_id)


async def delete_others(conn: Connection, factor: Factor) -> list[Factor]:
    """Remove the user's other factors of the same method."""
    return await list_rows(
        conn, Factor, DELETE_OTHERS, factor.tenant_id, factor.user_id, factor.method, factor.id
    )


async def delete_every(conn: Connection, tenant_id: UUID, user_id: UUID) -> list[Factor]:
    """Remove every factor of a user with the backup codes."""
    await conn.execute(DROP_CODES, tenant_id, user_id)
    return await list_rows(conn, Factor, DELETE_EVERY, tenant_id, user_id)


async def insert_codes(
    conn: Connection,
    tenant_id: UUID,
    user_id: UUID,
    codes: Sequence[tuple[UUID, bytes]],
    *,
    salt: bytes,
    pending_factor_id: UUID | None,
    now: datetime,
) -> None:
    """Backup codes, each an id with its hash. Those of a set-up wait for it; others hold at once
    and replace the earlier ones."""
    if pending_factor_id is None:
        await conn.execute(DROP_CODES, tenant_id, user_id)
    for code_id, code_hash in codes:
        await conn.execute(
            INSERT_CODE, tenant_id, code_id, user_id, pending_factor_id, salt, code_hash, now
        )


async def find_salt(conn: Connection, tenant_id: UUID, user_id: UUID) -> bytes | None:
    """The salt of the user's backup codes; None when none is left."""
    salt: bytes | None = await conn.fetchval(SALT_OF_CODES, tenant_id, user_id)
    return salt


async def count_codes(conn: Connection, tenant_id: UUID, user_id: UUID) -> int:
    """How many backup codes a user has left."""
    count: int = await conn.fetchval(COUNT_CODES, tenant_id, user_id)
    return count


async def use_code(
    conn: Connection, tenant_id: UUID, user_id: UUID, code_hash: bytes, *, now: datetime
) -> bool:
    """Use a backup code up; False when it is none, or was used."""
    return await conn.fetchval(USE_CODE, tenant_id, user_id, code_hash, now) is not None


async def drop_codes(conn: Connection, tenant_id: UUID, user_id: UUID) -> None:
    await conn.execute(DROP_CODES, tenant_id, user_id)


async def confirm_codes(conn: Connection, tenant_id: UUID, user_id: UUID, factor_id: UUID) -> bool:
    """The codes that came with a set-up hold from now on, and the earlier ones no more; False
    when none came with it."""
    if not await conn.fetchval(HAS_PENDING_CODES, tenant_id, factor_id):
        return False
    await conn.execute(DROP_CODES, tenant_id, user_id)
    await conn.execute(CONFIRM_CODES, tenant_id, factor_id)
    return True


async def insert_challenge(conn: Connection, challenge: Challenge, token_hash: bytes) -> None:
    await conn.execute(INSERT_CHALLENGE, token_hash, *values_of(challenge, CHALLENGE_COLUMNS))


async def find_challenge(
    conn: Connection, tenant_id: UUID, token_hash: bytes, purpose: str, *, now: datetime
) -> Challenge | None:
    return await find_row(conn, Challenge, FIND_CHALLENGE, tenant_id, token_hash, purpose, now)


async def take_challenge(
    conn: Connection, tenant_id: UUID, token_hash: bytes, purpose: str, *, now: datetime
) -> Challenge | None:
    """The challenge, which is spent with this: of two that come at once, one gets it."""
    return await find_row(conn, Challenge, TAKE_CHALLENGE, tenant_id, token_hash, purpose, now)


async def take_step_up(
    conn: Connection, tenant_id: UUID, user_id: UUID, session_id: UUID
) -> list[Challenge]:
    """What this session was asked to sign with a key, which is spent with this."""
    return await list_rows(conn, Challenge, TAKE_STEP_UP, tenant_id, user_id, session_id)


async def set_assertion(
    conn: Connection, tenant_id: UUID, challenge_id: UUID, webauthn_challenge: bytes
) -> None:
    await conn.execute(SET_ASSERTION, tenant_id, challenge_id, webauthn_challenge)


async def take_assertion(conn: Connection, tenant_id: UUID, challenge_id: UUID) -> bytes | None:
    """What the key was to sign, which is spent with this."""
    taken: bytes | None = await conn.fetchval(TAKE_ASSERTION, tenant_id, challenge_id)
    return taken


async def withdraw_challenges(conn: Connection, tenant_id: UUID, user_id: UUID) -> None:
    await conn.execute(WITHDRAW_CHALLENGES, tenant_id, user_id)


async def insert_sent(conn: Connection, sent: SentCode) -> None:
    """A code on its way; an earlier one for the same is refused from now on."""
    await conn.execute(DROP_SENT, sent.tenant_id, sent.factor_id, sent.bound_to)
    await conn.execute(INSERT_SENT, *values_of(sent, SENT_COLUMNS))


async def find_sent(
    conn: Connection, factor: Factor, bound_to: UUID, *, now: datetime
) -> SentCode | None:
    """The latest code that was sent to a factor for one thing."""
    return await find_row(
        conn, SentCode, FIND_SENT, factor.tenant_id, factor.id, bound_to, factor.user_id, now
    )


async def take_sent(conn: Connection, tenant_id: UUID, sent_id: UUID) -> bool:
    """Use a sent code up; False when it was."""
    return await conn.fetchval(TAKE_SENT, tenant_id, sent_id) is not None


async def count_try(
    conn: Connection, key: bytes, *, now: datetime, forget_before: datetime
) -> int | None:
    """Count one try before it is judged; None while a wait is on."""
    count: int | None = await conn.fetchval(COUNT_TRY, key, now, forget_before)
    return count


async def give_back(conn: Connection, key: bytes, *, free: int) -> None:
    """A try was right after all: it does not count."""
    await conn.execute(GIVE_BACK, key, free)


async def count_within(
    conn: Connection, key: bytes, *, now: datetime, began_before: datetime, most: int
) -> bool:
    """Count one more of what is allowed `most` times in a window; False when that is spent."""
    return await conn.fetchval(COUNT_WITHIN, key, now, began_before, most) is not None


async def register_credential(conn: Connection, credential_hash: bytes, *, now: datetime) -> bool:
    """Note a key for the whole platform; False when it is registered."""
    return await conn.fetchval(REGISTER_CREDENTIAL, credential_hash, now) is not None


async def forget_credentials(conn: Connection, credential_hashes: Sequence[bytes]) -> None:
    await conn.execute(FORGET_CREDENTIALS, credential_hashes)


async def find_provider_settings(
    conn: Connection, tenant_id: UUID, provider_id: UUID
) -> dict[str, Any] | None:
    """How an enabled identity provider is set up; None for one that is off."""
    found = await conn.fetchval(PROVIDER_SETTINGS, tenant_id, provider_id)
    return None if found is None else dict(found)


async def sweep(conn: Connection, *, before: datetime) -> None:
    """Forget set-ups, sign-ins and codes that expired before a moment, of every tenant."""
    for statement in (SWEEP_FACTORS, SWEEP_CHALLENGES, SWEEP_SENT):
        await conn.execute(statement, before)
