"""A Vault that knows the transit engine's encrypt and decrypt, as its API documents them."""

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


@dataclass
class FakeVault:
    """`down` answers like a sealed Vault; `calls` remembers what was asked."""

    token: str = "s.right"
    down: bool = False
    calls: list[str] = field(default_factory=list)
    key: bytes = field(default_factory=lambda: os.urandom(32))

    def answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        self.calls.append(path)
        if self.down:
            return _errors(503, "Vault is sealed")
        if headers.get("x-vault-token") != self.token:
            return _errors(403, "permission denied")
        asked = json.loads(body)
        bound = base64.b64decode(asked["associated_data"])
        match path.split("/"):
            case ["", "v1", "transit", "encrypt", "leanvibe"]:
                nonce = os.urandom(12)
                plain = base64.b64decode(asked["plaintext"])
                sealed = nonce + AESGCM(self.key).encrypt(nonce, plain, bound)
                text = f"vault:v1:{base64.b64encode(sealed).decode()}"
                return _data({"ciphertext": text, "key_version": 1})
            case ["", "v1", "transit", "decrypt", "leanvibe"]:
                return self._decrypt(asked["ciphertext"], bound)
        return _errors(404, "no handler for route")

    def _decrypt(self, text: str, bound: bytes) -> tuple[int, bytes]:
        prefix, version, sealed = text.split(":")
        if (prefix, version) != ("vault", "v1"):
            return _errors(400, "invalid ciphertext: no prefix")
        raw = base64.b64decode(sealed)
        try:
            plain = AESGCM(self.key).decrypt(raw[:12], raw[12:], bound)
        except InvalidTag:
            return _errors(400, "cipher: message authentication failed")
        return _data({"plaintext": base64.b64encode(plain).decode()})


def _data(data: dict[str, object]) -> tuple[int, bytes]:
    body = {"request_id": "r", "lease_id": "", "renewable": False, "data": data}
    return 200, json.dumps(body).encode()


def _errors(status: int, message: str) -> tuple[int, bytes]:
    return status, json.dumps({"errors": [message]}).encode()
