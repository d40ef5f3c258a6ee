"""Wire shapes of SAML."""

from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import BaseModel, Field

from leanvibe_server.identity.federation.models import SsoProvider
from leanvibe_server.identity.saml.addresses import SpAddresses
from leanvibe_server.identity.saml.keys import certificate_of
from leanvibe_server.identity.saml.models import Reading, SpKey
from leanvibe_server.identity.saml.providers import (
    certificates_of,
    fingerprint_of,
    metadata_of,
    read_at_of,
    settings_of,
)
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
            fingerprint=fingerprint_of(certificate),
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


class ProviderCertificate(BaseModel):
    """A certificate an identity provider signs with."""

    fingerprint: str = Field(description="SHA-256 of the certificate, in hexadecimal")
    valid_until: Timestamp


class MetadataView(BaseModel):
    """The metadata of an identity provider as it counts here, and how reading it again goes."""

    provider_id: UUID
    metadata_url: str | None
    refreshed: bool = Field(description="Whether it is read again by itself")
    read_at: Timestamp = Field(description="When it was last read and found good")
    tried_at: Timestamp | None = Field(description="When that was last tried by itself")
    next_at: Timestamp | None
    error: str | None = Field(description="Why the last try failed; what is known counts on")
    failures: int = Field(description="Tries in a row that failed")
    valid_until: Timestamp | None = Field(description="The end that the metadata sets itself")
    certificates: list[ProviderCertificate]

    @classmethod
    def of(
        cls, provider: SsoProvider, reading: Reading | None, *, refreshed: bool
    ) -> "MetadataView":
        imported_at = read_at_of(provider)
        tried_at = None if reading is None else reading.tried_at
        # What was imported by hand since leaves no error to tell of.
        failing = (
            reading if reading is not None and (tried_at or imported_at) > imported_at else None
        )
        read_at = None if reading is None else reading.read_at
        return cls(
            provider_id=provider.id,
            metadata_url=settings_of(provider).metadata_url,
            refreshed=refreshed,
            read_at=max(imported_at, read_at or imported_at),
            tried_at=tried_at,
            next_at=reading.due_at if refreshed and reading is not None else None,
            error=None if failing is None else failing.error,
            failures=0 if failing is None else failing.failures,
            valid_until=metadata_of(provider).valid_until,
            certificates=[
                ProviderCertificate(
                    fingerprint=fingerprint_of(one), valid_until=one.not_valid_after_utc
                )
                for one in certificates_of(provider)
            ],
        )
