"""What happens to the keys by which providers of OpenID Connect know us."""

from typing import ClassVar
from uuid import UUID

from leanvibe_server.identity.events import AuthEvent


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
