"""The security policy of a tenant: what its admins ask of every sign-in and session."""

from functools import lru_cache
from typing import Any

import msgspec

from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy import service as tenancy


class SecurityPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant asks for beyond the product's own rules. Only what differs is kept.

    Times in the unit of the name; None leaves a limit to the product. `allowed_networks` are
    CIDR blocks, empty for every address.
    """

    password_min_length: int = 12
    password_history: int = 5
    session_idle_minutes: int | None = None
    session_absolute_hours: int | None = None
    max_sessions: int | None = None
    allowed_networks: tuple[str, ...] = ()
    mfa_required: bool = False
    mfa_methods: tuple[str, ...] = ("totp", "webauthn", "sms", "email")
    sso_required: bool = False


DEFAULT = SecurityPolicy()


def policy_from(security: dict[str, Any]) -> SecurityPolicy:
    """The policy a tenant row holds."""
    return _parse(msgspec.json.encode(security)) if security else DEFAULT


@lru_cache(maxsize=1024)
def _parse(text: bytes) -> SecurityPolicy:
    return msgspec.json.decode(text, type=SecurityPolicy)


async def policy_of(scope: Scope) -> SecurityPolicy:
    """The policy of the scope's tenant."""
    return policy_from((await tenancy.require_tenant(scope)).security)
