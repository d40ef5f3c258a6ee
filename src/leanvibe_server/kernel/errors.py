"""Refusals, and the one envelope in which every error leaves the house."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from leanvibe_server.kernel.clock import rfc3339


class AppError(Exception):
    """A refusal the caller can act on. `status` and `code` are public API.

    `keeps_writes` marks a refusal whose writes (a failed-login count, a revocation, an audit
    entry) must be committed before the error leaves. `set_off_for` is what somebody who came back
    from an identity provider had gone there for, so that a page leads them back to it.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "server_error"
    keeps_writes: bool = False
    set_off_for: str | None = None

    def __init__(
        self,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        upgrade_options: Sequence[Mapping[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = dict(details or {})
        self.upgrade_options = None if upgrade_options is None else list(upgrade_options)
        self.headers = dict(headers or {})

    def keeping_writes(self) -> "AppError":
        """The same refusal, but what was written before it stays."""
        self.keeps_writes = True
        return self


class InvalidRequest(AppError):
    """The request cannot be understood. `details.validation_errors` names each field."""

    status, code = 400, "invalid_request"


class Unauthorized(AppError):
    """Credentials are missing, wrong, expired or revoked."""

    status, code = 401, "unauthorized"


class MfaRequired(AppError):
    """The password was right; a second factor is asked for. `next_path` is where a browser that
    came back from an identity provider wanted to go."""

    status, code = 401, "mfa_required"
    next_path: str | None = None


class BillingRequired(AppError):
    """A payment is needed first."""

    status, code = 402, "billing_required"


class Forbidden(AppError):
    """The caller is known but may not do this. `logged_as` is the reason for the audit log alone,
    where the answer's `details` name none."""

    status, code = 403, "forbidden"
    logged_as: ClassVar[str] = "not_allowed"


class OtherTenant(Forbidden):
    """Another tenant was named than the caller's own, one that is there or one that is not: the
    log, too, does not tell which."""

    logged_as = "other_tenant"


class StepUpRequired(Forbidden):
    """The last proof of identity is too old: `details.reason` is `step_up_required`."""


class TenantSuspended(AppError):
    """The tenant may read and pay, but not write."""

    status, code = 403, "tenant_suspended"


class NotFound(AppError):
    """Nothing by this name is visible to the caller."""

    status, code = 404, "not_found"


class MethodNotAllowed(AppError):
    """The path exists, the method does not."""

    status, code = 405, "method_not_allowed"


class Conflict(AppError):
    """The request contradicts what is there."""

    status, code = 409, "conflict"


class PayloadTooLarge(AppError):
    """The body is larger than the server reads."""

    status, code = 413, "payload_too_large"


class RateLimited(AppError):
    """Too many requests in too short a time."""

    status, code = 429, "rate_limited"


class ServerError(AppError):
    """Something broke on our side. The request id finds it in the log."""

    status, code = 500, "server_error"


class ServiceUnavailable(AppError):
    """A part the request needs is not there right now."""

    status, code = 503, "service_unavailable"


class SandboxUnavailable(AppError):
    """No sandbox runs on this machine, so no task can. `details.command` mends it."""

    status, code = 503, "sandbox_unavailable"


def at_field(field: str, why: str) -> dict[str, Any]:
    """The details of a refusal for which one field is the reason."""
    return {"field": field, "validation_errors": [f"{field}: {why}"]}


def invalid_field(field: str, why: str, message: str | None = None) -> InvalidRequest:
    """The refusal of one field. Its message is the field and `why`, unless one says more."""
    return InvalidRequest(message or f"{field} {why}.", details=at_field(field, why))


def envelope(error: AppError, *, request_id: str, now: datetime) -> dict[str, Any]:
    """The body every error wears."""
    body: dict[str, Any] = {
        "error": error.code,
        "message": error.message,
        "details": error.details,
        "request_id": request_id,
        "timestamp": rfc3339(now),
    }
    if error.upgrade_options is not None:
        body["upgrade_options"] = error.upgrade_options
    return body
