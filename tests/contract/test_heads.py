"""The head of a request: bounded in size and time, so that nobody fills the memory or holds a
connection for ever."""

import asyncio
from urllib.parse import urlsplit

import httpx
import pytest

from leanvibe_server import app

START = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n"


async def _connect(street: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(street)
    return await asyncio.open_connection(parts.hostname, parts.port)


async def _pour(writer: asyncio.StreamWriter, piece: bytes, megabytes: int) -> None:
    for _ in range(megabytes):
        writer.write(piece * (1_000_000 // len(piece)))
        await writer.drain()


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"GET /", b"a"),
        (START + b"X-Long: ", b"a"),
        (START, b"X-Many: y\r\n"),
        (
            b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"0\r\nX-Trailer: ",
            b"a",
        ),
    ],
    ids=["address", "one header", "many headers", "trailer"],
)
async def test_sec_rate_limit_dos_02_a_head_without_end_is_cut_off(
    street: str, start: bytes, piece: bytes
) -> None:
    _, writer = await _connect(street)
    writer.write(start)
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(_pour(writer, piece, 200), 20)
    writer.close()
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{street}/health/live")).status_code == 200


async def test_sec_rate_limit_dos_02_a_large_head_is_refused_in_words(street: str) -> None:
    async with httpx.AsyncClient() as client:
        refused = await client.get(f"{street}/health/live", headers={"X-Long": "a" * 70_000})
        assert refused.status_code == 400
        assert refused.json()["error"] == "invalid_request"
        heard = await client.get(f"{street}/health/live", headers={"X-Long": "a" * 30_000})
        assert heard.status_code == 200


async def test_sec_rate_limit_dos_02_a_head_that_never_ends_is_given_up(
    street: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "HEAD_WITHIN_S", 0.3)
    for begun in (b"", START + b"X-Slow: "):
        reader, writer = await _connect(street)
        writer.write(begun)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_large_bodies_and_many_requests_still_come_through(street: str) -> None:
    async with httpx.AsyncClient() as client:
        for _ in range(30):
            assert (await client.get(f"{street}/health/live")).status_code == 200
        body = {"email": "a@b.example", "password": "x" * 900_000}
        answer = await client.post(f"{street}/v1/auth/login", json=body)
        assert answer.json()["details"]["field"] == "password"
