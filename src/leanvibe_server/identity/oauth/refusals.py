"""Refusals of the token endpoint, in the words of its standard.

Source: RFC 6749, section 5.2; RFC 8707, section 2.
"""

from typing import Any

from leanvibe_server.kernel.errors import AppError, Unauthorized


class InvalidClient(Unauthorized):
    """The client is unknown, its secret wrong, or it does not hold any more."""

    status, code = 401, "invalid_client"


class InvalidScope(AppError):
    """A scope was asked for that the client does not have."""

    status, code = 400, "invalid_scope"


class InvalidTarget(AppError):
    """A token was asked for another resource than this API."""

    status, code = 400, "invalid_target"


class UnsupportedGrantType(AppError):
    """Only client credentials are offered."""

    status, code = 400, "unsupported_grant_type"


class UnsupportedResponseType(AppError):
    """Nothing is offered at an authorization endpoint."""

    status, code = 400, "unsupported_response_type"


def invalid_client() -> InvalidClient:
    """One answer for an unknown client, a wrong secret and a client that is closed."""
    return InvalidClient(
        "The client is unknown, its secret is wrong, or it does not hold any more.",
        headers={"WWW-Authenticate": 'Basic realm="oauth"'},
    )


def tell(error: AppError, envelope: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The error as RFC 6749 has it; the envelope's other fields go along."""
    return {**envelope, "error_description": error.message}, "application/json"
