"""The caller: a process of its own that sends prepared requests over kept connections.

It reads one order a line from standard input and answers each with one line. It parses as little
of HTTP/1.1 as it needs: a status, a Content-Length, a body.
"""

import asyncio
import base64
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import IO, Any, cast

import uvloop

HOST = "127.0.0.1"
ORDER_TIMEOUT_S = 120.0
KEPT_BODIES = 40
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Answers:
    """What came back for one order. `bodies` are the first answers to each of the
    first requests, in order."""

    wall_s: float
    statuses: dict[str, int]
    p50_ms: float
    p99_ms: float
    bodies: list[bytes]


class _Call(asyncio.Protocol):
    """One connection that sends the next request as soon as an answer is complete."""

    def __init__(self, order: "_Order") -> None:
        self._order = order
        self._buffer = bytearray()
        self._sent_at = 0.0
        self._request = 0
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        found = _LENGTH.search(self._buffer, 0, head)
        if found is None:
            self._order.fail(ValueError(f"no length in {bytes(self._buffer[:200])!r}"))
            return
        end = head + 4 + int(found.group(1))
        if len(self._buffer) < end:
            return
        self._order.note(
            self._request,
            bytes(self._buffer[9:12]),
            self._buffer[head + 4 : end],
            time.perf_counter() - self._sent_at,
        )
        self._buffer.clear()
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._over:
            self._order.fail(error or ConnectionError("the server closed the connection"))

    def _send(self) -> None:
        following = self._order.take()
        if following is None:
            self._over = True
            self._transport.abort()
            return
        self._request, request = following
        self._sent_at = time.perf_counter()
        self._transport.write(request)


class _Order:
    """`count` requests to one port, the given ones in turn, over some connections at once."""

    def __init__(self, requests: list[bytes], count: int) -> None:
        self._requests = cycle(enumerate(requests))
        self._left = count
        self._count = count
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._statuses: dict[bytes, int] = {}
        self._spans: list[float] = []
        self._bodies: dict[int, bytes] = {}

    def take(self) -> tuple[int, bytes] | None:
        if self._left <= 0:
            return None
        self._left -= 1
        return next(self._requests)

    def note(self, request: int, status: bytes, body: bytearray, span_s: float) -> None:
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._spans.append(span_s)
        if request < KEPT_BODIES and request not in self._bodies:
            self._bodies[request] = bytes(body)
        if len(self._spans) == self._count and not self._done.done():
            self._done.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)

    async def run(self, port: int, connections: int) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        began = time.perf_counter()
        for _ in range(min(connections, self._count)):
            await loop.create_connection(lambda: _Call(self), HOST, port)
        await asyncio.wait_for(self._done, ORDER_TIMEOUT_S)
        wall = time.perf_counter() - began
        spans = sorted(self._spans)
        return {
            "wall_s": wall,
            "statuses": {status.decode(): n for status, n in self._statuses.items()},
            "p50_ms": round(spans[len(spans) // 2] * 1000, 3),
            "p99_ms": round(spans[len(spans) * 99 // 100] * 1000, 3),
            "bodies": [base64.b64encode(self._bodies[n]).decode() for n in sorted(self._bodies)],
        }


async def _carry_out(order: dict[str, Any]) -> dict[str, Any]:
    requests = [base64.b64decode(request) for request in order["requests"]]
    return await _Order(requests, order["count"]).run(order["port"], order["connections"])


class Caller:
    """The process that calls, as the one that measures sees it."""

    def __init__(self, orders: IO[str], answers: IO[str]) -> None:
        self._orders = orders
        self._answers = answers

    def call(self, port: int, requests: list[bytes], *, count: int, connections: int) -> Answers:
        """Send `count` requests and wait for their answers.

        Raises: RuntimeError: something other than 200 came back.
        """
        order = {
            "port": port,
            "requests": [base64.b64encode(request).decode() for request in requests],
            "count": count,
            "connections": connections,
        }
        print(json.dumps(order), file=self._orders, flush=True)
        line = self._answers.readline()
        if not line:
            raise RuntimeError("the caller died")
        got = json.loads(line)
        bodies = [base64.b64decode(body) for body in got.pop("bodies")]
        if set(got["statuses"]) != {"200"}:
            raise RuntimeError(f"port {port} answered {got['statuses']}: {bodies[0][:300]!r}")
        return Answers(**got, bodies=bodies)


@contextmanager
def caller() -> Iterator[Caller]:
    """A calling process for the length of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            yield Caller(process.stdin, process.stdout)
        finally:
            process.terminate()


def get(path: str, headers: dict[str, str]) -> bytes:
    """A GET request as it goes over the wire."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {HOST}", "Accept: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def post(path: str, body: dict[str, str], *, place: int) -> bytes:
    """A POST request with JSON as it goes over the wire, from the address of that number."""
    text = json.dumps(body).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {HOST}",
        "Content-Type: application/json",
        f"X-Forwarded-For: 10.{place >> 16 & 255}.{place >> 8 & 255}.{place & 255}",
        f"Content-Length: {len(text)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + text


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(uvloop.run(_carry_out(json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
