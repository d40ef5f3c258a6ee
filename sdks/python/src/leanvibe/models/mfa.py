"""Second factors and passkeys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from leanvibe._records import Record


class Factor(Record):
    """One second factor, without its secret."""

    id: str
    method: str
    name: str
    created_at: datetime
    last_used_at: datetime | None
    synced: bool


class PersonFactors(Record):
    """The second factors of a person."""

    data: list[Factor]
    backup_codes_left: int


class FactorList(Record):
    """One's second factors, and what the organisation asks for."""

    data: list[Factor]
    backup_codes_left: int
    allowed_methods: list[str]
    required: bool


class MfaSetup(Record):
    """A factor that is being set up: what is there depends on its method."""

    method: str
    secret: str | None = None
    qr_code: str | None = None
    backup_codes: list[str] | None = None
    sent_to: str | None = None
    expires_in: int | None = None
    options: dict[str, Any] | None = None


class MfaVerified(Record):
    """A factor counts from now on."""

    message: str


class MfaChallenge(Record):
    """A code is on its way, or a key is to sign `options`."""

    method: str
    sent_to: str | None
    expires_in: int
    options: dict[str, Any] | None


class BackupCodes(Record):
    """Codes that are good once each."""

    backup_codes: list[str]


class MfaReset(Record):
    """Somebody's second factors are gone."""

    success: bool
    sessions_ended: int


class PasskeyOptions(Record):
    """What a passkey is to sign."""

    passkey_token: str
    expires_in: int
    options: dict[str, Any]
