"""A KMS that speaks AWS JSON 1.1 and checks the SigV4 signature of each call."""

import base64
import hashlib
import hmac
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/kms/aws4_request, "
    r"SignedHeaders=(?P<names>[^,]+), Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass
class FakeKms:
    """One key. `state` Disabled answers as AWS does for a key that was disabled."""

    access_key: str = "AKIDEXAMPLE"
    secret_key: str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    key_id: str = "alias/leanvibe"
    state: str = "Enabled"
    calls: list[str] = field(default_factory=list)
    contexts: list[dict[str, str]] = field(default_factory=list)
    key: bytes = field(default_factory=lambda: os.urandom(32))

    def answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        target = headers.get("x-amz-target", "")
        self.calls.append(target)
        if headers.get("content-type") != "application/x-amz-json-1.1":
            return _error("UnknownOperationException")
        if not self._is_signed(method, path, headers, body):
            return _error("InvalidSignatureException")
        asked = json.loads(body)
        if asked["KeyId"] != self.key_id:
            return _error("NotFoundException")
        if self.state != "Enabled":
            return _error("DisabledException")
        self.contexts.append(asked["EncryptionContext"])
        bound = json.dumps(asked["EncryptionContext"], sort_keys=True).encode()
        if target == "TrentService.Encrypt":
            nonce = os.urandom(12)
            plain = base64.b64decode(asked["Plaintext"])
            blob = nonce + AESGCM(self.key).encrypt(nonce, plain, bound)
            return self._told(CiphertextBlob=base64.b64encode(blob).decode())
        if target == "TrentService.Decrypt":
            blob = base64.b64decode(asked["CiphertextBlob"])
            try:
                plain = AESGCM(self.key).decrypt(blob[:12], blob[12:], bound)
            except InvalidTag:
                return _error("InvalidCiphertextException")
            return self._told(Plaintext=base64.b64encode(plain).decode())
        return _error("UnknownOperationException")

    def _told(self, **fields: str) -> tuple[int, bytes]:
        arn = f"arn:aws:kms:eu-central-1:111122223333:key/{self.key_id}"
        told = {"KeyId": arn, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"} | fields
        return 200, json.dumps(told).encode()

    def _is_signed(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Source: AWS General Reference, "Signature Version 4 signing process"."""
        found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if found is None or found["id"] != self.access_key:
            return False
        names = found["names"].split(";")
        lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
        payload = hashlib.sha256(body).hexdigest()
        request = "\n".join([method, path, "", lines, found["names"], payload])
        place = f"{found['day']}/{found['region']}/kms/aws4_request"
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], place, digest])
        key = f"AWS4{self.secret_key}".encode()
        for part in (found["day"], found["region"], "kms", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        expected = hmac.new(key, text.encode(), "sha256").hexdigest()
        return hmac.compare_digest(expected, found["signature"])


def _error(code: str) -> tuple[int, bytes]:
    return 400, json.dumps({"__type": code, "message": f"{code} by the double"}).encode()
