"""What the street sees: every answer of the real server wears the envelope and the headers."""

import asyncio
import json
from urllib.parse import urlsplit

import httpx
import pytest
import websockets

from tests.given import Organisation

RATE_HEADERS = {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}
ENVELOPE = {"error", "message", "details", "request_id", "timestamp"}


@pytest.mark.parametrize("path", ["/v1/ws/nothing", "/v1/tasks/x/updates", "/nowhere"])
async def test_a_refused_websocket_is_answered_like_any_other_request(
    street: str, path: str
) -> None:
    target = street.replace("http://", "ws://") + path
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with websockets.connect(target):
            pass
    response = refused.value.response
    assert response.status_code in (401, 404)
    body = json.loads(response.body)
    assert set(body) == ENVELOPE
    names = {name.lower() for name, _ in response.headers.raw_items()}
    assert names >= RATE_HEADERS | {"x-request-id"}


async def test_bytes_that_are_no_request_are_refused_in_the_envelope(street: str) -> None:
    parts = urlsplit(street)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert all(name.encode() in head.lower() for name in RATE_HEADERS)
    assert set(json.loads(body)) == ENVELOPE


async def test_a_load_balancer_may_ask_by_head(street: str) -> None:
    async with httpx.AsyncClient(base_url=street) as client:
        head = await client.head("/health")
        refused = await client.head("/v1/auth/login")
    assert (head.status_code, head.content) == (200, b"")
    assert refused.status_code == 405


async def test_no_answer_leads_where_the_host_header_says(street: str, acme: Organisation) -> None:
    async with httpx.AsyncClient(base_url=street) as client:
        headers = await acme.headers(client) | {"Host": "evil.example"}
        answer = await client.get("/v1/tasks/", headers=headers)
    assert answer.status_code == 404
    assert "evil.example" not in str(answer.headers) + answer.text
