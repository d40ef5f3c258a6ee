"""The refusals of the gate and of sign-in, each in one wording."""

from leanvibe_server.kernel.errors import OtherTenant, Unauthorized

INVALID_CREDENTIALS = (
    "The e-mail or the password is wrong. "
    "If your organisation uses single sign-on, sign in that way; if it allows certain networks "
    "only, come from one of them."
)


def no_credentials() -> Unauthorized:
    """Nothing was shown. Source: RFC 6750, section 3."""
    return Unauthorized(
        "Sign in first: send `Authorization: Bearer` with an access token or an API key.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def invalid_token() -> Unauthorized:
    """Something was shown that does not hold. It is not said why: that would help to forge."""
    return Unauthorized(
        "The credentials are invalid, expired or revoked. Sign in again.",
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )


def invalid_credentials() -> Unauthorized:
    """One answer for an unknown e-mail, a wrong password, an account that is closed, a password
    where single sign-on is asked for, and one from a network that is not allowed."""
    return Unauthorized(INVALID_CREDENTIALS, headers={"WWW-Authenticate": "Bearer"})


def wrong_tenant() -> OtherTenant:
    """A header or the host names a tenant this caller may not act for, or none at all."""
    return OtherTenant(
        "X-Tenant-ID, X-Tenant-Slug and the subdomain must name the tenant of your credentials. "
        "Use POST /v1/auth/switch-tenant to move to another of your tenants."
    )
