"""Encryption at rest, token hashes, and the secrets of this installation."""

import base64
import hashlib
import hmac
import os
import secrets
import threading
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from leanvibe_server.kernel.config import ConfigError, Settings

KEY_BYTES = 32
_NONCE_BYTES = 12
_FORMAT = b"\x01"


class Undecipherable(Exception):
    """The ciphertext does not belong to this key or this place."""


class Vault:
    """Everything that is derived from the master key.

    Fields are sealed with AES-256-GCM under a key of their tenant, and the place they live in
    (tenant, table, column, row) is authenticated with them, so that a value copied elsewhere
    does not open.

    Source: NIST SP 800-38D; RFC 5869 for the derivation.
    """

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != KEY_BYTES:
            raise ConfigError("MASTER_KEY must be 32 bytes in base64: `openssl rand -base64 32`.")
        self._master = master_key
        self._hash_keys: dict[str, bytes] = {}

    def derive(self, purpose: str) -> bytes:
        """32 bytes that serve `purpose` and nothing else."""
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose.encode()).derive(self._master)

    def database_password(self, role: str) -> str:
        """The password of one of the logins that `migrate` makes."""
        return self.derive(f"database login {role}").hex()

    def keyed_hash(self, purpose: str, text: str) -> bytes:
        """A hash nobody without the master key can compute or look up.

        Every sign-in asks for several: the keys of the few purposes there are stay at hand.
        """
        key = self._hash_keys.get(purpose)
        if key is None:
            key = self._hash_keys[purpose] = self.derive(purpose)
        return hmac.digest(key, text.encode(), "sha256")

    def seal(self, plaintext: bytes, *, tenant_id: UUID, place: tuple[str, str, UUID]) -> bytes:
        """Encrypt one field. `place` is (table, column, row id)."""
        nonce = os.urandom(_NONCE_BYTES)
        cipher = self._cipher(tenant_id)
        return _FORMAT + nonce + cipher.encrypt(nonce, plaintext, _aad(tenant_id, place))

    def open(self, sealed: bytes, *, tenant_id: UUID, place: tuple[str, str, UUID]) -> bytes:
        """Decrypt one field.

        Raises: Undecipherable: wrong key, wrong place, or a damaged value.
        """
        if sealed[:1] != _FORMAT:
            raise Undecipherable("unknown format")
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher(tenant_id).decrypt(nonce, body, _aad(tenant_id, place))
        except InvalidTag:
            raise Undecipherable("the value does not belong here") from None

    def _cipher(self, tenant_id: UUID) -> AESGCM:
        return AESGCM(self.derive(f"tenant fields {tenant_id}"))


def _aad(tenant_id: UUID, place: tuple[str, str, UUID]) -> bytes:
    table, column, row_id = place
    return f"{tenant_id}/{table}/{column}/{row_id}".encode()


def load_vault(settings: Settings) -> Vault:
    """The vault of this installation; development makes its master key at the first start."""
    if settings.master_key:
        try:
            key = base64.b64decode(settings.master_key, validate=True)
        except ValueError:
            raise ConfigError(
                "MASTER_KEY is not valid base64: make one with `openssl rand -base64 32`."
            ) from None
        return Vault(key)
    path = settings.home / "master.key"
    if not path.exists():
        write_private(path, base64.b64encode(secrets.token_bytes(KEY_BYTES)))
    return Vault(base64.b64decode(path.read_bytes()))


def write_private(path: Path, content: bytes) -> None:
    """Put `content` in place at once, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Of several who write the same file at once, each has a draft of its own.
    draft = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.replace(path)


def hash_token(token: str) -> bytes:
    """How a random token is kept: it has 128 bits or more, so one SHA-256 is enough."""
    return hashlib.sha256(token.encode()).digest()
