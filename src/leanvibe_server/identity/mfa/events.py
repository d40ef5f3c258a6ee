"""What happens to second factors."""

from typing import ClassVar
from uuid import UUID

from leanvibe_server.identity.events import AuthEvent


class FactorAdded(AuthEvent, frozen=True, kw_only=True):
    """A second factor was set up and confirmed."""

    name: ClassVar[str] = "mfa.factor_added"
    user_id: UUID
    factor_id: UUID
    method: str


class FactorRenamed(AuthEvent, frozen=True, kw_only=True):
    """A security key or an app has another name."""

    name: ClassVar[str] = "mfa.factor_renamed"
    user_id: UUID
    factor_id: UUID
    method: str


class FactorRemoved(AuthEvent, frozen=True, kw_only=True):
    """`reason` is removed, replaced by another of its method, or that the bearer of the address
    took the account back."""

    name: ClassVar[str] = "mfa.factor_removed"
    user_id: UUID
    factor_id: UUID
    method: str
    reason: str


class BackupCodesMade(AuthEvent, frozen=True, kw_only=True):
    """New backup codes hold; earlier ones are refused."""

    name: ClassVar[str] = "mfa.backup_codes_made"
    user_id: UUID


class SecondFactorAsked(AuthEvent, frozen=True, kw_only=True):
    """A first proof was right, and a second factor is asked for."""

    name: ClassVar[str] = "mfa.asked"
    user_id: UUID
    method: str
    enrolling: bool


class CodeSent(AuthEvent, frozen=True, kw_only=True):
    """A code was sent by SMS or mail."""

    name: ClassVar[str] = "mfa.code_sent"
    user_id: UUID
    factor_id: UUID
    method: str


class SecondFactorUsed(AuthEvent, frozen=True, kw_only=True):
    """A second factor was proved."""

    name: ClassVar[str] = "mfa.used"
    user_id: UUID
    method: str
    factor_id: UUID | None


class SecondFactorFailed(AuthEvent, frozen=True, kw_only=True):
    """A wrong code, or a key's answer that does not hold. `failures` counts them in a row."""

    name: ClassVar[str] = "mfa.failed"
    user_id: UUID
    method: str
    reason: str
    failures: int


class SecondFactorsReset(AuthEvent, frozen=True, kw_only=True):
    """An administrator removed every second factor of a person who lost them."""

    name: ClassVar[str] = "mfa.reset"
    user_id: UUID
    methods: list[str]
    sessions_ended: int
