"""Everything that can go wrong, as one family under `LeanVibeError`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from leanvibe._records import parse_time
from leanvibe.models import UpgradeOption


class LeanVibeError(Exception):
    """A request that did not succeed.

    `message` is for people, `code` for programs (the wire's lower case), `status` is the HTTP
    status or None when no answer came, `request_id` finds the call in the server's log.
    """

    default_code = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        details: Mapping[str, Any] | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        upgrade_options: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.status = status
        self.details: dict[str, Any] = dict(details or {})
        self.request_id = request_id
        self.retry_after = retry_after
        """Seconds the server asks to wait, if it said so."""
        self.upgrade_options = [UpgradeOption(option) for option in upgrade_options]

    def to_dict(self) -> dict[str, Any]:
        """The error as plain JSON types, in the shape of the wire."""
        body: dict[str, Any] = {
            "error": self.code,
            "message": self.message,
            "details": self.details,
            "request_id": self.request_id,
        }
        if self.upgrade_options:
            body["upgrade_options"] = [option.to_dict() for option in self.upgrade_options]
        return body


class InvalidRequestError(LeanVibeError):
    """The request cannot be understood; `details["validation_errors"]` names each field."""

    default_code = "invalid_request"


class AuthenticationError(LeanVibeError):
    """Credentials are missing, wrong, expired or revoked."""

    default_code = "unauthorized"


class MfaRequiredError(AuthenticationError):
    """The password was right; a second factor is asked for."""

    default_code = "mfa_required"

    @property
    def methods(self) -> list[str]:
        """The ways in which this user can answer."""
        return list(self.details.get("methods") or [])

    @property
    def mfa_token(self) -> str | None:
        """The short-lived token that continues this login."""
        return self.details.get("mfa_token")


class PermissionDeniedError(LeanVibeError):
    """The caller is known but may not do this."""

    default_code = "forbidden"


class TenantSuspendedError(PermissionDeniedError):
    """The tenant may read and pay, but not write."""

    default_code = "tenant_suspended"


class BillingRequiredError(LeanVibeError):
    """A payment is needed first."""

    default_code = "billing_required"


class NotFoundError(LeanVibeError):
    """Nothing by this name is visible to the caller."""

    default_code = "not_found"


class ConflictError(LeanVibeError):
    """The request contradicts what is there."""

    default_code = "conflict"


class RateLimitError(LeanVibeError):
    """Too many requests in too short a time; `retry_after` says how many seconds to wait."""

    default_code = "rate_limited"


class QuotaExceededError(LeanVibeError):
    """One meter's limit is spent until `reset_date`, or until the plan is upgraded."""

    default_code = "quota_exceeded"

    @property
    def quota_type(self) -> str | None:
        """The meter that is spent, such as `api_calls` or `ai_requests`."""
        return self.details.get("quota_type")

    @property
    def current_usage(self) -> int | None:
        """What was used in this period."""
        return self.details.get("current_usage")

    @property
    def quota_limit(self) -> int | None:
        """What the plan allows in a period."""
        return self.details.get("quota_limit")

    @property
    def reset_date(self) -> datetime | None:
        """When the meter starts again, as an aware datetime."""
        moment = parse_time(self.details.get("reset_date"))
        return moment if isinstance(moment, datetime) else None


class ServerError(LeanVibeError):
    """Something broke on the server's side; the request id finds it in the server's log."""

    default_code = "server_error"


class ServiceUnavailableError(ServerError):
    """A part the request needs is not there right now."""

    default_code = "service_unavailable"


class SandboxUnavailableError(ServiceUnavailableError):
    """No sandbox runs on the server, so no task can; `details["command"]` mends it."""

    default_code = "sandbox_unavailable"


class ConnectionFailedError(LeanVibeError):
    """No answer came: the address is wrong, the network is down or the server is slow."""

    default_code = "connection_failed"


class WaitTimeoutError(LeanVibeError):
    """The task had not finished when the waiting time was over. It goes on working."""

    default_code = "wait_timeout"
