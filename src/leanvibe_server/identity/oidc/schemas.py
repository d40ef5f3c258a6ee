"""Wire shapes of the end of a sign-in by OpenID Connect."""

from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import BaseModel, Field

from leanvibe_server.identity.oidc.models import ClientKey
from leanvibe_server.identity.schemas import Issuer, RedirectUri
from leanvibe_server.kernel.schemas import Timestamp


class SsoLogin(BaseModel):
    """The code a provider sent back with the state of the sign-in it belongs to."""

    provider: str = Field(max_length=50, examples=["google"])
    tenant_id: str | None = Field(None, max_length=100, description="Id or slug of the tenant")
    authorization_code: str = Field(max_length=4096, description="The `code` of the callback")
    redirect_uri: RedirectUri = None
    state: str | None = Field(
        None, max_length=4096, description="As GET /auth/sso/… gave it", examples=["…"]
    )
    iss: Issuer = None


class LinkFinish(BaseModel):
    """The code a provider sent back to link an account, with its state."""

    auth_code: str = Field(max_length=4096, description="The `code` of the callback")
    state: str = Field(max_length=4096, description="The `state` of the callback")
    redirect_uri: RedirectUri = None
    iss: Issuer = None


class ClientKeyView(BaseModel):
    """A key by which a provider knows us. `status` is next or current."""

    id: UUID = Field(description="Also its `kid`")
    status: str
    fingerprint: str = Field(description="SHA-256 of the certificate, in hexadecimal")
    certificate: str = Field(description="PEM, for providers that take no address")
    created_at: Timestamp
    valid_until: Timestamp

    @classmethod
    def of(cls, key: ClientKey, *, status: str | None = None) -> "ClientKeyView":
        certificate = x509.load_der_x509_certificate(key.certificate)
        return cls(
            id=key.id,
            status=status or key.status,
            fingerprint=certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
            certificate=certificate.public_bytes(Encoding.PEM).decode(),
            created_at=key.created_at,
            valid_until=certificate.not_valid_after_utc,
        )


class ClientKeys(BaseModel):
    """The keys by which a provider knows us, where it is set up so."""

    jwks_uri: str = Field(description="The address of the public halves, to register there")
    client_keys: list[ClientKeyView]
