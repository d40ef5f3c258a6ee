"""What the protocols of single sign-on have in common, so that their providers can be kept, tested
and begun alike. Each protocol is plugged in by the wiring."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import UUID

from leanvibe_server.identity.federation.models import SsoProvider
from leanvibe_server.identity.federation.schemas import CheckView, NewProvider
from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.errors import InvalidRequest
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a protocol makes of an admin's entries: the columns it fills."""

    issuer: str
    client_id: str | None
    secret: str | None
    configuration: dict[str, Any]


# What somebody goes to a provider for: a session, a further way in, or a fresh proof.
Purpose = Literal["sign_in", "link", "step_up"]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a visitor who sets off to a provider wants.

    `web` is a browser that comes back to the dashboard, at `next_path`; otherwise it is a program
    that finishes with code and state itself. `redirect_uri` is the one a program asks for.
    `link_user_id` with `link_session_id` is a signed-in user who adds a way in, or for the purpose
    step_up proves themselves anew; `ticket` is the form they sent meanwhile, sealed.
    """

    web: bool
    purpose: Purpose = "sign_in"
    next_path: str = "/"
    login_hint: str | None = None
    redirect_uri: str | None = None
    link_user_id: UUID | None = None
    link_session_id: UUID | None = None
    ticket: str | None = None


@dataclass(frozen=True, kw_only=True)
class Departure:
    """Where the browser goes, and the cookie that ties the way back to it (web only).

    `cookie` is (name, value); it is good for `expires_in` seconds on `cookie_path`. `cross_site`
    is for protocols whose answer comes by a form of the provider.
    """

    url: str
    state: str
    expires_in: int
    cookie: tuple[str, str] | None = None
    cookie_path: str = "/auth"
    cross_site: bool = False


class SsoProtocol(Protocol):
    """One protocol of single sign-on."""

    @property
    def name(self) -> str:
        """oidc or saml: also the feature of the plan."""
        ...

    async def set_up(
        self, errand: Errand, wanted: NewProvider, current: SsoProvider | None
    ) -> Setup:
        """Check an admin's entries, asking the provider where that is possible.

        `current` is the provider that is being changed, whose values `wanted` was filled up with;
        a secret of None then stays.
        Raises: InvalidRequest: naming the field.
        """
        ...

    async def complete(self, scope: Scope, provider: SsoProvider) -> None:
        """Make what a provider that was added or changed needs beside its row."""
        ...

    async def test(self, errand: Errand, provider: SsoProvider) -> list[CheckView]:
        """Look whether the provider answers as it should. Never raises for what it finds."""
        ...

    async def depart(
        self, visit: Visit, provider: SsoProvider, wish: Wish, *, plan: str
    ) -> Departure:
        """Begin a sign-in."""
        ...

    def asks_again(self, provider: SsoProvider) -> bool:
        """Whether the provider can be told to have somebody prove themselves anew."""
        ...

    def redirect_uri(self, house: House, provider: SsoProvider) -> str:
        """The address to register at the provider."""
        ...


@dataclass
class Protocols:
    """The protocols of this installation by name; a part of the house."""

    by_name: Mapping[str, SsoProtocol] = field(default_factory=dict)

    def named(self, name: str) -> SsoProtocol:
        """The protocol of that name. Raises: InvalidRequest: this installation lacks it."""
        found = self.by_name.get(name)
        if found is None:
            raise InvalidRequest(
                f"This installation has no {name.upper()}.", details={"field": "provider_type"}
            )
        return found

    def speak(self, provider: SsoProvider) -> SsoProtocol:
        """The protocol of a provider."""
        return self.named(provider.protocol)
