"""How messages travel: in a form (POST) or in an address (redirect), bounded either way.

Source: SAML 2.0 Bindings, sections 3.4 and 3.5.
"""

import binascii
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote, unquote

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from leanvibe_server.identity.saml.refusals import Malformed, Refused, TooLarge
from leanvibe_server.identity.saml.xml import MAX_BYTES

MAX_POSTED = 256 * 1024
MAX_IN_ADDRESS = 64 * 1024
MAX_RELAY_STATE = 200
MESSAGES: Final = ("SAMLRequest", "SAMLResponse")
RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_HASHES: Final[dict[str, Callable[[], hashes.HashAlgorithm]]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}
_METHOD = re.compile(
    r"http://www\.w3\.org/2001/04/xmldsig-more#(rsa|ecdsa)-sha(256|384|512)"
)  # fmt: skip


@dataclass(frozen=True)
class InAddress:
    """A message that came in an address, with the octets its signature covers."""

    kind: str
    document: bytes
    relay_state: str | None
    signed: bytes
    method: str | None
    signature: bytes


def from_post(text: str) -> bytes:
    """The document in a form's field. Raises: TooLarge, Malformed."""
    return _from_base64(text, MAX_POSTED)


def from_address(query: bytes) -> InAddress:
    """The message in an address's query, just as the caller wrote it.

    Raises: TooLarge, Malformed.
    """
    if len(query) > MAX_IN_ADDRESS:
        raise TooLarge(f"the address is longer than {MAX_IN_ADDRESS} bytes")
    raw = _raw_parameters(query)
    kinds = [kind for kind in MESSAGES if kind in raw]
    if len(kinds) != 1:
        raise Malformed("the address must hold one SAMLRequest or one SAMLResponse")
    names = [kinds[0], *(name for name in ("RelayState", "SigAlg") if name in raw)]
    relay_state = raw.get("RelayState")
    return InAddress(
        kind=kinds[0],
        document=inflate(_from_base64(_plain(raw[kinds[0]]), MAX_IN_ADDRESS)),
        relay_state=None if relay_state is None else _plain(relay_state),
        signed="&".join(f"{name}={raw[name]}" for name in names).encode(),
        method=_plain(raw["SigAlg"]) if "SigAlg" in raw else None,
        signature=_from_base64(_plain(raw.get("Signature", "")), 4_096),
    )


def inflate(packed: bytes) -> bytes:
    """What DEFLATE packed, as far as a document may go. Raises: TooLarge, Malformed."""
    unpacker = zlib.decompressobj(wbits=-15)
    try:
        document = unpacker.decompress(packed, MAX_BYTES + 1)
    except zlib.error:
        raise Malformed("the message is not packed by DEFLATE") from None
    if len(document) > MAX_BYTES:
        raise TooLarge(f"the message unpacks to more than {MAX_BYTES} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise Malformed("the message is cut off, or goes on behind its end")
    return document


def check_address_signature(
    message: InAddress, certificates: Sequence[x509.Certificate], *, now: datetime
) -> None:
    """Raises: Refused: no valid certificate of the provider signed the message."""
    match = _METHOD.fullmatch(message.method or "")
    if match is None or not message.signature:
        raise Refused("the message is not signed, or by an algorithm that is not accepted")
    digest = _HASHES[match[2]]()
    for certificate in certificates:
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            continue
        try:
            _check(certificate, match[1], digest, message)
        except (InvalidSignature, ValueError):
            continue
        return
    raise Refused("the signature was not made with a certificate of this identity provider")


def _check(
    certificate: x509.Certificate, kind: str, digest: hashes.HashAlgorithm, message: InAddress
) -> None:
    """Raises: InvalidSignature."""
    key = certificate.public_key()
    if kind == "rsa" and isinstance(key, rsa.RSAPublicKey):
        key.verify(message.signature, message.signed, padding.PKCS1v15(), digest)
    elif kind == "ecdsa" and isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(message.signature, message.signed, ec.ECDSA(digest))
    else:
        raise InvalidSignature


def to_address(
    location: str, kind: str, document: bytes, relay_state: str | None, key: rsa.RSAPrivateKey
) -> str:
    """The provider's address with a signed message in its query."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(document) + packer.flush()
    fields = {kind: b64encode(packed).decode()}
    if relay_state is not None:
        fields["RelayState"] = relay_state
    fields["SigAlg"] = RSA_SHA256
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())
    signature = key.sign(query.encode(), padding.PKCS1v15(), hashes.SHA256())
    mark = "&" if "?" in location else "?"
    return f"{location}{mark}{query}&Signature={quote(b64encode(signature).decode(), safe='')}"


def to_post(document: bytes) -> str:
    """A message as the field of a form."""
    return b64encode(document).decode()


def _raw_parameters(query: bytes) -> dict[str, str]:
    """The parameters as they were written: a signature covers the very characters."""
    try:
        text = query.decode("ascii")
    except UnicodeDecodeError:
        raise Malformed("the address holds other characters than ASCII") from None
    found: dict[str, str] = {}
    for part in text.split("&"):
        name, _, value = part.partition("=")
        if name in found:
            raise Malformed(f"the address names {name} twice")
        found[name] = value
    return found


def _plain(value: str) -> str:
    return unquote(value.replace("+", " "), errors="replace")


def _from_base64(text: str, limit: int) -> bytes:
    if len(text) > limit:
        raise TooLarge(f"the message is longer than {limit} characters")
    try:
        return b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("the message is not base64") from None
