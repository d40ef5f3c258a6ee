"""Certificates of erasure: signed, so that a row somebody puts in proves nothing."""

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leanvibe_server.kernel.house import House


def sign(house: "House", certificate: dict[str, Any]) -> str:
    """HMAC-SHA256 over the certificate in one fixed form, under a key of this installation."""
    text = json.dumps(certificate, sort_keys=True, separators=(",", ":"))
    key = house.vault.derive("certificates of erasure")
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def is_genuine(house: "House", certificate: dict[str, Any], signature: str) -> bool:
    """Whether a certificate is as it was signed."""
    return hmac.compare_digest(sign(house, certificate), signature)
