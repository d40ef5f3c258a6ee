"""The security policy of a tenant: what its admins ask of every sign-in and session."""

import ipaddress
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any

import msgspec

from leanvibe_server.identity.passwords import MIN_LENGTH, MIN_LENGTH_BESIDE_FACTOR
from leanvibe_server.kernel.access import Role
from leanvibe_server.kernel.errors import Forbidden
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy import service as tenancy

ADDRESS_NOT_ALLOWED = "address_not_allowed"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SecurityPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant asks for beyond the product's own rules. Only what differs is kept.

    Times in the unit of the name; None leaves a limit to the product. `allowed_networks` are
    CIDR blocks, empty for every address.
    """

    password_min_length: int = MIN_LENGTH
    password_history: int = 5
    session_idle_minutes: int | None = None
    session_absolute_hours: int | None = None
    max_sessions: int | None = None
    allowed_networks: tuple[str, ...] = ()
    mfa_required: bool = False
    mfa_methods: tuple[str, ...] = ("totp", "webauthn", "sms", "email")
    sso_required: bool = False

    @property
    def shortest_password(self) -> int:
        """How many characters a new password must have. Source: NIST SP 800-63B-4, 3.1.1.2."""
        least = MIN_LENGTH_BESIDE_FACTOR if self.mfa_required else MIN_LENGTH
        return max(self.password_min_length, least)

    @property
    def idle(self) -> timedelta | None:
        """How long a session may rest; None leaves it to the product."""
        return _minutes(self.session_idle_minutes)

    @property
    def absolute(self) -> timedelta | None:
        """How long a session may last, however busy; None leaves it to the product."""
        hours = self.session_absolute_hours
        return None if hours is None else timedelta(hours=hours)

    def wants_provider(self, role: str) -> bool:
        """Whether people of the role get in by an identity provider only. Owners may go around
        it, so that nobody is shut out when the provider fails."""
        return self.sso_required and role != Role.OWNER

    def allows(self, address: str | None) -> bool:
        """Whether the tenant's people and keys may come from this address."""
        return not self.allowed_networks or _is_within(address, self.allowed_networks)


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


def differing(policy: SecurityPolicy) -> dict[str, Any]:
    """What of a policy is not the product's own rule: the form in which it is kept."""
    return {
        name: msgspec.to_builtins(value)
        for name in policy.__struct_fields__
        if (value := getattr(policy, name)) != getattr(DEFAULT, name)
    }


def check_address(policy: SecurityPolicy, address: str | None) -> None:
    """Refuse callers from outside the networks the tenant has named.

    Raises: Forbidden.
    """
    if not policy.allows(address):
        raise Forbidden(
            "Your organisation does not allow access from this network address. "
            "Use its network or VPN, or ask an administrator to add the address.",
            details={"reason": ADDRESS_NOT_ALLOWED, "address": address},
        )


def check_key_address(networks: Sequence[str], address: str | None) -> None:
    """Refuse a key that is used from outside the networks it was made for.

    Raises: Forbidden.
    """
    if not _is_within(address, networks):
        raise Forbidden(
            "This key may not be used from this network address.",
            details={"reason": ADDRESS_NOT_ALLOWED, "address": address},
        )


def parse_network(text: str) -> Network:
    """One address or CIDR block.

    Raises: ValueError: it is neither, or has bits set beyond its prefix.
    """
    return ipaddress.ip_network(text.strip())


def _is_within(address: str | None, networks: Sequence[str]) -> bool:
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        # A peer without an address cannot be on the list.
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        # What a dual-stack socket shows of an IPv4 peer.
        ip = ip.ipv4_mapped
    return any(ip in network for network in _networks(tuple(networks)))


@lru_cache(maxsize=1024)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(parse_network(text) for text in texts)


def _minutes(count: int | None) -> timedelta | None:
    return None if count is None else timedelta(minutes=count)
