"""RSA key pairs with a certificate of their own: what identity providers know us by."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

VALID_FOR = timedelta(days=3 * 365)
# A certificate that is younger does not end within months.
ENDS_AFTER = timedelta(days=2 * 365)
RSA_BITS = 2048


@dataclass(frozen=True)
class KeyPair:
    """A private key with the certificate that shows its public half."""

    private: rsa.RSAPrivateKey
    certificate: x509.Certificate


async def new_pair(now: datetime, *, name: str) -> KeyPair:
    """A key pair that is made now, which takes a moment of another thread."""
    return await asyncio.to_thread(_make_pair, now, name)


def der_of(private: rsa.RSAPrivateKey) -> bytes:
    """The private key as it is sealed."""
    return private.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def pair_of(private_der: bytes, certificate_der: bytes) -> KeyPair:
    """The key pair that was kept. Raises: TypeError: it is none of ours."""
    private = serialization.load_der_private_key(private_der, password=None)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise TypeError("the key is not RSA")
    return KeyPair(private, x509.load_der_x509_certificate(certificate_der))


def _make_pair(now: datetime, name: str) -> KeyPair:
    private = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + VALID_FOR)
        .sign(private, hashes.SHA256())
    )
    return KeyPair(private, certificate)
