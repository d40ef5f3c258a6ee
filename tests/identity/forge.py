"""A forge of access tokens, for tests that try to pass them off."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization
from joserfc import jws
from joserfc.jwk import ECKey

from leanvibe_server.identity import tokens
from leanvibe_server.identity.keys import KeyRing

ATTACKER = ECKey.generate_key("P-256")


def b64(value: bytes | str | dict[str, Any]) -> str:
    if isinstance(value, dict):
        value = json.dumps(value)
    if isinstance(value, str):
        value = value.encode()
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@dataclass
class Forge:
    """A real token, its parts, and the means to make others like it."""

    token: str
    ring: KeyRing
    now: int

    @property
    def header(self) -> dict[str, Any]:
        return dict(json.loads(tokens._decode(self.token.split(".")[0])))

    @property
    def claims(self) -> dict[str, Any]:
        return dict(json.loads(tokens._decode(self.token.split(".")[1])))

    def sign(
        self,
        *,
        header: dict[str, Any] | None = None,
        payload: bytes | None = None,
        **claims: Any,
    ) -> str:
        """A token signed with the house's own key, with other contents."""
        body = payload
        if body is None:
            merged = {k: v for k, v in (self.claims | claims).items() if v is not ...}
            body = json.dumps(merged).encode()
        head = b64(self.header | (header or {}))
        return self.sign_text(head, b64(body))

    def sign_text(self, head: str, body: str) -> str:
        """The house's signature under any two segments."""
        key = self.ring.signer.key
        assert isinstance(key, ECKey)
        algorithm = jws.JWSRegistry.algorithms["ES256"]
        signature = algorithm.sign(f"{head}.{body}".encode(), key)
        return f"{head}.{body}.{b64(signature)}"

    def mac(self, secret: bytes, **header: Any) -> str:
        """An HS256 token over the same contents."""
        head = b64(self.header | {"alg": "HS256"} | header)
        body = self.token.split(".")[1]
        digest = hmac.digest(secret, f"{head}.{body}".encode(), hashlib.sha256)
        return f"{head}.{body}.{b64(digest)}"

    def public_pem(self) -> bytes:
        key = self.ring.signer.key
        assert isinstance(key, ECKey)
        return key.as_pem(private=False)

    def public_der(self) -> bytes:
        loaded = serialization.load_pem_public_key(self.public_pem())
        return loaded.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )


async def ask(client: httpx.AsyncClient, token: str) -> int:
    """The status a token is met with; a refusal says no more than that."""
    answer = await client.get("/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
    if answer.status_code == 401:
        assert answer.json()["error"] == "unauthorized"
        assert answer.headers["www-authenticate"].startswith("Bearer")
    return answer.status_code
