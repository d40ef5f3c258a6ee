"""Rows of second factors, and the names of their methods."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

TOTP, SMS, EMAIL, WEBAUTHN, BACKUP_CODE = "totp", "sms", "email", "webauthn", "backup_code"
METHODS = (TOTP, WEBAUTHN, SMS, EMAIL)
SENT = frozenset({SMS, EMAIL})
# What each proves, in the words of RFC 8176.
AMR = {TOTP: "otp", SMS: "sms", EMAIL: "otp", WEBAUTHN: "hwk", BACKUP_CODE: "otp"}

SIGN_IN, PASSKEY, STEP_UP = "sign_in", "passkey", "step_up"


class Factor(msgspec.Struct, frozen=True, kw_only=True):
    """One second factor of one person. It counts once it is verified; until then it expires.

    `last_step` is the time step of the last TOTP code that was taken; `label` is what its owner
    calls it, or what is shown of the number.
    """

    tenant_id: UUID
    id: UUID
    user_id: UUID
    method: str
    label: str
    secret_sealed: bytes | None
    created_at: datetime
    expires_at: datetime | None
    verified_at: datetime | None = None
    last_used_at: datetime | None = None
    last_step: int | None = None
    credential_id: bytes | None = None
    public_key: bytes | None = None
    sign_count: int = 0
    backup_eligible: bool = False
    backed_up: bool = False
    transports: list[str] = []


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in or step-up that waits for a second factor, or a passkey for its challenge.

    `proof` is what was proved so far. `account_mark` changes with the password and address the
    proof was given for. `enrolling`: the person has no factor and may only set one up.
    """

    tenant_id: UUID
    id: UUID
    user_id: UUID | None
    purpose: str
    session_kind: str | None = None
    browser_hash: bytes | None = None
    session_id: UUID | None = None
    proof: dict[str, Any] | None = None
    account_mark: bytes | None = None
    enrolling: bool = False
    webauthn_challenge: bytes | None = None
    created_at: datetime
    expires_at: datetime


class SentCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code that is on its way by SMS or mail; only its hash is kept."""

    tenant_id: UUID
    id: UUID
    user_id: UUID
    factor_id: UUID
    bound_to: UUID
    code_hash: bytes
    created_at: datetime
    expires_at: datetime
