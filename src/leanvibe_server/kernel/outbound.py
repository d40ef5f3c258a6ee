"""Calls to the outside: time-outs, retries with back-off, and no way into private networks."""

import asyncio
import ipaddress
import random
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import httpx

MAX_BYTES = 1_048_576

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
    ip = _innermost(address)
    return ip.is_global and not ip.is_multicast


def is_near(address: str) -> bool:
    """Whether an address is a machine of one's own or of one's own network: what a development
    installation may call. Never a link-local one, where clouds hand out their credentials."""
    ip = _innermost(address)
    return ip.is_loopback or any(ip in network for network in _OWN_NETWORKS)


_OWN_NETWORKS = [
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
]
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _innermost(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address itself, or the IPv4 address that an IPv6 one stands for."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else ip)


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
        tries: int | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> httpx.Response:
        """Send one request; 429 and 5xx are tried again with the same idempotency key, as often
        as `tries` says, else as the client's own. Redirects are not followed.

        Raises: Unreachable: the host is private, unknown, or silent after the last try, or says
            more than `max_bytes`.
        """
        sent = dict(headers or {})
        if idempotency_key is not None:
            sent["Idempotency-Key"] = idempotency_key
        last: Exception | None = None
        for attempt in range(tries or self.tries):
            if attempt:
                await asyncio.sleep(min(8.0, 0.25 * 2**attempt) * random.uniform(0.5, 1.5))  # noqa: S311 (jitter)
            try:
                response = await self._send(method, url, sent, content, max_bytes)
            except (httpx.TransportError, httpx.DecodingError, TimeoutError) as error:
                last = error
                continue
            if response.status_code != 429 and response.status_code < 500:
                return response
            last = Unreachable(f"{url} answered {response.status_code}")
        if isinstance(last, Unreachable):
            raise last
        raise Unreachable(f"{url} did not answer ({type(last).__name__})")

    async def _send(
        self, method: str, url: str, headers: dict[str, str], content: bytes | None, max_bytes: int
    ) -> httpx.Response:
        parts = _split(url)
        target = httpx.URL(url).copy_with(host=await self._allowed_address(parts))
        transport = self.transport or httpx.AsyncHTTPTransport()
        async with (
            # What drips in for ever is given up too.
            asyncio.timeout(2 * self.timeout_s),
            httpx.AsyncClient(
                timeout=self.timeout_s, transport=transport, follow_redirects=False
            ) as client,
            client.stream(
                method,
                target,
                headers={**headers, "Host": parts.netloc.rpartition("@")[2]},
                content=content,
                extensions={"sni_hostname": parts.hostname},
            ) as response,
        ):
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > max_bytes:
                    raise Unreachable(f"{parts.hostname} sent more than {max_bytes} bytes")
        kept = [
            (name, value)
            for name, value in response.headers.multi_items()
            if name not in ("content-encoding", "content-length", "transfer-encoding")
        ]
        return httpx.Response(response.status_code, headers=kept, content=bytes(body))

    async def _allowed_address(self, parts: SplitResult) -> str:
        """The address to connect to. It is the one that was checked, so that a second answer of
        the name server cannot lead elsewhere; name and certificate stay those of the host."""
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            addresses = await self.resolve(host, port)
        except (OSError, UnicodeError):
            raise Unreachable(f"the host name {host} cannot be found") from None
        if not addresses or not all(self._may_call(address) for address in addresses):
            raise Unreachable(f"{host} leads to a private address")
        return addresses[0]

    def _may_call(self, address: str) -> bool:
        return is_public(address) or (self.allow_private and is_near(address))


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise Unreachable("this is no web address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Unreachable(f"{url} is not an http or https address")
    return parts
