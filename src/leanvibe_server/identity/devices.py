"""Devices: what people call them, and which of them an account has signed in from before."""

import base64
import binascii
import hmac
import re
import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from leanvibe_server.kernel.crypto import Vault
from leanvibe_server.kernel.request import DEVICE_COOKIE, network_of

KNOWN_FOR = timedelta(days=180)
# For whom and from where a sign-in came is kept as a hash: enough to know the same again.
_PURPOSE = "device of a person"
_ID_BYTES = 16
_TIME_BYTES = 8
_MAC_BYTES = 32
MAX_TOKEN = 120

# In this order: each browser also calls itself by the names of those it descends from.
_PROGRAMS = (
    (r"leanvibe-python/(\S+)", "LeanVibe SDK for Python"),
    (r"leanvibe-cli", "LeanVibe command line"),
    (r"Edg(?:e|A|iOS)?/", "Edge"),
    (r"OPR/|Opera", "Opera"),
    (r"SamsungBrowser/", "Samsung Internet"),
    (r"Firefox/|FxiOS/", "Firefox"),
    (r"Chromium/", "Chromium"),
    (r"Chrome/|CriOS/", "Chrome"),
    (r"Version/\S+ .*Safari/", "Safari"),
    (r"\bcurl/", "curl"),
    (r"\bWget/", "wget"),
    (r"python-(?:httpx|requests)/|aiohttp/", "a Python program"),
    (r"\bnode(?:\.js|-fetch)?\b|axios/|undici", "a Node.js program"),
    (r"\bJava/|okhttp/|Apache-HttpClient/", "a Java program"),
    (r"Go-http-client/", "a Go program"),
    (r"PostmanRuntime/", "Postman"),
)
_SYSTEMS = (
    (r"iPhone", "iPhone"),
    (r"iPad", "iPad"),
    (r"Android", "Android"),
    (r"Windows", "Windows"),
    (r"CrOS", "ChromeOS"),
    (r"Mac OS X|Macintosh|Darwin", "macOS"),
    (r"Linux|X11", "Linux"),
)


def device_name(user_agent: str | None) -> str:
    """What a person would call the device behind a User-Agent, such as Firefox on Windows.

    Only known names come out: whatever a caller writes there, nothing of it is repeated.
    """
    text = (user_agent or "")[:300]
    program = next((name for pattern, name in _PROGRAMS if re.search(pattern, text)), None)
    system = next((name for pattern, name in _SYSTEMS if re.search(pattern, text)), None)
    if program is None:
        return f"Unknown program on {system}" if system else "Unknown device"
    return f"{program} on {system}" if system else f"{program[0].upper()}{program[1:]}"


def new_device_token(vault: Vault, email: str, now: datetime) -> str:
    """What a device shows at the next sign-in to be known to this account."""
    body = secrets.token_bytes(_ID_BYTES) + int(now.timestamp()).to_bytes(_TIME_BYTES)
    return base64.urlsafe_b64encode(body + _mac(vault, email, body)).decode().rstrip("=")


def known_device(vault: Vault, email: str, token: str | None, now: datetime) -> str | None:
    """The device's id, if this account signed in from it in the last half year.

    The token opens nothing: it only gives its bearer a count of failures of their own.
    """
    if not token or len(token) > MAX_TOKEN:
        return None
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return None
    body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    if len(body) != _ID_BYTES + _TIME_BYTES:
        return None
    if not hmac.compare_digest(mac, _mac(vault, email, body)):
        return None
    age_s = now.timestamp() - int.from_bytes(body[_ID_BYTES:])
    return body[:_ID_BYTES].hex() if 0 <= age_s < KNOWN_FOR.total_seconds() else None


def cookie_of(token: str, *, secure: bool) -> dict[str, Any]:
    """How a browser keeps the token: also for what a SAML provider posts to us from its own site.
    It opens nothing."""
    return {
        "key": DEVICE_COOKIE,
        "value": token,
        "max_age": int(KNOWN_FOR.total_seconds()),
        "path": "/",
        "httponly": True,
        "secure": secure,
        "samesite": "none" if secure else "lax",
    }


def mark_of(vault: Vault, user_id: UUID, *, user_agent: str | None, address: str | None) -> bytes:
    """By what a person's device is known that shows no token: the same program and system, in the
    same network. Nobody reads from it which they are."""
    network = network_of(address or "")
    return vault.keyed_hash(_PURPOSE, f"{user_id}\n{device_name(user_agent)}\n{network}")


def _mac(vault: Vault, email: str, body: bytes) -> bytes:
    return vault.keyed_hash("known device", f"{email}\n{body.hex()}")
