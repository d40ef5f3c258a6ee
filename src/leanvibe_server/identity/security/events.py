"""What happens to a tenant's security policy."""

from typing import ClassVar

from leanvibe_server.identity.events import AuthEvent


class SecurityPolicyChanged(AuthEvent, frozen=True, kw_only=True):
    """`changed` maps a field to its value before and after, as text."""

    name: ClassVar[str] = "security_policy.changed"
    ends_access: ClassVar[bool] = True
    changed: dict[str, tuple[str, str]]
