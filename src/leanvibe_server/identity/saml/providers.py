"""What is kept of a SAML provider: an admin's settings, and what its metadata said."""

from base64 import b64decode, b64encode
from datetime import datetime
from typing import Any, Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from leanvibe_server.entitlements.plans import plans_with
from leanvibe_server.identity.federation.models import SAML, Newcomers, SsoProvider
from leanvibe_server.identity.saml.metadata import Endpoint, IdpMetadata
from leanvibe_server.identity.saml.names import EMAIL_FORMAT, PERSISTENT
from leanvibe_server.identity.saml.sp_metadata import UNSPECIFIED
from leanvibe_server.kernel.errors import InvalidRequest, invalid_field

NAME_FORMATS = {"persistent": PERSISTENT, "email": EMAIL_FORMAT, "unspecified": UNSPECIFIED}
# Given at import; what they say is kept in another form.
PASSING = frozenset({"metadata_xml"})
# In a provider's configuration: what its metadata said, and when that was read.
METADATA, READ_AT = "idp", "read_at"
KEPT = (METADATA, READ_AT)
# The plans that hold sign-in by SAML.
WITH_SAML = plans_with(SAML)
Attribute = str | None


class SamlSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an admin chooses. Names of attributes are those of the provider; without them the
    usual ones are looked for."""

    metadata_url: str | None = None
    metadata_certificate: str | None = None
    refresh_metadata: bool = True
    idp_initiated: bool = False
    encryption_required: bool = False
    force_authn: bool = False
    single_logout: bool = True
    trust_mfa: bool = False
    name_id_format: Literal["persistent", "email", "unspecified"] | None = None
    newcomers: Newcomers | None = None
    subject_attribute: Attribute = None
    email_attribute: Attribute = None
    name_attribute: Attribute = None
    groups_attribute: Attribute = None


class StoredMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """The metadata of an identity provider, as a row keeps it."""

    sign_on_url: str
    sign_on_binding: str
    logout_url: str | None
    logout_response_url: str | None
    logout_binding: str | None
    certificates: list[str]
    valid_until: datetime | None

    @property
    def logout(self) -> Endpoint | None:
        if self.logout_url is None or self.logout_binding is None:
            return None
        return Endpoint(
            self.logout_url, self.logout_response_url or self.logout_url, self.logout_binding
        )


def parse_settings(settings: dict[str, Any]) -> SamlSettings:
    """Raises: InvalidRequest: naming what is not understood."""
    plain = {name: value for name, value in settings.items() if name not in PASSING}
    try:
        found = msgspec.convert(plain, SamlSettings)
    except msgspec.ValidationError as error:
        raise invalid_field(
            "settings", str(error), f"The settings of this provider cannot be used: {error}."
        ) from None
    for name, value in msgspec.structs.asdict(found).items():
        if isinstance(value, str) and len(value) > (8_192 if "certificate" in name else 2_048):
            raise InvalidRequest(
                f"settings.{name} is too long.",
                details={"field": name, "validation_errors": [f"settings.{name}: it is too long"]},
            )
    return found


def settings_of(provider: SsoProvider) -> SamlSettings:
    """The settings of a kept provider."""
    return msgspec.convert(provider.settings, SamlSettings)


def stored(metadata: IdpMetadata) -> dict[str, Any]:
    """The metadata in the form it is kept in."""
    logout = metadata.logout
    kept = StoredMetadata(
        sign_on_url=metadata.sign_on.url,
        sign_on_binding=metadata.sign_on.binding,
        logout_url=None if logout is None else logout.url,
        logout_response_url=None if logout is None else logout.response_url,
        logout_binding=None if logout is None else logout.binding,
        certificates=[
            b64encode(certificate.public_bytes(Encoding.DER)).decode()
            for certificate in metadata.certificates
        ],
        valid_until=metadata.valid_until,
    )
    found: dict[str, Any] = msgspec.to_builtins(kept)
    return found


def metadata_of(provider: SsoProvider) -> StoredMetadata:
    """What the provider's metadata said."""
    return msgspec.convert(provider.configuration[METADATA], StoredMetadata)


def certificates_of(provider: SsoProvider) -> list[x509.Certificate]:
    """The certificates whose keys the provider signs with."""
    return [
        x509.load_der_x509_certificate(b64decode(text))
        for text in metadata_of(provider).certificates
    ]


def fingerprint_of(certificate: x509.Certificate) -> str:
    """The SHA-256 of a certificate, as people compare it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def read_at_of(provider: SsoProvider) -> datetime:
    """When the metadata that counts now was read; at the latest when the provider was changed."""
    found = provider.configuration.get(READ_AT)
    return provider.updated_at if found is None else datetime.fromisoformat(found)
