"""Calls to the outside: time-outs, retries with back-off, and no way into private networks."""

import asyncio
import ipaddress
import random
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class Unreachable(Exception):
    """The address may not be called, or did not answer after every try."""


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """The addresses behind a name, from the system's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return sorted({str(entry[4][0]) for entry in found})


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet."""
    ip = ipaddress.ip_address(address)
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_global and not (mapped or ip).is_multicast


@dataclass
class OutboundClient:
    """HTTP to the outside world. One for each process; `allow_private` only in development."""

    allow_private: bool = False
    timeout_s: float = 10.0
    tries: int = 3
    resolve: Resolve = resolve_host
    transport: httpx.AsyncBaseTransport | None = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        idempotency_key: str | None = None,
    ) -> httpx.Response:
        """Send one request; 429 and 5xx are tried again with the same idempotency key.

        Raises: Unreachable: the host is private, unknown, or silent after the last try.
        """
        sent = dict(headers or {})
        if idempotency_key is not None:
            sent["Idempotency-Key"] = idempotency_key
        last: Exception | None = None
        for attempt in range(self.tries):
            if attempt:
                await asyncio.sleep(min(8.0, 0.25 * 2**attempt) * random.uniform(0.5, 1.5))  # noqa: S311 (jitter)
            try:
                response = await self._send(method, url, sent, content)
            except httpx.TransportError as error:
                last = error
                continue
            if response.status_code != 429 and response.status_code < 500:
                return response
            last = Unreachable(f"{url} answered {response.status_code}")
        raise Unreachable(f"{url} did not answer: {last!r}")

    async def _send(
        self, method: str, url: str, headers: dict[str, str], content: bytes | None
    ) -> httpx.Response:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unreachable(f"{url} is not an http or https address")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            addresses = await self.resolve(parts.hostname, port)
        except OSError as error:
            raise Unreachable(f"{parts.hostname} is not known: {error}") from None
        if not self.allow_private and not all(is_public(a) for a in addresses):
            raise Unreachable(f"{parts.hostname} leads to a private address")
        # Connect to the address that was checked, so that a second answer of the name server
        # cannot lead elsewhere; name and certificate stay those of the host.
        target = httpx.URL(url).copy_with(host=addresses[0])
        async with httpx.AsyncClient(
            timeout=self.timeout_s, transport=self.transport, follow_redirects=False
        ) as client:
            return await client.request(
                method,
                target,
                headers={**headers, "Host": parts.netloc.rpartition("@")[2]},
                content=content,
                extensions={"sni_hostname": parts.hostname},
            )
