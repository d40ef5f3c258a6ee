"""From an answer that is not a success to the error it means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from leanvibe import exceptions as errors

_BY_CODE: dict[str, type[errors.LeanVibeError]] = {
    "invalid_request": errors.InvalidRequestError,
    "unauthorized": errors.AuthenticationError,
    "mfa_required": errors.MfaRequiredError,
    "billing_required": errors.BillingRequiredError,
    "forbidden": errors.PermissionDeniedError,
    "tenant_suspended": errors.TenantSuspendedError,
    "not_found": errors.NotFoundError,
    "method_not_allowed": errors.InvalidRequestError,
    "conflict": errors.ConflictError,
    "payload_too_large": errors.InvalidRequestError,
    "quota_exceeded": errors.QuotaExceededError,
    "rate_limited": errors.RateLimitError,
    "server_error": errors.ServerError,
    "service_unavailable": errors.ServiceUnavailableError,
    "sandbox_unavailable": errors.SandboxUnavailableError,
}
# For answers of a proxy in between, which do not wear the envelope.
_BY_STATUS: dict[int, type[errors.LeanVibeError]] = {
    400: errors.InvalidRequestError,
    401: errors.AuthenticationError,
    402: errors.BillingRequiredError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    405: errors.InvalidRequestError,
    408: errors.ServiceUnavailableError,
    409: errors.ConflictError,
    413: errors.InvalidRequestError,
    422: errors.InvalidRequestError,
    429: errors.RateLimitError,
    502: errors.ServiceUnavailableError,
    503: errors.ServiceUnavailableError,
    504: errors.ServiceUnavailableError,
}


def error_from_response(response: httpx.Response, *, now: datetime) -> errors.LeanVibeError:
    """The error an HTTP answer means."""
    return error_from_answer(response.status_code, response.headers, response.content, now=now)


def error_from_answer(
    status: int, headers: Mapping[str, str], content: bytes, *, now: datetime
) -> errors.LeanVibeError:
    """The error this status, with this body, means; `headers` are looked up as given."""
    envelope = _envelope(content)
    code = envelope.get("error")
    code = code if isinstance(code, str) else None
    kind = _BY_CODE.get(code or "") or _BY_STATUS.get(status) or _by_class(status)
    details = envelope.get("details")
    return kind(
        str(envelope.get("message") or f"The server answered {status}."),
        code=code,
        status=status,
        details=details if isinstance(details, Mapping) else {},
        request_id=envelope.get("request_id") or headers.get("X-Request-ID"),
        retry_after=_retry_after_s(headers, now),
        upgrade_options=_mappings(envelope.get("upgrade_options")),
    )


def error_from_failure(failure: httpx.RequestError, address: str) -> errors.LeanVibeError:
    """The error for a request that got no answer."""
    if isinstance(failure, httpx.TimeoutException):
        text = f"{address} did not answer in time."
    else:
        text = f"{address} could not be reached ({failure or type(failure).__name__})."
    return errors.ConnectionFailedError(text)


def _envelope(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return (
        [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []
    )


def _by_class(status: int) -> type[errors.LeanVibeError]:
    return errors.ServerError if status >= 500 else errors.LeanVibeError


def _retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds from `Retry-After`, which is a number or an HTTP date (RFC 9110, 10.2.3)."""
    text = headers.get("Retry-After") or headers.get("X-RateLimit-Retry-After")
    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
