"""Wire shapes of SAML."""

from uuid import UUID

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import BaseModel, Field

from leanvibe_server.identity.saml.addresses import SpAddresses
from leanvibe_server.identity.saml.keys import certificate_of
from leanvibe_server.identity.saml.models import SpKey
from leanvibe_server.kernel.schemas import Timestamp


class SamlStepUp(BaseModel):
    """What the identity provider had the browser send, and the state of the step-up it answers."""

    saml_response: str = Field(min_length=1, description="`SAMLResponse` of the provider's form")
    state: str = Field(min_length=1, max_length=4096, description="`RelayState` of the same form")


class SamlKeyView(BaseModel):
    """A certificate of your service provider. `status` is next, current or previous."""

    id: UUID
    status: str
    fingerprint: str = Field(description="SHA-256 of the certificate, in hexadecimal")
    certificate: str = Field(description="PEM")
    created_at: Timestamp
    valid_until: Timestamp
    retires_at: Timestamp | None

    @classmethod
    def of(cls, key: SpKey) -> "SamlKeyView":
        certificate = certificate_of(key)
        return cls(
            id=key.id,
            status=key.status,
            fingerprint=certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
            certificate=certificate.public_bytes(Encoding.PEM).decode(),
            created_at=key.created_at,
            valid_until=certificate.not_valid_after_utc,
            retires_at=key.retires_at,
        )


class ServiceProviderView(BaseModel):
    """What an identity provider has to know about you, and your certificates, newest first."""

    entity_id: str
    metadata_url: str
    acs_url: str
    shared_acs_url: str
    logout_url: str
    certificates: list[SamlKeyView]

    @classmethod
    def of(cls, addresses: SpAddresses, keys: list[SpKey]) -> "ServiceProviderView":
        return cls(
            entity_id=addresses.entity_id,
            metadata_url=addresses.entity_id,
            acs_url=addresses.acs,
            shared_acs_url=addresses.shared_acs,
            logout_url=addresses.logout,
            certificates=[SamlKeyView.of(key) for key in keys],
        )
