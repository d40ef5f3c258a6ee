"""What happens to the keys by which providers of OpenID Connect know us."""

from typing import ClassVar
from uuid import UUID

from leanvibe_server.identity.events import AuthEvent
from leanvibe_server.identity.federation.events import EndNears


class ClientKeyPrepared(AuthEvent, frozen=True, kw_only=True):
    """The next key is shown to the provider."""

    name: ClassVar[str] = "sso_key.prepared"
    provider_id: UUID
    key_id: UUID


class ClientKeyActivated(AuthEvent, frozen=True, kw_only=True):
    """We prove ourselves at the provider by this key from now on."""

    name: ClassVar[str] = "sso_key.activated"
    provider_id: UUID
    key_id: UUID


class ClientKeyEndNears(EndNears, frozen=True, kw_only=True):
    """The certificate of the key in use at a provider ends."""

    name: ClassVar[str] = "sso_key.end_nears"
