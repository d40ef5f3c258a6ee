"""What happens to SAML keys and messages."""

from typing import ClassVar
from uuid import UUID

from leanvibe_server.identity.events import AuthEvent
from leanvibe_server.identity.federation.events import EndNears


class SamlRefused(AuthEvent, frozen=True, kw_only=True):
    """A message of an identity provider was refused. `reason` is for the tenant's admins: who
    sent the message is not told it."""

    name: ClassVar[str] = "saml.refused"
    provider_id: UUID | None
    message: str
    reason: str


class SamlKeyPrepared(AuthEvent, frozen=True, kw_only=True):
    """The next certificate is in the metadata."""

    name: ClassVar[str] = "saml_key.prepared"
    key_id: UUID


class SamlKeyActivated(AuthEvent, frozen=True, kw_only=True):
    """Messages are signed with this key from now on."""

    name: ClassVar[str] = "saml_key.activated"
    key_id: UUID


class SamlKeyWithdrawn(AuthEvent, frozen=True, kw_only=True):
    """The next certificate was taken back before it was used."""

    name: ClassVar[str] = "saml_key.withdrawn"
    key_id: UUID


class SamlLogoutReceived(AuthEvent, frozen=True, kw_only=True):
    """An identity provider signed a person out; `sessions` ended."""

    name: ClassVar[str] = "saml.logout"
    provider_id: UUID
    sessions: int


class SamlMetadataChanged(AuthEvent, frozen=True, kw_only=True):
    """A provider's address gave out other metadata, which counts from now on. `changed` names its
    parts; certificates are named by their SHA-256. `all_replaced`: none of before is left."""

    name: ClassVar[str] = "saml_metadata.changed"
    provider_id: UUID
    changed: list[str]
    certificates_added: list[str]
    certificates_removed: list[str]
    all_replaced: bool


class SamlMetadataNotRead(AuthEvent, frozen=True, kw_only=True):
    """A provider's metadata could not be read again: what was known before counts on."""

    name: ClassVar[str] = "saml_metadata.not_read"
    provider_id: UUID
    reason: str


class SamlEndNears(EndNears, frozen=True, kw_only=True):
    """A certificate or metadata of a provider ends, or our own certificate."""

    name: ClassVar[str] = "saml.end_nears"
