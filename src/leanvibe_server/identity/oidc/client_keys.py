"""How this installation proves itself at a provider without a shared secret: by its own key.

Each provider has a key pair of its own, so that an assertion made for one proves nothing to
another, whatever a provider calls its token endpoint. The public half is at an address that names
the provider; with its certificate for those that take no address, such as Entra ID.

Source: RFC 7523, sections 2.2 and 3; OpenID Connect Core 1.0, section 9.
"""

import hashlib
import secrets
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

from leanvibe_server.identity import opaque
from leanvibe_server.identity.federation import repository as providers
from leanvibe_server.identity.federation.models import OIDC, SsoProvider
from leanvibe_server.identity.federation.service import require_provider
from leanvibe_server.identity.key_pairs import KeyPair, der_of, new_pair, pair_of
from leanvibe_server.identity.oidc import repository as rows
from leanvibe_server.identity.oidc.discovery import Metadata
from leanvibe_server.identity.oidc.errors import BadToken
from leanvibe_server.identity.oidc.events import ClientKeyActivated, ClientKeyPrepared
from leanvibe_server.identity.oidc.models import ClientKey
from leanvibe_server.identity.oidc.schemas import ClientKeys, ClientKeyView
from leanvibe_server.identity.oidc.settings import settings_of
from leanvibe_server.kernel.errors import Conflict, InvalidRequest, NotFound
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.kernel.sealing import seal, unseal

METHOD = "private_key_jwt"
PATH = "/v1/auth/sso/client-keys"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# The provider's clock may be behind ours or ahead.
BEGAN, ENDS = timedelta(seconds=30), timedelta(seconds=90)
# RSASSA-PKCS1 is what every provider knows; PSS for those that ask for it.
ALGORITHMS = ("RS256", "PS256")
_REGISTRY = JWSRegistry(algorithms=list(ALGORITHMS))


@dataclass(frozen=True)
class Signer:
    """The key in use with its name."""

    kid: str
    pair: KeyPair


def keys_uri(house: House, provider: SsoProvider) -> str:
    """The address of the public halves, to register at the provider."""
    return f"{house.settings.base_url}{PATH}/{opaque.place_of(provider.tenant_id, provider.id)}"


def algorithm_of(metadata: Metadata, provider_type: str) -> str | None:
    """The algorithm to sign with; None where the provider knows neither."""
    offered = metadata.token_endpoint_auth_signing_alg_values_supported
    if offered is None:
        # Source: Microsoft identity platform, "certificate credentials".
        return "PS256" if provider_type == "microsoft" else "RS256"
    return next((name for name in ALGORITHMS if name in offered), None)


def assertion(
    signer: Signer, metadata: Metadata, *, provider: SsoProvider, client_id: str, now: datetime
) -> str:
    """A signed word of ours for this provider's token endpoint, good once and for a minute.

    Raises: BadToken: the provider takes no algorithm of ours.
    """
    algorithm = algorithm_of(metadata, provider.type)
    if algorithm is None:
        raise BadToken("the provider takes client assertions by neither RS256 nor PS256")
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": metadata.token_endpoint,
        "jti": secrets.token_urlsafe(24),
        "iat": int((now - BEGAN).timestamp()),
        "nbf": int((now - BEGAN).timestamp()),
        "exp": int((now + ENDS).timestamp()),
    }
    header = {
        "alg": algorithm,
        "typ": "JWT",
        "kid": signer.kid,
        "x5t#S256": _thumbprint(signer.pair.certificate),
    }
    key = RSAKey.import_key(der_of(signer.pair.private))
    return jwt.encode(header, claims, key, algorithms=list(ALGORITHMS), registry=_REGISTRY)


async def ensure(scope: Scope, provider: SsoProvider) -> None:
    """A provider that is to know us by a key has one after this."""
    if settings_of(provider).token_endpoint_auth_method != METHOD:
        return
    if not await rows.list_client_keys(scope.conn, scope.tenant_id, provider.id):
        key = await _insert(scope, provider, activated_at=scope.now)
        await scope.emit(ClientKeyActivated(provider_id=provider.id, key_id=key.id))


async def open_signer(scope: Scope, provider: SsoProvider) -> Signer | None:
    """The key that signs now; None where the provider knows us by something else."""
    if settings_of(provider).token_endpoint_auth_method != METHOD:
        return None
    key = await find_key_in_use(scope, provider.id)
    if key is None:
        return None
    plain = await unseal(scope, key.private_key_sealed, place=_place(key.id))
    return Signer(str(key.id), pair_of(plain, key.certificate))


async def find_key_in_use(scope: Scope, provider_id: UUID) -> ClientKey | None:
    """The key that signs now."""
    found = await rows.list_client_keys(scope.conn, scope.tenant_id, provider_id)
    return next((key for key in found if key.activated_at is not None), None)


async def describe(scope: Scope, provider_id: UUID) -> ClientKeys:
    """Where the public halves are, and the certificates. Raises: NotFound."""
    provider = await _require(scope, provider_id)
    found = await rows.list_client_keys(scope.conn, scope.tenant_id, provider.id)
    return ClientKeys(
        jwks_uri=keys_uri(scope.house, provider),
        client_keys=[ClientKeyView.of(key) for key in found],
    )


async def prepare_next(scope: Scope, provider_id: UUID) -> ClientKeyView:
    """Make the next key and show it beside the one in use. It signs nothing yet.

    Raises: NotFound. InvalidRequest: the provider knows us by something else. Conflict: there is
        a next one already.
    """
    provider = await _require(scope, provider_id)
    if settings_of(provider).token_endpoint_auth_method != METHOD:
        raise InvalidRequest(
            f"Set settings.token_endpoint_auth_method to {METHOD} first.",
            details={"field": "settings.token_endpoint_auth_method"},
        )
    await providers.lock(scope.conn, scope.tenant_id, provider.id)
    found = await rows.list_client_keys(scope.conn, scope.tenant_id, provider.id)
    if any(key.activated_at is None for key in found):
        raise Conflict("The next key is prepared already. Activate it.")
    key = await _insert(scope, provider, activated_at=None)
    await scope.emit(ClientKeyPrepared(provider_id=provider.id, key_id=key.id))
    return ClientKeyView.of(key)


async def activate(scope: Scope, provider_id: UUID, key_id: UUID) -> ClientKeyView:
    """Sign with the next key from now on; the one before is forgotten.

    Raises: NotFound. Conflict: it is in use already.
    """
    provider = await _require(scope, provider_id)
    await providers.lock(scope.conn, scope.tenant_id, provider.id)
    found = await rows.list_client_keys(scope.conn, scope.tenant_id, provider.id)
    key = next((key for key in found if key.id == key_id), None)
    if key is None:
        raise NotFound("No such key.")
    if key.activated_at is not None:
        raise Conflict("This key is in use already.")
    await rows.replace_client_key(scope.conn, key, now=scope.now)
    await scope.emit(ClientKeyActivated(provider_id=provider.id, key_id=key.id))
    return ClientKeyView.of(key, status="current")


async def publish(visit: Visit, place: str) -> dict[str, Any]:
    """The public halves for the provider that the address names. Raises: NotFound."""
    ids = opaque.ids_of_place(place)
    if ids is None:
        raise _nothing()
    tenant_id, provider_id = ids
    async with visit.house.database.tenant(tenant_id) as conn:
        found = await rows.list_client_keys(conn, tenant_id, provider_id)
    if not found:
        raise _nothing()
    return {"keys": [_jwk(key) for key in found]}


def certificate_of(key: ClientKey) -> x509.Certificate:
    """The certificate that shows the public half."""
    return x509.load_der_x509_certificate(key.certificate)


def _jwk(key: ClientKey) -> dict[str, Any]:
    certificate = certificate_of(key)
    pem = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    public = RSAKey.import_key(pem).as_dict(private=False)
    return {
        "kty": "RSA",
        "n": public["n"],
        "e": public["e"],
        "use": "sig",
        "kid": str(key.id),
        "x5c": [b64encode(key.certificate).decode()],
        "x5t#S256": _thumbprint(certificate),
    }


def _thumbprint(certificate: x509.Certificate) -> str:
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


async def _require(scope: Scope, provider_id: UUID) -> SsoProvider:
    provider = await require_provider(scope, provider_id)
    if provider.protocol != OIDC:
        raise NotFound("This provider speaks SAML: our certificates for it are under SAML.")
    return provider


async def _insert(
    scope: Scope, provider: SsoProvider, *, activated_at: datetime | None
) -> ClientKey:
    pair, key_id = await new_pair(scope.now, name="LeanVibe client"), scope.new_id()
    key = ClientKey(
        tenant_id=scope.tenant_id,
        id=key_id,
        provider_id=provider.id,
        private_key_sealed=await seal(scope, der_of(pair.private), place=_place(key_id)),
        certificate=pair.certificate.public_bytes(Encoding.DER),
        created_at=scope.now,
        activated_at=activated_at,
    )
    await rows.insert_client_key(scope.conn, key)
    return key


def _place(key_id: UUID) -> tuple[str, str, UUID]:
    return ("oidc_client_keys", "private_key_sealed", key_id)


def _nothing() -> NotFound:
    return NotFound("There are no keys here.")
