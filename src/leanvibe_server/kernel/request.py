"""One HTTP request or WebSocket as the house sees it."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from leanvibe_server.kernel.db import Transaction
from leanvibe_server.kernel.errors import RateLimited
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.ratelimit import ANONYMOUS, Rate, Verdict
from leanvibe_server.kernel.scope import Actor

SESSION_COOKIE = "lv_session"
# Names the organisation the dashboard acts for; it grants nothing, the gate asks each time.
ACTING_COOKIE = "lv_acting"
# Shows that its bearer signed in from here before. It opens nothing.
DEVICE_COOKIE = "lv_device"
_KEY = "leanvibe.visit"


@dataclass(frozen=True)
class Credentials:
    """What a caller showed: a bearer token or key, or the dashboard's cookie.

    `again`: it was admitted before and is only looked at again, as of a stream that is still
    open: that is no call, and keeps no session awake. `provisioning`: the door is that of SCIM,
    which alone takes provisioning tokens.
    """

    visit: "Visit"
    bearer: str | None
    cookie: str | None
    named_tenant: str | None
    named_slug: str | None
    break_glass_reason: str | None
    again: bool = False
    provisioning: bool = False


@dataclass(frozen=True)
class Caller:
    """Who stands behind a credential that holds, and the tenant they are in."""

    tenant_id: UUID
    actor: Actor


@dataclass
class Visit:
    """A request on its way through: who called from where, and what was opened for it.

    `body` is there for services that open their own transactions. `caller` is known from where
    the gate found that a credential holds, also when it then kept its bearer out. `device_token`
    is what a program shows in place of the cookie to be known as an account's device.
    """

    house: House
    request_id: str
    method: str
    path: str
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    address: str
    secure: bool
    transaction: Transaction | None = None
    caller: Caller | None = None
    verdict: Verdict | None = None
    idempotent: "IdempotentAnswer | None" = None
    log: dict[str, Any] = field(default_factory=dict)
    body: bytes = b""
    device_token: str | None = None

    @property
    def user_agent(self) -> str | None:
        return self.headers.get("user-agent")

    @property
    def repeatable(self) -> bool:
        """Whether the caller named this request, to be answered once however often it comes."""
        return self.method == "POST" and "idempotency-key" in self.headers

    async def close_transaction(self, *, commit: bool = True) -> None:
        """End the transaction that is open for this request, if there is one."""
        transaction, self.transaction = self.transaction, None
        if transaction is None:
            return
        if commit:
            await transaction.commit()
        else:
            await transaction.rollback()

    @property
    def device(self) -> str | None:
        """What the caller shows to be known as a device of the account."""
        return self.device_token or self.cookies.get(DEVICE_COOKIE)

    def anonymous(self) -> Actor:
        return Actor(
            kind="anonymous",
            address=self.address,
            user_agent=self.user_agent,
            device=self.device,
        )

    def credentials(self, *, cookie: bool) -> Credentials:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        bearer = token.strip() if scheme.lower() == "bearer" and token.strip() else None
        acting = self.cookies.get(ACTING_COOKIE) if cookie and bearer is None else None
        return Credentials(
            visit=self,
            bearer=bearer,
            cookie=self.cookies.get(SESSION_COOKIE) if cookie else None,
            named_tenant=self.headers.get("x-tenant-id", acting),
            named_slug=self.headers.get("x-tenant-slug"),
            break_glass_reason=self.headers.get("x-break-glass-reason"),
        )

    def limit(self, key: str, rate: Rate) -> None:
        """Count this call; the verdict goes into the answer's headers.

        Raises: RateLimited: the caller waits for `Retry-After` seconds.
        """
        self.verdict = self.house.limiter.take(key, rate, self.house.clock.now().timestamp())
        if not self.verdict.allowed:
            wait = max(1, round(self.verdict.retry_after_s))
            raise RateLimited(
                f"Too many requests: {rate.per_minute} a minute are allowed. Wait {wait} s.",
                details={"limit_per_minute": rate.per_minute, "retry_after": wait},
            )

    def limit_by_address(self) -> None:
        """Count a call without valid credentials against its address."""
        self.limit(f"address {network_of(self.address)}", ANONYMOUS)


@dataclass
class IdempotentAnswer:
    """The answer under way to a request with an Idempotency-Key."""

    tenant_id: UUID
    owner: str
    key: str


def network_of(address: str) -> str:
    """One IPv4 address or one IPv6 /64: what one caller can choose from."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 4:
        return str(ip)
    if ip.ipv4_mapped is not None:
        # What a dual-stack socket shows of an IPv4 peer.
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network(f"{ip}/64", strict=False))


def place_visit(scope: dict[str, Any], visit: Visit) -> None:
    scope[_KEY] = visit


def visit_of(scope: Any) -> Visit:
    """The Visit the outermost middleware placed in the ASGI scope."""
    visit: Visit = scope[_KEY]
    return visit
