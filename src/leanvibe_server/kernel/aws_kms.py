"""AWS Key Management Service as the keeper of the master key."""

import asyncio
import importlib
from dataclasses import dataclass
from typing import Any, ClassVar

from leanvibe_server.kernel.config import ConfigError, Settings
from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.kernel.master_keys import Binding, MasterKeyUnavailable

TIMEOUT_S = 4
TRIES = 2
_NOT_OURS = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})


@dataclass
class KmsMasterKey:
    """A symmetric key of KMS. The tenant and the version are its encryption context, so AWS's
    own log shows for whom each key was opened.

    boto3 signs (SigV4), finds credentials and has time-outs of its own; it blocks, so it runs in
    a thread.

    Source: AWS KMS API Reference, Encrypt and Decrypt.
    """

    key_id: str
    client: Any
    remote: ClassVar[bool] = True

    @classmethod
    def of(cls, settings: Settings) -> "KmsMasterKey":
        return cls(settings.aws_kms_key_id, _client(settings))

    @property
    def name(self) -> str:
        return f"aws:{self.key_id}"

    def knows(self, name: str) -> bool:
        return name == self.name

    async def wrap(self, key: bytes, binding: Binding) -> bytes:
        answer = await self._call(
            self.client.encrypt,
            KeyId=self.key_id,
            Plaintext=key,
            EncryptionContext=binding.context,
        )
        return bytes(answer["CiphertextBlob"])

    async def unwrap(self, wrapped: bytes, binding: Binding) -> bytes:
        answer = await self._call(
            self.client.decrypt,
            KeyId=self.key_id,
            CiphertextBlob=wrapped,
            EncryptionContext=binding.context,
        )
        return bytes(answer["Plaintext"])

    async def _call(self, verb: Any, **named: Any) -> dict[str, Any]:
        errors = importlib.import_module("botocore.exceptions")
        try:
            answer: dict[str, Any] = await asyncio.to_thread(verb, **named)
        except errors.ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _NOT_OURS:
                raise Undecipherable("KMS does not open this wrapped key") from None
            raise MasterKeyUnavailable(
                f"The key service refused with {code}: its operator must look at the key's "
                "state and policy."
            ) from error
        except errors.BotoCoreError as error:
            raise MasterKeyUnavailable(
                "The key service does not answer. Try again in a moment.",
                headers={"Retry-After": "5"},
            ) from error
        return answer


def _client(settings: Settings) -> Any:
    try:
        boto3 = importlib.import_module("boto3")
        config = importlib.import_module("botocore.config")
    except ImportError:
        raise ConfigError(
            "KEY_PROVIDER=aws needs boto3: install leanvibe-server with its extra `aws`."
        ) from None
    return boto3.client(
        "kms",
        region_name=settings.aws_kms_region or None,
        endpoint_url=settings.aws_kms_endpoint or None,
        config=config.Config(
            connect_timeout=TIMEOUT_S,
            read_timeout=TIMEOUT_S,
            retries={"total_max_attempts": TRIES, "mode": "standard"},
        ),
    )
