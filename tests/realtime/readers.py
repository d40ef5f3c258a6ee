"""Those who watch a task, as programs and browsers do."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.realtime.conftest import Server


def watch(server: Server, task_id: object, token: str, query: str = "", **more: str) -> connect:
    """A WebSocket that follows the task."""
    return connect(
        f"{server.ws}/v1/tasks/{task_id}/updates{query}",
        additional_headers={"Authorization": f"Bearer {token}", **more},
    )


async def next_message(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 5))
    return message


async def until_closed(socket: ClientConnection) -> list[dict[str, Any]]:
    """All messages until the server closes, for whatever reason."""
    messages: list[dict[str, Any]] = []
    with suppress(ConnectionClosed):
        while True:
            messages.append(await next_message(socket))
    return messages


async def events_of(response: httpx.Response) -> AsyncIterator[tuple[str | None, dict[str, Any]]]:
    """The messages of an event stream, each with the mark to resume from."""
    mark = None
    async for line in response.aiter_lines():
        if line.startswith("id: "):
            mark = line[4:]
        elif line.startswith("data: "):
            yield mark, json.loads(line[6:])
