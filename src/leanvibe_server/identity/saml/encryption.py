"""Encrypted assertions: opened with this service provider's own keys.

Encryption says nothing about who wrote a message, since anybody may encrypt to a public key:
what comes out must be signed like an assertion that came in clear. AES-CBC is accepted inside a
signed response only. Elsewhere whoever relays a message could change its ciphertext and learn
the plaintext from how it is refused.

Source: XML Encryption 1.1; SAML 2.0 Core, section 6; Jager and Somorovsky, "How to Break XML
Encryption", CCS 2011.
"""

import binascii
from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from leanvibe_server.identity.saml.names import DS, ENC, ENC11
from leanvibe_server.identity.saml.refusals import Malformed, Refused
from leanvibe_server.identity.saml.xml import (
    MAX_BYTES,
    Element,
    at_most_one,
    only,
    parse,
    tag,
    text_of,
)

PrivateKey = rsa.RSAPrivateKey

GCM: Final = {f"{ENC11}aes128-gcm": 16, f"{ENC11}aes192-gcm": 24, f"{ENC11}aes256-gcm": 32}
CBC: Final = {f"{ENC}aes128-cbc": 16, f"{ENC}aes192-cbc": 24, f"{ENC}aes256-cbc": 32}
OAEP: Final = f"{ENC}rsa-oaep-mgf1p"
OAEP11: Final = f"{ENC11}rsa-oaep"
SHA1: Final = f"{DS}sha1"
# SHA-1 inside OAEP needs no resistance to collisions, and most identity providers know no other.
_DIGESTS: Final[dict[str, Callable[[], hashes.HashAlgorithm]]] = {
    SHA1: hashes.SHA1,
    f"{ENC}sha256": hashes.SHA256,
    "http://www.w3.org/2001/04/xmldsig-more#sha384": hashes.SHA384,
    f"{ENC}sha512": hashes.SHA512,
}
_MGF1: Final[dict[str, Callable[[], hashes.HashAlgorithm]]] = {
    f"{ENC11}mgf1sha1": hashes.SHA1,
    f"{ENC11}mgf1sha256": hashes.SHA256,
    f"{ENC11}mgf1sha384": hashes.SHA384,
    f"{ENC11}mgf1sha512": hashes.SHA512,
}
_BLOCK: Final = 16
_NONCE: Final = 12


def decrypted(wrapper: Element, keys: Sequence[PrivateKey], *, within_signature: bool) -> Element:
    """The element inside an EncryptedAssertion.

    `within_signature`: a verified signature covers the ciphertext.
    Raises: Malformed, Refused: in one wording for whatever goes wrong while it is opened.
    """
    data = only(wrapper, ENC, "EncryptedData")
    algorithm = _algorithm(data)
    if algorithm in CBC and not within_signature:
        raise Refused(
            "AES-CBC is accepted inside a signed response only: have the identity provider "
            "encrypt with AES-GCM, or sign response and assertion"
        )
    size = {**GCM, **CBC}.get(algorithm)
    if size is None:
        raise Refused(f"the encryption algorithm {algorithm!r} is not accepted")
    encrypted_key = _encrypted_key(wrapper, data)
    scheme, wrapped, ciphertext = _oaep(encrypted_key), _cipher(encrypted_key), _cipher(data)
    for key in keys:
        plaintext = _open(key, scheme, wrapped, ciphertext, algorithm, size)
        if plaintext is not None:
            return parse(plaintext)
    raise Refused("the assertion was not encrypted for this service provider")


def _encrypted_key(wrapper: Element, data: Element) -> Element:
    """The one wrapped key: inside the data's KeyInfo, or beside the data."""
    info = at_most_one(data, DS, "KeyInfo")
    inside = [] if info is None else info.findall(tag(ENC, "EncryptedKey"))
    found = [*inside, *wrapper.findall(tag(ENC, "EncryptedKey"))]
    if len(found) != 1:
        raise Malformed("an encrypted assertion needs exactly one EncryptedKey")
    return found[0]


def _algorithm(element: Element) -> str:
    return only(element, ENC, "EncryptionMethod").get("Algorithm", "")


def _oaep(encrypted_key: Element) -> padding.OAEP:
    method = only(encrypted_key, ENC, "EncryptionMethod")
    algorithm = method.get("Algorithm")
    if algorithm not in (OAEP, OAEP11):
        raise Refused(f"the key encryption {algorithm!r} is not accepted: use RSA-OAEP")
    if at_most_one(method, ENC, "OAEPparams") is not None:
        raise Refused("RSA-OAEP with parameters is not accepted")
    digest = at_most_one(method, DS, "DigestMethod")
    mask = at_most_one(method, ENC11, "MGF")
    digest_name = SHA1 if digest is None else digest.get("Algorithm", "")
    mask_name = f"{ENC11}mgf1sha1" if mask is None else mask.get("Algorithm", "")
    if digest_name not in _DIGESTS or mask_name not in _MGF1:
        raise Refused("RSA-OAEP with this digest is not accepted")
    return padding.OAEP(
        mgf=padding.MGF1(_MGF1[mask_name]()), algorithm=_DIGESTS[digest_name](), label=None
    )


def _cipher(element: Element) -> bytes:
    data = only(element, ENC, "CipherData")
    value = text_of(only(data, ENC, "CipherValue"), max_length=MAX_BYTES)
    try:
        return b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("CipherValue is not base64") from None


def _open(
    key: PrivateKey,
    scheme: padding.OAEP,
    wrapped: bytes,
    ciphertext: bytes,
    algorithm: str,
    size: int,
) -> bytes | None:
    try:
        secret = key.decrypt(wrapped, scheme)
        if len(secret) != size:
            return None
        if algorithm in GCM:
            return AESGCM(secret).decrypt(ciphertext[:_NONCE], ciphertext[_NONCE:], None)
        return _open_cbc(secret, ciphertext)
    except (ValueError, InvalidTag):
        return None


def _open_cbc(secret: bytes, ciphertext: bytes) -> bytes:
    """Raises: ValueError: the length or the padding is wrong."""
    opener = Cipher(algorithms.AES(secret), modes.CBC(ciphertext[:_BLOCK])).decryptor()
    padded = opener.update(ciphertext[_BLOCK:]) + opener.finalize()
    if not padded or not 1 <= padded[-1] <= _BLOCK:
        raise ValueError("padding")
    return padded[: -padded[-1]]
