"""A security key in software: says what a real one says, or what it is told to say wrongly."""

import hashlib
import json
import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40
ORIGIN, RP = "http://localhost:8765", "localhost"


def encode(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Key:
    """One credential, with its counter."""

    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    private: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    handle: bytes = b""
    count: int = 0
    flags: int = UP | UV

    def cose(self, algorithm: int = -7) -> bytes:
        numbers = self.private.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: algorithm, -1: 1, -2: numbers.x.to_bytes(32),
                            -3: numbers.y.to_bytes(32)})  # fmt: skip

    def create(
        self,
        options: dict[str, Any],
        *,
        flags: int | None = None,
        rp: str = RP,
        algorithm: int = -7,
        attestation: tuple[str, Any] = ("none", {}),
        **told: Any,
    ) -> dict[str, Any]:
        """An answer to the options of a registration."""
        self.handle = decode(options["user"]["id"])
        data = self._data(rp, (self.flags if flags is None else flags) | AT)
        data += bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id
        data += self.cose(algorithm)
        kind, statement = attestation
        stated = cbor2.dumps({"fmt": kind, "attStmt": statement, "authData": data})
        client = _client("webauthn.create", options, told)
        return self._answer(clientDataJSON=encode(client), attestationObject=encode(stated))

    def get(
        self,
        options: dict[str, Any],
        *,
        flags: int | None = None,
        rp: str = RP,
        handle: bytes | None = None,
        count: int | None = None,
        **told: Any,
    ) -> dict[str, Any]:
        """An answer to the options of a sign-in."""
        self.count = self.count if count is None else count
        data = self._data(rp, self.flags if flags is None else flags)
        client = _client("webauthn.get", options, told)
        signed = data + hashlib.sha256(client).digest()
        signature = self.private.sign(signed, ec.ECDSA(SHA256()))
        return self._answer(
            clientDataJSON=encode(client),
            authenticatorData=encode(data),
            signature=encode(signature),
            userHandle=encode(self.handle if handle is None else handle),
        )

    def _data(self, rp: str, flags: int) -> bytes:
        return hashlib.sha256(rp.encode()).digest() + struct.pack(">BI", flags, self.count)

    def _answer(self, **response: str) -> dict[str, Any]:
        name = encode(self.credential_id)
        return {"id": name, "rawId": name, "type": "public-key", "response": response,
                "clientExtensionResults": {}}  # fmt: skip


def _client(kind: str, options: dict[str, Any], told: dict[str, Any]) -> bytes:
    said = {"type": kind, "challenge": options["challenge"], "origin": ORIGIN,
            "crossOrigin": False, **told}  # fmt: skip
    return json.dumps(said).encode()
