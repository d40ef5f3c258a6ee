"""HashiCorp Vault's transit engine as the keeper of the master key."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.kernel.master_keys import Binding, MasterKeyUnavailable
from leanvibe_server.kernel.outbound import OutboundClient, Unreachable

TIMEOUT_S = 4.0
TRIES = 2


@dataclass
class VaultMasterKey:
    """A named key of the transit engine (AES-GCM). It wraps and unwraps; it is never shown.

    Source: Vault API, "Transit secrets engine": encrypt, decrypt, associated_data.
    """

    address: str
    mount: str
    key: str
    token: Callable[[], str]
    client: OutboundClient
    namespace: str = ""
    remote: ClassVar[bool] = True

    @classmethod
    def of(cls, settings: Settings) -> "VaultMasterKey":
        return cls(
            address=settings.vault_addr.rstrip("/"),
            mount=settings.vault_transit_mount.strip("/"),
            key=settings.vault_transit_key,
            token=lambda: _token(settings),
            # The operator names the address, and it is a private one as a rule.
            client=OutboundClient(allow_private=True, timeout_s=TIMEOUT_S, tries=TRIES),
            namespace=settings.vault_namespace,
        )

    @property
    def name(self) -> str:
        return f"vault:{self.mount}/{self.key}"

    def knows(self, name: str) -> bool:
        return name == self.name

    async def wrap(self, key: bytes, binding: Binding) -> bytes:
        answer = await self._call("encrypt", {"plaintext": _b64(key)}, binding)
        return str(answer["ciphertext"]).encode()

    async def unwrap(self, wrapped: bytes, binding: Binding) -> bytes:
        answer = await self._call("decrypt", {"ciphertext": wrapped.decode()}, binding)
        return base64.b64decode(answer["plaintext"])

    async def _call(self, verb: str, body: dict[str, str], binding: Binding) -> dict[str, Any]:
        headers = {"X-Vault-Token": self.token(), "Content-Type": "application/json"}
        if self.namespace:
            headers["X-Vault-Namespace"] = self.namespace
        try:
            response = await self.client.request(
                "POST",
                f"{self.address}/v1/{self.mount}/{verb}/{self.key}",
                headers=headers,
                content=json.dumps(body | {"associated_data": _b64(binding.as_bytes())}).encode(),
            )
        except Unreachable as error:
            raise MasterKeyUnavailable(
                "The key service does not answer. Try again in a moment.",
                headers={"Retry-After": "5"},
            ) from error
        if response.status_code == 400 and verb == "decrypt":
            raise Undecipherable("Vault does not open this wrapped key")
        if response.status_code != 200:
            raise MasterKeyUnavailable(
                f"The key service refused with {response.status_code}: its operator must look at "
                "the token, the policy and the name of the transit key.",
            )
        found: dict[str, Any] = response.json()["data"]
        return found


def _token(settings: Settings) -> str:
    """The token, read anew each time from the file an agent keeps fresh, if there is one."""
    if settings.vault_token_file:
        return Path(settings.vault_token_file).read_text().strip()
    return settings.vault_token


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
