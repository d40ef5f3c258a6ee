"""Secrets that carry no meaning but the tenant they belong to.

A secret is looked up under row-level security, so it must say in which tenant. That part is
public; the random part, of 190 bits or more, is what counts.
"""

import re
import secrets
import zlib
from uuid import UUID

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
TENANT_LENGTH = 22
SECRET_LENGTH = 43
KEY_SECRET_LENGTH = 32
CHECKSUM_LENGTH = 6
SHOWN_OF_KEY = 4

_TOKEN = re.compile(rf"[0-9A-Za-z]{{{TENANT_LENGTH + SECRET_LENGTH}}}")
_API_KEY = re.compile(
    rf"(lv_(?:live|test)_[0-9A-Za-z]{{{TENANT_LENGTH + KEY_SECRET_LENGTH}}})"
    rf"([0-9A-Za-z]{{{CHECKSUM_LENGTH}}})"
)
KEY_START = len("lv_live_")
CLIENT_START, SCIM_START = "lvc_", "lv_scim_"
_CLIENT_ID = re.compile(rf"{CLIENT_START}[0-9A-Za-z]{{{2 * TENANT_LENGTH}}}")
_SCIM_TOKEN = re.compile(
    rf"({SCIM_START}[0-9A-Za-z]{{{TENANT_LENGTH + KEY_SECRET_LENGTH}}})"
    rf"([0-9A-Za-z]{{{CHECKSUM_LENGTH}}})"
)


def encode(number: int, length: int) -> str:
    """The number in base 62, padded to `length` digits."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


def encode_bytes(value: bytes) -> str:
    """32 bytes as the secret part of a token."""
    return encode(int.from_bytes(value), SECRET_LENGTH)


def new_token(tenant_id: UUID) -> str:
    """A fresh secret of a tenant."""
    return token_of(tenant_id, secrets.token_bytes(32))


def token_of(tenant_id: UUID, secret: bytes) -> str:
    """The token of a tenant around 32 given bytes."""
    return encode(tenant_id.int, TENANT_LENGTH) + encode_bytes(secret)


def tenant_of_token(token: str) -> UUID | None:
    """The tenant a token names; None when the text is no token."""
    return _tenant(token[:TENANT_LENGTH]) if _TOKEN.fullmatch(token) else None


def new_api_key(tenant_id: UUID, environment: str) -> str:
    """A fresh API key: prefix, tenant, secret, checksum.

    The fixed prefix and the checksum let a scanner tell a leaked key from any other text.
    """
    body = f"lv_{environment}_{encode(tenant_id.int, TENANT_LENGTH)}" + "".join(
        secrets.choice(_DIGITS) for _ in range(KEY_SECRET_LENGTH)
    )
    return body + checksum(body)


def new_client_secret(tenant_id: UUID) -> str:
    """A fresh secret of an OAuth client."""
    return new_api_key(tenant_id, "client")


def new_scim_token(tenant_id: UUID) -> str:
    """A fresh token of a provisioning client."""
    return new_api_key(tenant_id, "scim")


def client_id_of(tenant_id: UUID, client_id: UUID) -> str:
    """The public name of an OAuth client, which says in which tenant to look."""
    return (
        CLIENT_START + encode(tenant_id.int, TENANT_LENGTH) + encode(client_id.int, TENANT_LENGTH)
    )


def parse_client_id(text: str) -> tuple[UUID, UUID] | None:
    """Tenant and id of an OAuth client; None when the text names none."""
    if not _CLIENT_ID.fullmatch(text):
        return None
    named = text[len(CLIENT_START) :]
    tenant, client = _tenant(named[:TENANT_LENGTH]), _tenant(named[TENANT_LENGTH:])
    return None if tenant is None or client is None else (tenant, client)


def tenant_of_scim_token(token: str) -> UUID | None:
    """The tenant a provisioning token names; None when the text is none."""
    match = _SCIM_TOKEN.fullmatch(token)
    if match is None or checksum(match[1]) != match[2]:
        return None
    return _tenant(token[len(SCIM_START) :][:TENANT_LENGTH])


def checksum(body: str) -> str:
    """CRC-32 of what stands before it, in base 62."""
    return encode(zlib.crc32(body.encode()), CHECKSUM_LENGTH)


def tenant_of_api_key(key: str) -> UUID | None:
    """The tenant a key names; None when the text is no key."""
    match = _API_KEY.fullmatch(key)
    if match is None or checksum(match[1]) != match[2]:
        return None
    return _tenant(key[KEY_START : KEY_START + TENANT_LENGTH])


def environment_of(prefix: str) -> str:
    """live or test, from how a key begins."""
    return prefix.split("_")[1]


def shown_prefix(key: str) -> str:
    """The part of a key that is kept readable, so that people can tell their keys apart."""
    return key[: key.rindex("_") + 1 + TENANT_LENGTH + SHOWN_OF_KEY]


def place_of(tenant_id: UUID, thing_id: UUID) -> str:
    """The public part of an address that names a thing of a tenant to outsiders."""
    return encode(tenant_id.int, TENANT_LENGTH) + encode(thing_id.int, TENANT_LENGTH)


def ids_of_place(text: str) -> tuple[UUID, UUID] | None:
    """Tenant and thing that such a part names; None when it names none."""
    if len(text) != 2 * TENANT_LENGTH:
        return None
    tenant, thing = id_of(text[:TENANT_LENGTH]), id_of(text[TENANT_LENGTH:])
    return None if tenant is None or thing is None else (tenant, thing)


def id_of(text: str) -> UUID | None:
    """The id behind digits in base 62; None for other text."""
    return _tenant(text) if text and all(digit in _VALUES for digit in text) else None


def _tenant(text: str) -> UUID | None:
    number = 0
    for digit in text:
        number = number * 62 + _VALUES[digit]
    return UUID(int=number) if number < 2**128 else None
